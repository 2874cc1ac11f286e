"""What is for sale: read from the host's own catalogue."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Item:
    name: str
    cents: int


def load(path: Path) -> list[Item]:
    return [Item(entry["name"], read_price(entry["price"])) for entry in json.loads(path.read_text())]


def read_price(text: str) -> int:
    """Cents. The tills write 4.20, the old ones 4,20."""
    return round(float(text.replace(",", ".")) * 100)
