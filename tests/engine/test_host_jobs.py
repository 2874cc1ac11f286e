"""What comes of the steps of a job on a host, and which of them has had its time."""

from datetime import UTC, datetime, timedelta

from headway.domain.deployment import Command, DeploymentStep
from headway.domain.job import JobResult, StepMark
from headway.domain.states import State
from headway.engine.host_jobs import _Taker
from tests.support.clocks import HandClock

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COMMANDS = (
    Command("web1", "drain", "true", limit=timedelta(seconds=30)),
    Command("web1", "deactivate:worker", "true", limit=timedelta(minutes=10)),
)


def taker(clock: HandClock) -> _Taker:
    row = DeploymentStep("dep-1", "web1", "", 1, State.RUNNING, None, NOW, None)
    return _Taker(row, COMMANDS, (), clock)


def test_a_step_that_hangs_is_named_with_the_limit_that_it_passed() -> None:
    clock = HandClock(NOW)
    found = taker(clock)
    found.take([StepMark(1, None, 1.0)], None)
    clock.pass_(timedelta(seconds=30))
    assert found.overdue() == ""
    found.take([StepMark(1, 0, 31.0), StepMark(2, None, 31.0)], None)
    # Each has a limit of its own.
    clock.pass_(timedelta(seconds=599))
    assert found.overdue() == ""
    clock.pass_(timedelta(seconds=2))
    assert found.overdue() == "deactivate:worker took longer than its limit of 10m and was ended"


def test_what_ends_a_job_by_itself_is_told_with_the_step_at_hand() -> None:
    clock = HandClock(NOW)
    found = taker(clock)
    found.take([StepMark(1, None, 1.0)], None)
    lost = JobResult(State.ERRORED, "runner lost", (), None)
    found.take([], lost)
    assert found.end(lost).reason == "runner lost in drain"
    found = taker(clock)
    found.take([StepMark(1, None, 1.0), StepMark(1, 143, 2.0)], None)
    late = JobResult(State.FAILED, "timeout after 11m in step 1", (), None)
    found.take([], late)
    assert found.end(late).reason == "timeout after 11m in drain"
