"""Globs of names that have folders, such as branches: `*` and `?` stay within a part, `**` crosses parts.

The whole name is meant: `main` takes in no `topic/main`. In a list a later `!GLOB` takes out again.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


def takes_in(globs: Iterable[str], name: str) -> bool:
    """Whether the list takes the name in; the last glob that fits decides. An empty list takes in nothing."""
    parts = name.split("/")
    taken = False
    for glob in globs:
        wanted = glob.removeprefix("!")
        if matches_parts(wanted.split("/"), parts):
            taken = wanted == glob
    return taken


def matches_parts(wanted: Sequence[str], parts: Sequence[str]) -> bool:
    """Part by part; keeps the set of places in the glob that the parts so far lead to."""
    places = _crossing({0}, wanted)
    for part in parts:
        places = _crossing(
            {place for place in places if place < len(wanted) and wanted[place] == "**"}
            | {
                place + 1
                for place in places
                if place < len(wanted) and wanted[place] != "**" and fnmatchcase(part, wanted[place])
            },
            wanted,
        )
    return len(wanted) in places


def _crossing(places: set[int], wanted: Sequence[str]) -> set[int]:
    """`**` may also stand for no part at all."""
    found = set(places)
    for place in sorted(places):
        while place < len(wanted) and wanted[place] == "**":
            place += 1
            found.add(place)
    return found
