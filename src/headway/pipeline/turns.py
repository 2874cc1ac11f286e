"""Whose turn is next: a share for each repository, so that one who pushes much holds nobody up. For queued runs and for
jobs that wait for slots alike.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeVar

Id = TypeVar("Id")


class Turns:
    """The places of a line, each once, as their turns come: first those of the smallest rank; among them those whose
    repository has the fewest under way; among those the first of the line.

    Whoever goes through them says which one `took` something; the others count for nothing. Those of one repository stay
    in the line's order. All of it together costs n log n.
    """

    def __init__(
        self, repositories: Sequence[str], under_way: Mapping[str, int], ranks: Sequence[int] | None = None
    ) -> None:
        """What stands at each place, in the line's order; `ranks` never fall along it. None: all are of one rank."""
        self._repositories = repositories
        self._ranks = ranks
        self._has = Counter(under_way)
        #: Repository -> its places, smallest first.
        self._lines: dict[str, list[int]] = {}
        for place, repository in enumerate(repositories):
            self._lines.setdefault(repository, []).append(place)
        #: The first of each repository by rank, turn and place. An entry that is not true any more is passed over.
        self._next = [self._entry(line[0]) for line in self._lines.values()]
        heapify(self._next)

    def __iter__(self) -> Iterator[int]:
        while self._next:
            _, turn, place = heappop(self._next)
            repository = self._repositories[place]
            line = self._lines[repository]
            if line and line[0] == place and turn == self._has[repository]:
                heappop(line)
                yield place
                self._come_up(line)

    def took(self, place: int, count: int = 1) -> None:
        """Its repository has so many more from here on."""
        repository = self._repositories[place]
        self._has[repository] += count
        self._come_up(self._lines[repository])

    def again(self, place: int) -> None:
        """It comes once more: what it was passed over for is gone."""
        line = self._lines[self._repositories[place]]
        heappush(line, place)
        self._come_up(line)

    def _come_up(self, line: Sequence[int]) -> None:
        if line:
            heappush(self._next, self._entry(line[0]))

    def _entry(self, place: int) -> tuple[int, int, int]:
        rank = self._ranks[place] if self._ranks is not None else 0
        return rank, self._has[self._repositories[place]], place


def begins(
    waiting: Sequence[tuple[Id, str]], under_way: Mapping[str, int], places: int
) -> tuple[list[Id], list[Id]]:
    """Of (run, repository) in their order those that take the free places, and the others, each as their turns come. A
    repository takes another place while more are left than it has: alone it comes to half of all, and whoever comes next
    finds one."""
    has = Counter(under_way)
    turns = Turns([repository for _, repository in waiting], under_way)
    chosen: list[Id] = []
    later: list[Id] = []
    for place in turns:
        run, repository = waiting[place]
        turns.took(place)
        if has[repository] < places:
            has[repository] += 1
            places -= 1
            chosen.append(run)
        else:
            later.append(run)
    return chosen, later
