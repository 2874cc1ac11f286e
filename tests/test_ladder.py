"""The house as the linter sees it is the house that stands, and the one that docs/architecture.md draws."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_room_stands_on_the_ladder():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    on_ladder = {room.strip().removeprefix("headway.") for layer in layers for room in layer.split("|")}
    rooms = {path.parent.name for path in (ROOT / "src" / "headway").glob("*/__init__.py")}
    assert rooms == on_ladder


def test_the_picture_shows_every_room():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"\[\"<b>(\w+)</b>", page.split("```mermaid")[1].split("```")[0]))
    assert drawn == {path.parent.name for path in (ROOT / "src" / "headway").glob("*/__init__.py")}


def test_every_room_says_what_lives_there():
    for front_door in (ROOT / "src" / "headway").glob("*/__init__.py"):
        assert front_door.read_text().startswith(f'"""{front_door.parent.name}: '), front_door
