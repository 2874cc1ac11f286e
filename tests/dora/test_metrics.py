"""What must hold for every history, found by hypothesis; and how long ten thousand deployments take."""

import random
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.dora.history import outages, tell
from headway.dora.metric import Counted, MetricName
from tests.support.deliveries import K, S, Story

EVENT = st.tuples(
    st.floats(0.5, 100),
    st.sampled_from([K.PLANNED, K.PLANNED, K.PLANNED, K.HOTFIX, K.ROLLBACK, K.REDEPLOY]),
    st.sampled_from([S.SUCCEEDED, S.SUCCEEDED, S.SUCCEEDED, S.ROLLED_BACK, S.FAILED, S.CANCELLED]),
    st.booleans(),
    st.integers(0, 3),
)
HISTORIES = st.lists(EVENT, max_size=25)


def played(events: list[tuple[float, K, S, bool, int]]) -> tuple[Story, float]:
    story, now = Story(), 0.0
    for gap, kind, state, switched, commits in events:
        now += gap
        releases = [fact.release for fact in story.facts if fact.state is S.SUCCEEDED]
        older = releases[-2] if len(releases) > 1 else (releases[0] if releases else "r0")
        new = kind in (K.PLANNED, K.HOTFIX)
        story.add(
            now,
            kind=kind,
            state=state,
            switched=switched or state is S.SUCCEEDED,
            release=None if new else older,
            commits=[now - 0.3 - n for n in range(commits)] if new else [],
        )
    return story, now + 5


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_the_numbers_agree_with_the_rows_behind_them(events: list[tuple[float, K, S, bool, int]]) -> None:
    story, now = played(events)
    report = story.report(now)
    for metric in report.metrics:
        counts = {counted: sum(row.counted is counted for row in metric.evidence) for counted in Counted}
        assert metric.n == sum(counts[c] for c in Counted if c is not Counted.APART), metric
        assert metric.events == counts[Counted.YES]
        assert (metric.reason is None) or metric.value is None or metric.interval is None
        if metric.value is not None and metric.interval is not None:
            assert metric.interval.low <= metric.value <= metric.interval.high
    for name in (MetricName.FAIL_RATE, MetricName.REWORK_RATE):
        value = report[name].value
        assert value is None or 0 <= value <= 1  # never 600 %, as elsewhere


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_each_commit_is_delivered_once_at_most_and_none_is_lost(
    events: list[tuple[float, K, S, bool, int]],
) -> None:
    story, now = played(events)
    rows = [
        row for row in story.report(now)[MetricName.LEAD_TIME].evidence if row.counted is not Counted.APART
    ]
    told = [row.commit for row in rows]
    assert len(told) == len(set(told))
    assert set(told) == {c.sha for fact in story.facts for c in fact.changes.commits or ()}
    delivering = {item.fact.number for item in tell(story.facts) if item.is_good}
    assert {row.deployment for row in rows if row.counted is Counted.YES} <= delivering


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_outages_do_not_overlap_and_hold_every_failure_once(
    events: list[tuple[float, K, S, bool, int]],
) -> None:
    story, _ = played(events)
    told = tell(story.facts)
    found = outages(told)
    failed = [fact.number for outage in found for fact in outage.failed]
    assert sorted(failed) == sorted(item.fact.number for item in told if item.failure)
    for before, after in pairwise(found):
        assert before.end is not None
        assert before.end <= after.start
    assert all(outage.end is None or outage.end > outage.start for outage in found)


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_the_order_of_the_rows_does_not_matter(events: list[tuple[float, K, S, bool, int]]) -> None:
    story, now = played(events)
    before = story.report(now).metrics
    random.Random(3).shuffle(story.facts)
    assert story.report(now).metrics == before


@pytest.mark.slow
def test_ten_thousand_deployments_are_counted() -> None:
    dice = random.Random(5)
    story, now = Story(), 0.0
    for _ in range(10_000):
        now += dice.uniform(0.5, 1)
        lot = dice.random()
        if lot < 0.05:
            story.rollback(now, story.facts[-1].release if story.facts else "r0")
        else:
            state = S.ROLLED_BACK if lot < 0.15 else S.SUCCEEDED
            kind = K.HOTFIX if lot > 0.9 else K.PLANNED
            story.add(now, state=state, kind=kind, commits=[now - dice.uniform(1, 50) for _ in range(2)])
    report = story.report(now, since=0)
    assert report[MetricName.LEAD_TIME].n > 17_000
    assert report.window.end - report.window.start > timedelta(days=200)
