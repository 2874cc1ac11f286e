"""What happens next in a run, by examples."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headway.domain.contract import Retry
from headway.domain.run import Job, SkippedBy
from headway.domain.states import State
from headway.pipeline.graph import heights
from headway.pipeline.progress import (
    AttemptEnd,
    Drop,
    Finish,
    Rules,
    Skip,
    Start,
    Stop,
    decide,
    fold,
    is_halted,
    left_out,
    settled,
)

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def job(text: str, **fields: object) -> Job:
    """`test:running needs build lint`."""
    head, _, needs = text.partition(" needs ")
    name, _, state = head.partition(":")
    defaults: dict[str, object] = {
        "id": f"id-{name}",
        "run": "run",
        "name": name,
        "definition": name.split(" (", maxsplit=1)[0],
        "matrix": {},
        "needs": tuple(needs.split()),
        "state": State(state or "queued"),
        "reason": "",
        "attempt": 1,
        "allow_failure": False,
        "queued_at": NOON,
    }
    return Job(**(defaults | fields))


def told(decisions):
    """Decisions as words: `start test`, `skip build: …`."""
    return [
        f"finish {decision.state}: {decision.reason}"
        if isinstance(decision, Finish)
        else f"start {decision.job}"
        if isinstance(decision, Start)
        else f"{type(decision).__name__.lower()} {decision.job}: {decision.reason}"
        for decision in decisions
    ]


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (["lint", "test", "build needs test"], ["start lint", "start test"]),
        (["lint:running", "test", "docs"], ["start test"]),
        (["lint:running", "test:running", "docs"], []),
        (["test:succeeded", "build needs test"], ["start build"]),
        (["test (a):succeeded", "test (b):running", "build needs test"], []),
        (["test (a):succeeded", "test (b):succeeded", "build needs test"], ["start build"]),
        (
            ["test:failed", "build needs test", "publish needs build", "lint"],
            [
                "skip build: needs 'test', which failed",
                "skip publish: needs 'build', which was skipped",
                "start lint",
            ],
        ),
        (["test:skipped", "build needs test"], ["skip build: needs 'test', which was skipped"]),
        (["test:errored", "build needs test"], ["skip build: needs 'test', which errored"]),
        (
            ["test (a):failed", "test (b):running", "build needs test"],
            ["skip build: needs 'test (a)', which failed"],
        ),
        (["test:running"], []),
        # In whichever order they stand, a chain of skips is told at once.
        (
            ["b needs a", "d needs c", "c needs b", "a:failed"],
            [
                "skip b: needs 'a', which failed",
                "skip d: needs 'c', which was skipped",
                "skip c: needs 'b', which was skipped",
            ],
        ),
    ],
)
def test_two_jobs_may_run_at_once(jobs, expected):
    assert told(decide([job(text) for text in jobs], Rules(limit=2))) == expected


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (["a:succeeded", "b:succeeded"], "finish succeeded: 2 succeeded"),
        (["a:succeeded", "b:skipped"], "finish succeeded: 1 succeeded, 1 skipped"),
        (["a:skipped", "b:skipped"], "finish skipped: 2 skipped"),
        (["a:failed", "b:succeeded", "c:skipped"], "finish failed: 'a' failed: exit 1; 1 skipped"),
        (["a:failed", "b:failed", "c:errored"], "finish errored: 'c' errored: exit 1; 2 failed"),
        (["a:failed", "b:failed"], "finish failed: 'a' failed: exit 1; 1 more failed"),
        (["a:cancelled", "b:succeeded"], "finish cancelled: 1 succeeded, 1 cancelled"),
        (["a:cancelled", "b:failed"], "finish failed: 'b' failed: exit 1; 1 cancelled"),
    ],
)
def test_the_worst_job_is_the_run(jobs, expected):
    assert told(decide([job(text, reason="exit 1") for text in jobs], Rules(limit=2))) == [expected]


def test_what_is_allowed_to_fail_counts_as_done():
    jobs = [job("audit:failed", allow_failure=True), job("build needs audit")]
    assert told(decide(jobs, Rules(limit=1))) == ["start build"]
    ended = [jobs[0], job("build:succeeded needs audit")]
    assert told(decide(ended, Rules(limit=1))) == ["finish succeeded: 1 succeeded, 1 failed (1 allowed to)"]
    gladly = [*ended, job("docs:succeeded", allow_failure=True)]
    assert told(decide(gladly, Rules(limit=1))) == ["finish succeeded: 2 succeeded, 1 failed (1 allowed to)"]


def test_the_longest_chain_starts_first():
    jobs = [job("lint"), job("compile"), job("test needs compile"), job("pack needs test")]
    rules = Rules(limit=1, heights=heights({job.definition: job.needs for job in jobs}))
    assert told(decide(jobs, rules)) == ["start compile"]


def test_a_job_whose_chain_is_not_known_counts_as_the_end_of_one():
    assert told(decide([job("a"), job("b")], Rules(limit=1, heights={"b": 1}))) == ["start b"]


def test_a_start_says_what_it_waited_for():
    jobs = [job("lint"), job("a:succeeded"), job("b:succeeded"), job("build needs a b")]
    assert decide(jobs, Rules(limit=2)) == (
        Start("lint", "needs nothing"),
        Start("build", "needs a, b: done"),
    )


@pytest.mark.parametrize(
    ("jobs", "fail_fast", "cancel", "halted"),
    [
        (["a:failed", "b"], False, None, False),
        (["a:failed", "b"], True, None, True),
        (["a:errored", "b"], True, None, True),
        (["a:cancelled", "b"], True, None, False),
        (["a", "b"], False, "cancelled by ana", True),
    ],
)
def test_a_run_is_halted_by_a_person_or_by_fail_fast(jobs, fail_fast, cancel, halted):
    rules = Rules(limit=1, fail_fast=fail_fast)
    assert is_halted([job(text) for text in jobs], rules, cancel) is halted


def test_without_jobs_nothing_was_done():
    assert fold([]) is State.SKIPPED


def test_fail_fast_stops_the_others_and_keeps_the_verdict():
    rules = Rules(limit=4, fail_fast=True)
    jobs = [job("a:failed", reason="exit 1"), job("b:running"), job("c")]
    why = "'a' failed and fail-fast was asked for"
    assert decide(jobs, rules) == (Drop("c", why), Stop("b", why))
    ended = [job("a:failed", reason="exit 1"), job("b:cancelled"), job("c:cancelled")]
    assert told(decide(ended, rules)) == ["finish failed: 'a' failed: exit 1; 2 cancelled"]


def test_fail_fast_is_not_for_what_may_fail():
    jobs = [job("a:failed", allow_failure=True), job("b")]
    assert told(decide(jobs, Rules(limit=1, fail_fast=True))) == ["start b"]


def test_cancel_drops_what_waits_and_stops_what_runs():
    jobs = [job("a:succeeded"), job("b:running"), job("c"), job("d needs c")]
    assert decide(jobs, Rules(limit=4), cancel="cancelled by ana") == (
        Drop("c", "cancelled by ana"),
        Drop("d", "cancelled by ana"),
        Stop("b", "cancelled by ana"),
    )
    ended = [job("a:succeeded"), job("b:cancelled"), job("c:cancelled"), job("d:cancelled")]
    # What failed before does not hide that a person stopped the rest.
    for run in (ended, [*ended, job("e:failed", reason="exit 1")]):
        assert told(decide(run, Rules(limit=4), cancel="cancelled by ana")) == [
            "finish cancelled: cancelled by ana"
        ]


def test_a_cancel_that_comes_too_late_changes_nothing():
    jobs = [job("a:succeeded"), job("b:succeeded")]
    assert told(decide(jobs, Rules(limit=4), cancel="cancelled by ana")) == ["finish succeeded: 2 succeeded"]


RETRY = Rules(limit=1, retries={"test": Retry(max=2, on=frozenset({State.ERRORED}))})


@pytest.mark.parametrize(
    ("attempt", "end", "halted", "expected"),
    [
        (1, "succeeded", False, (State.SUCCEEDED, 1, "why")),
        (1, "failed", False, (State.FAILED, 1, "why")),
        (1, "errored", False, (State.QUEUED, 2, "attempt 1 errored: why; 1 more after it")),
        (2, "errored", False, (State.QUEUED, 3, "attempt 2 errored: why; the last one")),
        (3, "errored", False, (State.ERRORED, 3, "why, in the last of 3 attempts")),
        (1, "errored", True, (State.ERRORED, 1, "why")),
        (1, "cancelled", False, (State.CANCELLED, 1, "why")),
    ],
)
def test_an_attempt_is_retried_for_its_reason_only(attempt, end, halted, expected):
    running = job("test:running", attempt=attempt)
    after = settled(running, AttemptEnd(State(end), "why"), RETRY, halted=halted, now=NOON)
    assert (after.state, after.attempt, after.reason) == expected


def test_a_job_that_is_retried_begins_from_nothing():
    running = job("test:running", started_at=NOON, directory="/d", taken=3, kept=2)
    end = AttemptEnd(State.ERRORED, "runner lost", taken=9, kept=7, outputs={"A": "1"})
    again = settled(running, end, RETRY, halted=False, now=NOON)
    assert again == job("test", attempt=2, reason="attempt 1 errored: runner lost; 1 more after it"), (
        "nothing of the first attempt is left in the row"
    )


def test_a_job_ends_with_what_it_left_and_not_before_it_began():
    began = NOON + timedelta(seconds=5)
    running = job("test:running", started_at=began, directory="/d")
    end = AttemptEnd(State.SUCCEEDED, "exit 0", taken=9, kept=7, outputs={"A": "1"})
    after = settled(running, end, RETRY, halted=False, now=NOON)
    assert after == replace(
        running,
        state=State.SUCCEEDED,
        reason="exit 0",
        finished_at=began,
        taken=9,
        kept=7,
        outputs={"A": "1"},
    )


def test_a_job_that_never_starts_says_what_kept_it():
    skipped = left_out(job("b needs a"), Skip("b", "needs 'a', which failed"), NOON)
    assert (skipped.state, skipped.skipped_by, skipped.finished_at) == (State.SKIPPED, SkippedBy.NEED, NOON)
    dropped = left_out(job("b"), Drop("b", "cancelled by ana"), NOON)
    assert (dropped.state, dropped.skipped_by) == (State.CANCELLED, None)


def test_a_retry_says_why_it_starts():
    again = job("test", attempt=2, reason="attempt 1 errored: runner lost; 1 more after it")
    assert decide([again], RETRY) == (
        Start("test", "attempt 2: attempt 1 errored: runner lost; 1 more after it"),
    )


def test_an_attempt_cannot_end_running():
    with pytest.raises(ValueError, match="cannot end running"):
        settled(job("test:running"), AttemptEnd(State.RUNNING, "why"), RETRY, halted=False, now=NOON)
