"""What may be done with a run: the table, and what a repeat of what failed takes along."""

import pytest

from headway.domain.run import FileFault, Run, SkippedBy, Trigger, TriggerEvent
from headway.domain.states import State
from headway.pipeline.run_actions import jobs_to_repeat, run_actions
from tests.pipeline.test_progress import NOON, job


def run(state: State, **trigger: object) -> Run:
    return Run(
        id="run",
        number=1,
        service="shop",
        repository="/shop",
        commit="c",
        tree="t",
        dirty=False,
        branch="main",
        state=state,
        reason="",
        created_at=NOON,
        trigger=Trigger(event=TriggerEvent.PUSH, key="k", repository="r", **trigger),
    )


@pytest.mark.parametrize(
    ("state", "trigger", "jobs", "allowed"),
    [
        ("queued", {}, ["a"], {"cancel"}),
        ("queued", {"held_for": "a stranger's"}, [], {"cancel", "approve"}),
        ("running", {}, ["a:failed", "b:running"], {"cancel"}),
        ("succeeded", {}, ["a:succeeded"], {"repeat"}),
        # What was allowed to fail did not fail the run.
        ("succeeded", {}, ["a:failed"], {"repeat"}),
        ("failed", {}, ["a:failed", "b:succeeded"], {"repeat", "repeat_failed"}),
        ("errored", {}, ["a:errored"], {"repeat", "repeat_failed"}),
        ("cancelled", {}, ["a:cancelled"], {"repeat", "repeat_failed"}),
        # A newer push took its place before it had jobs, or its file has faults: there is nothing to pick.
        ("cancelled", {"held_for": "a stranger's"}, [], {"repeat"}),
        ("failed", {"faults": (FileFault("headway.toml", "jobs", 1, 1, "wrong"),)}, [], {"repeat"}),
    ],
)
def test_what_a_run_allows(state, trigger, jobs, allowed):
    actions = run_actions(run(State(state), **trigger), [job(text) for text in jobs])
    assert {
        name for name in ("cancel", "approve", "repeat", "repeat_failed") if getattr(actions, name)
    } == allowed


def skipped(text, by, reason=""):
    return job(text, state=State.SKIPPED, skipped_by=by, reason=reason)


@pytest.mark.parametrize(
    ("jobs", "repeated"),
    [
        ([job("a:failed"), job("b:succeeded"), job("c:errored"), job("d:cancelled")], ("a", "c", "d")),
        # Whatever waited for it, however far off, in whatever order they stand.
        (
            [
                skipped("c needs b", SkippedBy.NEED),
                skipped("b needs a", SkippedBy.NEED),
                job("a:failed"),
            ],
            ("c", "b", "a"),
        ),
        # Its own condition skipped it; what the condition says is nobody's business here.
        (
            [
                job("a:failed"),
                skipped("review needs a", SkippedBy.WHEN, 'when branch == "needs-review": it is main'),
                skipped("docs", SkippedBy.WHEN, 'when branch == "needs-review": it is main'),
                skipped("after needs docs", SkippedBy.NEED),
            ],
            ("a",),
        ),
        ([job("a:succeeded"), skipped("b", SkippedBy.WHEN)], ()),
    ],
)
def test_what_a_repeat_of_what_failed_is_of(jobs, repeated):
    assert jobs_to_repeat(jobs) == repeated
