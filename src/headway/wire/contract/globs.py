"""Whether a job's globs take in the artifact that is deployed, by the rules that collect artifacts when a job ends.

`*` and `?` stay within a folder, `**` crosses folders, a folder takes in all below it; all from the repository's top.
"""

from collections.abc import Iterable, Sequence

from headway.base.globs import matches_parts


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
    return any(matches_parts(wanted, parts[:length]) for length in lengths)
