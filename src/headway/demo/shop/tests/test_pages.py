import unittest

from shop import pages
from shop.catalogue import Item


class Pages(unittest.TestCase):
    def test_the_front_page_shows_each_item_with_its_price(self) -> None:
        page = pages.front_page([Item("Tea", 420), Item("Salt & pepper", 95)], "rel-1")
        self.assertIn("<li>Tea: 4.20</li>", page)
        self.assertIn("<li>Salt &amp; pepper: 0.95</li>", page)

    def test_a_price_has_two_decimals(self) -> None:
        self.assertEqual(pages.format_price(420), "4.20")
        self.assertEqual(pages.format_price(1205), "12.05")
