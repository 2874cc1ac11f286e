"""What comes of the steps of a job on a host, and which of them has had its time."""

from datetime import UTC, datetime, timedelta

from headway.base.secret import Secret
from headway.domain.deployment import Command, DeploymentStep
from headway.domain.job import JobResult, LogCut, StepMark
from headway.domain.states import State
from headway.engine.hosts.jobs import _Taker
from tests.support.clocks import HandClock

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COMMANDS = (
    Command("web1", "drain", "true", limit=timedelta(seconds=30)),
    Command("web1", "deactivate:worker", "true", limit=timedelta(minutes=10)),
)


def taker(clock: HandClock, secrets: tuple[Secret, ...] = ()) -> _Taker:
    row = DeploymentStep("dep-1", "web1", "", 1, State.RUNNING, None, NOW, None)
    return _Taker(row, COMMANDS, secrets, clock)


def test_a_step_that_hangs_is_named_with_the_limit_that_it_passed() -> None:
    clock = HandClock(NOW)
    found = taker(clock)
    found.take([StepMark(1, None, 1.0)], None)
    clock.pass_(timedelta(seconds=30))
    assert found.overdue(clock.monotonic()) == ""
    found.take([StepMark(1, 0, 31.0), StepMark(2, None, 31.0)], None)
    # Each has a limit of its own.
    clock.pass_(timedelta(seconds=599))
    assert found.overdue(clock.monotonic()) == ""
    clock.pass_(timedelta(seconds=2))
    assert (
        found.overdue(clock.monotonic())
        == "deactivate:worker took longer than its limit of 10m and was ended"
    )


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


def test_of_a_long_output_no_part_of_a_secret_is_kept() -> None:
    value = "".join(f"{number:04x}" for number in range(175))
    found = taker(HandClock(NOW), (Secret("KEY", value),))
    found.take([StepMark(1, None, 1.0)], None)
    found.take([f"{value}\n".encode() * 300], None)
    [row] = found.take([StepMark(1, 1, 2.0)], None)
    assert row.output is not None
    assert set(row.output.split("\n")) <= {"[secret]", "secret]", ""}


def test_output_that_was_cut_ends_before_what_may_be_half_of_a_secret() -> None:
    lost = JobResult(State.ERRORED, "its disk was full", (), None, output_truncated=True)
    for items, result in (([b"key: abc-def", LogCut(), b"\n[cut]\n"], None), ([b"key: abc-def"], lost)):
        found = taker(HandClock(NOW), (Secret("KEY", "abc-def-ghi"),))
        found.take([StepMark(1, None, 1.0), *items], None)
        [row] = found.take([], result) if result else found.take([StepMark(1, 1, 2.0)], None)
        assert row.output in ("key: \n[cut]\n", "key: ")


def test_news_that_is_old_because_we_stood_still_ends_no_step() -> None:
    """Asked for before, read after: the step may have ended long ago. The next news tells."""
    clock = HandClock(NOW)
    found = taker(clock)
    found.take([StepMark(1, None, 1.0)], None)
    asked_at = clock.monotonic()
    clock.pass_(timedelta(seconds=37))
    found.take([], None)
    assert found.overdue(asked_at) == ""
    found.take([StepMark(1, 0, 5.0)], None)
    assert found.overdue(clock.monotonic()) == ""
