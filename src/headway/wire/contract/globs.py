"""Whether a job's globs take in the artifact that is deployed, by the rules that collect artifacts when a job ends.

`*` and `?` stay within a folder, `**` crosses folders, a folder takes in all below it; all from the repository's top.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


def any_takes_in(globs: Iterable[str], path: str) -> bool:
    parts = path.split("/")
    return any(_takes_in(glob.removesuffix("/"), parts) for glob in globs)


def _takes_in(glob: str, parts: Sequence[str]) -> bool:
    wanted = glob.split("/")
    if wanted[-1] == "**":
        # At the end it takes in what is below a folder: at least one part, the folder itself is no artifact.
        wanted.append("*")
    # A folder that is met takes in what is below it, so every beginning of the path may be the one meant.
    lengths = [len(parts)] if "**" in wanted else range(1, len(parts) + 1)
    return any(_match(wanted, parts[:length]) for length in lengths)


def _match(wanted: Sequence[str], parts: Sequence[str]) -> bool:
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
    """`**` may also stand for no folder at all."""
    found = set(places)
    for place in sorted(places):
        while place < len(wanted) and wanted[place] == "**":
            place += 1
            found.add(place)
    return found
