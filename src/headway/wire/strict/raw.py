"""Careful looks into a document whose shape may be wrong: what does not fit reads as absent."""

from collections.abc import Iterator
from typing import Any

from headway.base.globs import Unreadable, read_glob
from headway.wire.strict.faults import Path, Problem, show

Table = dict[str, Any]


def table(parent: object, key: str) -> Table:
    """The table at `key`, empty if there is none."""
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def tables(parent: object, key: str) -> dict[str, Table]:
    """The tables in the table at `key` by name, such as the jobs."""
    return {name: value for name, value in table(parent, key).items() if isinstance(value, dict)}


def text(parent: object, key: str) -> str | None:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, str) else None


def texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """The text, or each text of the list, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        yield from (((*path, number), item) for number, item in enumerate(value) if isinstance(item, str))


def twice(value: object, path: Path) -> Iterator[Problem]:
    """Texts that stand in a list a second time."""
    seen: set[str] = set()
    for place, item in texts(value, path):
        if item in seen:
            yield Problem(place, f"'{item}' stands in this list twice", f"'{item}'", "each once")
        seen.add(item)


def unreadable(value: object, path: Path) -> Iterator[Problem]:
    """Globs of names that can mean nothing."""
    for place, item in texts(value, path):
        try:
            read_glob(item.removeprefix("!"))
        except Unreadable as error:
            yield Problem(place, f"{show(item)} is no glob: {error}", show(item), "such as 'release/*'")


def cycles(arrows: dict[str, list[str]]) -> list[list[str]]:
    """The cycles by which names wait for one another, as `[a, b, a]`: one for each arrow that closes one.

    Walks without recursion: a chain may be a thousand names long.
    """
    found: list[list[str]] = []
    finished: dict[str, bool] = {}
    for start, first in arrows.items():
        if start in finished:
            continue
        trail, ahead = [start], [iter(first)]
        finished[start] = False
        while trail:
            following = next(ahead[-1], None)
            if following is None:
                finished[trail.pop()] = True
                ahead.pop()
            elif following not in arrows or finished.get(following):
                continue
            elif following in finished:
                found.append([*trail[trail.index(following) :], following])
            else:
                trail.append(following)
                ahead.append(iter(arrows[following]))
                finished[following] = False
    return found
