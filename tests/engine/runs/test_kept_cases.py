"""A job's reports cost bounded memory, whatever it writes."""

from functools import partial
from pathlib import Path

import pytest

from headway.base.stopping import StopSign
from headway.domain.contract import JobDefinition
from headway.domain.run import TestCase
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactStore
from headway.engine.runs import results as run_results
from headway.engine.runs.kept_cases import KeptCases, _Room
from headway.engine.runs.results import Yield, gather
from headway.wire.contract import read_contract


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


REPORT = """<testsuites><testsuite name="s">
<testcase name="ok-1"/><testcase name="ok-2"/><testcase name="ok-3"/>
<testcase name="bad-1"><failure message="long long long"/></testcase><testcase name="bad-2"><failure message="no"/></testcase>
</testsuite></testsuites>"""


def gathered(folder: Path, state: State, reason: str = "") -> Yield:
    definition: JobDefinition = read_contract(
        'contract = 1\n[service]\nname = "s"\n[jobs.a]\nrun = "x"\nreports = { junit = "*.xml" }\n'
    ).jobs["a"]
    store = ArtifactStore(folder / "artifacts")
    work = folder / "work"
    return gather(
        store, work, definition, state=state, reason=reason, masked=lambda text, *_: text, sign=StopSign()
    )


def test_a_job_says_when_not_all_of_its_cases_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are counted; what it says stands behind what else there is to say, and makes it no worse."""
    bad, others = partial(_Room, 9, 100, 5), partial(_Room, 2, 100, 5)
    monkeypatch.setattr(run_results, "KeptCases", lambda: KeptCases(_bad=bad(), _others=others()))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "one.xml").write_text(REPORT)
    told = "of 5 test cases 2 are counted and not kept, or without their message"
    found = gathered(tmp_path, State.FAILED, "exit 1 in step 1")
    assert (found.state, found.reason) == (State.FAILED, f"exit 1 in step 1; {told}")
    assert found.tests is not None and (found.tests.total, found.tests.failed) == (5, 2)
    assert [(one.name, one.message) for one in found.cases] == [
        ("ok-1", ""),
        ("ok-2", ""),
        ("bad-1", ""),
        ("bad-2", "no"),
    ]
    succeeded = gathered(tmp_path, State.SUCCEEDED)
    assert (succeeded.state, succeeded.reason) == (State.SUCCEEDED, told)


def test_a_job_whose_cases_are_all_kept_says_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "one.xml").write_text(REPORT)
    found = gathered(tmp_path, State.SUCCEEDED)
    assert (found.state, found.reason, len(found.cases)) == (State.SUCCEEDED, "", 5)
