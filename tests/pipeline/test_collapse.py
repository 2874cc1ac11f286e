"""Which runs a newer one overtakes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain.contract import PipelineSpec, Superseded
from headway.domain.run import Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.pipeline.collapse import Collapse, collapse, swallowed

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
DEFAULT = PipelineSpec()
IMPATIENT = PipelineSpec(cancel_running=True)
PATIENT = PipelineSpec(superseded=Superseded.KEEP)


def run(
    number: int,
    state: State = State.QUEUED,
    event: TriggerEvent = TriggerEvent.PUSH,
    ref: str = "refs/heads/main",
    service: str = "shop",
    selection: tuple[str, ...] = (),
) -> Run:
    return Run(
        id=str(number), number=number, service=service, repository="/r", commit="c", tree="t", dirty=False, branch="main",
        state=state, reason="", created_at=NOON + timedelta(seconds=number), selection=selection,
        trigger=Trigger(event, str(number), "repository-1", ref),
    )  # fmt: skip


RUNNING, DONE = State.RUNNING, State.SUCCEEDED


@pytest.mark.parametrize(
    ("runs", "pipeline", "expected"),
    [
        ([run(1)], DEFAULT, Collapse()),
        ([run(1), run(2), run(3)], DEFAULT, Collapse({"1": "3", "2": "3"})),
        ([run(3), run(1), run(2)], DEFAULT, Collapse({"1": "3", "2": "3"})),
        ([run(1), run(2)], PATIENT, Collapse()),
        ([run(1, RUNNING), run(2), run(3)], DEFAULT, Collapse({"2": "3"})),
        ([run(1, RUNNING), run(2), run(3)], IMPATIENT, Collapse({"2": "3"}, {"1": "3"})),
        # The newest has even finished, as after a pause of the one before.
        ([run(1), run(2, DONE)], DEFAULT, Collapse({"1": "2"})),
        ([run(1, DONE), run(2)], IMPATIENT, Collapse()),
        ([run(1), run(2, ref="refs/heads/topic")], DEFAULT, Collapse()),
        ([run(1, ref="refs/heads/topic"), run(2), run(3)], DEFAULT, Collapse({"2": "3"})),
        ([run(1), run(2, service="library")], DEFAULT, Collapse()),
        ([run(1), run(2, event=TriggerEvent.PULL_REQUEST)], DEFAULT, Collapse()),
        ([run(1, event=TriggerEvent.PULL_REQUEST), run(2, event=TriggerEvent.PULL_REQUEST)], DEFAULT, Collapse({"1": "2"})),
        ([run(1, event=TriggerEvent.CRON), run(2, event=TriggerEvent.CRON)], IMPATIENT, Collapse()),
        ([run(1), run(2, event=TriggerEvent.RERUN)], IMPATIENT, Collapse()),
        ([run(1), run(2, selection=("test",))], IMPATIENT, Collapse()),
    ],
)  # fmt: skip
def test_collapse(runs: list[Run], pipeline: PipelineSpec, expected: Collapse) -> None:
    assert collapse(runs, pipeline) == expected


def swallowed_by(new: Run, runs: list[Run], pipeline: PipelineSpec) -> list[str]:
    assert new.trigger is not None
    found = swallowed(
        runs, pipeline, service=new.service, repository=new.trigger.repository, ref=new.trigger.ref, event=new.trigger.event
    )  # fmt: skip
    return [one.id for one in found]


@pytest.mark.parametrize(
    ("new", "pipeline", "expected"),
    [
        (run(9), DEFAULT, ["2", "3"]),
        (run(9), IMPATIENT, ["1", "2", "3"]),
        (run(9), PATIENT, []),
        (run(9, event=TriggerEvent.PULL_REQUEST), DEFAULT, []),
        (run(9, event=TriggerEvent.CRON), DEFAULT, []),
        (run(9, ref="refs/heads/topic"), DEFAULT, ["4"]),
        (run(9, service="library"), DEFAULT, []),
    ],
)
def test_what_a_new_run_would_take_the_place_of_oldest_first(
    new: Run, pipeline: PipelineSpec, expected: list[str]
) -> None:
    runs = [
        run(3),
        run(1, RUNNING),
        run(2),
        run(4, ref="refs/heads/topic"),
        run(5, event=TriggerEvent.CRON),
        run(6, DONE),
    ]
    assert swallowed_by(new, runs, pipeline) == expected


RUNS = st.lists(
    st.builds(
        run,
        st.integers(1, 20),
        st.sampled_from([State.QUEUED, RUNNING, DONE, State.CANCELLED]),
        st.sampled_from(TriggerEvent),
        st.sampled_from(["refs/heads/main", "refs/heads/topic", "refs/pull/7/head", ""]),
        st.sampled_from(["shop", "library"]),
        st.sampled_from([(), ("test",)]),
    ),
    unique_by=lambda one: one.number,
)


@given(RUNS, RUNS, st.sampled_from([DEFAULT, IMPATIENT, PATIENT]))
def test_it_is_told_beforehand_what_a_new_run_will_overtake(
    runs: list[Run], later: list[Run], pipeline: PipelineSpec
) -> None:
    for one in later:
        new = replace(one, id="new", number=99, created_at=NOON + timedelta(hours=1), selection=())
        answer = collapse([*runs, new], pipeline)
        gone = {**answer.superseded, **answer.cancelled}
        assert set(swallowed_by(new, runs, pipeline)) == {old for old, by in gone.items() if by == "new"}


@given(RUNS, st.sampled_from([DEFAULT, IMPATIENT, PATIENT]))
def test_invariants(runs: list[Run], pipeline: PipelineSpec) -> None:
    answer = collapse(runs, pipeline)
    by_id = {one.id: one for one in runs}
    gone = {**answer.superseded, **answer.cancelled}
    for old, new in gone.items():
        before, after = by_id[old], by_id[new]
        assert before.trigger is not None and after.trigger is not None
        assert new not in gone, "the newest stays"
        assert before.number < after.number
        assert before.trigger.event in (TriggerEvent.PUSH, TriggerEvent.PULL_REQUEST)
        assert (before.service, before.trigger.ref, before.trigger.event, before.selection) == (
            after.service, after.trigger.ref, after.trigger.event, after.selection,
        )  # fmt: skip
        assert before.state is (State.QUEUED if old in answer.superseded else State.RUNNING)
    assert [by_id[old].number for old in answer.superseded] == sorted(
        by_id[old].number for old in answer.superseded
    )
    left = [one for one in runs if one.id not in gone]
    assert collapse(left, pipeline) == Collapse(), "asked again there is nothing left to do"
    if pipeline is DEFAULT:
        queued = [
            (one.service, one.trigger.ref, one.trigger.event)
            for one in left
            if one.trigger and one.trigger.ref and one.trigger.event in (TriggerEvent.PUSH, TriggerEvent.PULL_REQUEST)
            and one.state is State.QUEUED and not one.selection
        ]  # fmt: skip
        assert len(queued) == len(set(queued)), "of each branch at most one waits"
