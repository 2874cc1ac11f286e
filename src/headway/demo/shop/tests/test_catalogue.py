import json
import tempfile
import unittest
from pathlib import Path

from shop import catalogue


class Catalogue(unittest.TestCase):
    def test_items_have_a_name_and_cents(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "catalogue.json")
            path.write_text(json.dumps([{"name": "Tea", "price": "4.20"}]))
            self.assertEqual(catalogue.load(path), [catalogue.Item("Tea", 420)])

    def test_a_price_is_read_to_the_cent(self) -> None:
        self.assertEqual(catalogue.read_price("0.29"), 29)
        self.assertEqual(catalogue.read_price("12"), 1200)
