"""Which of the queued runs begins next: a share for each repository, so that one who pushes much holds nobody up."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

Id = TypeVar("Id")


def in_turn(waiting: Iterable[tuple[Id, str]], under_way: Mapping[str, int]) -> list[Id]:
    """Of (run, repository) in their order: first those whose repository has the fewest before them, under way or here."""
    before = Counter(under_way)
    turns: list[tuple[int, Id]] = []
    for run, repository in waiting:
        turns.append((before[repository], run))
        before[repository] += 1
    return [run for _, run in sorted(turns, key=lambda turn: turn[0])]


def begins(waiting: Sequence[tuple[Id, str]], under_way: Mapping[str, int], places: int) -> list[Id]:
    """Those that take the free places. A repository takes another one while more are left than it has: alone it comes to
    half of all, and whoever comes next finds one."""
    has = Counter(under_way)
    of = dict(waiting)
    chosen: list[Id] = []
    for run in in_turn(waiting, under_way):
        if has[of[run]] < places:
            has[of[run]] += 1
            places -= 1
            chosen.append(run)
    return chosen
