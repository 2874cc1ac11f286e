"""Whether a job's globs take in the artifact that is deployed, by the rules that collect artifacts when a job ends.

`*` and `?` stay within a folder, `**` crosses folders, a folder takes in all below it; all from the repository's top.
"""

from collections.abc import Iterable, Sequence

from headway.base.globs import Unreadable, read_path_glob


def any_takes_in(globs: Iterable[str], path: str) -> bool:
    parts = path.split("/")
    return any(_takes_in(glob, parts) for glob in globs)


def _takes_in(text: str, parts: Sequence[str]) -> bool:
    try:
        glob = read_path_glob(text)
    except Unreadable:
        return False
    above, itself = glob.meets(parts)
    return itself or (above and not glob.crosses)
