"""The house as the linter sees it is the house that stands, and the one that docs/architecture.md draws."""

import re
import tomllib
from pathlib import Path

import grimp

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


def test_the_page_shows_the_packages_of_the_engine_in_their_order():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if "containers" in contract)
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| package, the highest first |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [
        layer for layer in layers if ":" not in layer
    ]


def test_no_file_imports_the_package_that_it_lies_in():
    """The linter's contract against circles takes a package and its front door for one."""
    graph = grimp.build_graph("headway")
    assert "headway.drivers.git.repository" in graph.find_modules_directly_imported_by("headway.drivers.git")
    for file in graph.modules:
        above = [one for one in graph.find_modules_directly_imported_by(file) if file.startswith(f"{one}.")]
        # A front door that imports nothing, such as the version's, makes no circle.
        assert not [package for package in above if graph.find_modules_directly_imported_by(package)], file


def test_every_room_says_what_lives_there():
    rooms = [
        *(ROOT / "src" / "headway").glob("*/__init__.py"),
        *(ROOT / "src" / "headway" / "engine").glob("*/__init__.py"),
    ]
    for front_door in rooms:
        assert front_door.read_text().startswith(f'"""{front_door.parent.name}: '), front_door
