"""A job's reports cost bounded memory, whatever it writes."""

from headway.domain.run import TestCase
from headway.domain.states import State
from headway.engine.kept_cases import KeptCases


def case(state: State, *, name: int = 8, message: int = 0) -> TestCase:
    return TestCase("suite", "n" * name, state, 0.1, "m" * message)


def test_messages_are_kept_up_to_a_total_and_their_cases_beyond_it() -> None:
    kept = KeptCases()
    kept.add(case(State.FAILED, message=8192) for _ in range(20_000))
    assert len(kept.cases) == 20_000
    assert sum(len(one.message) for one in kept.cases) <= 4 * 2**20
    assert kept.cases[0].message and not kept.cases[-1].message
    assert kept.left_out == 20_000 - 512


def test_long_names_are_kept_up_to_a_total_and_what_failed_has_its_own_room() -> None:
    kept = KeptCases()
    kept.add(case(State.SUCCEEDED, name=1024) for _ in range(20_000))
    assert sum(len(one.name) for one in kept.cases) <= 8 * 2**20
    kept.add([case(State.FAILED, message=100)])
    assert kept.cases[-1].state is State.FAILED and kept.cases[-1].message
    assert kept.left_out == 20_001 - len(kept.cases)


def test_an_ordinary_report_is_kept_whole() -> None:
    kept = KeptCases()
    cases = [case(State.SUCCEEDED), case(State.FAILED, message=5000), case(State.SKIPPED, message=20)]
    kept.add(cases)
    assert (kept.cases, kept.left_out) == (cases, 0)
