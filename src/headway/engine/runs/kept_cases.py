"""Which test cases of a job are kept: a job writes its reports itself, so what they may cost is bounded as a whole."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from headway.domain.run import TestCase
from headway.domain.states import State


@dataclass(slots=True)
class _Room:
    """Counted in characters, four bytes each at most."""

    cases: int
    names: int
    messages: int


def _for_bad() -> _Room:
    return _Room(100_000, 8 * 2**20, 4 * 2**20)


def _for_others() -> _Room:
    return _Room(100_000, 8 * 2**20, 2**20)


@dataclass(slots=True)
class KeptCases:
    """In the order in which they came. What failed has a room of its own, so that nothing before it takes that."""

    cases: list[TestCase] = field(default_factory=list)
    #: Cases, or their messages, that had no room.
    left_out: int = 0
    _bad: _Room = field(default_factory=_for_bad)
    _others: _Room = field(default_factory=_for_others)

    def add(self, cases: Iterable[TestCase]) -> None:
        for case in cases:
            room = self._bad if case.state in (State.FAILED, State.ERRORED) else self._others
            name = len(case.suite) + len(case.name) + len(case.file or "")
            if not room.cases or name > room.names:
                self.left_out += 1
                continue
            if len(case.message) > room.messages:
                case = replace(case, message="")
                self.left_out += 1
            room.cases -= 1
            room.names -= name
            room.messages -= len(case.message)
            self.cases.append(case)
