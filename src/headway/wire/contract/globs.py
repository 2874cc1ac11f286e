"""Globs as git's ignore files mean them, so that one word of them is true everywhere in the file."""

import pathspec


def any_matches(globs: list[str], path: str) -> bool:
    """Whether one of the globs takes the path in. A glob that cannot be read takes nothing in."""
    try:
        return pathspec.GitIgnoreSpec.from_lines(globs).match_file(path)
    except ValueError:
        return False
