"""Since when a test fails, and whether it does so by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain.run_history import Outcome
from headway.domain.states import State
from headway.pipeline.flaky import judge

STATES = {"x": State.FAILED, "!": State.ERRORED, ".": State.SUCCEEDED, "-": State.SKIPPED}


def history(marks, commits=None):
    """Newest first, beginning with this run, number 50: `x..` failed now and passed twice before."""
    commits = commits or [str(index) for index in range(len(marks))]
    return [
        Outcome(50 - index, commit, STATES[mark])
        for index, (mark, commit) in enumerate(zip(marks, commits, strict=True))
    ]


def judged(marks, commits=None):
    now, *before = history(marks, commits)
    return judge(now, before)


@pytest.mark.parametrize(
    ("marks", "since", "or_earlier", "count"),
    [
        ("x", None, False, (1, 1)),
        ("xx", 49, True, (2, 2)),
        ("x....", None, False, (1, 5)),
        ("xxx..", 48, False, (3, 5)),
        ("xx!", 48, True, (3, 3)),
        # What was skipped in between ends nothing and counts for nothing.
        ("x-x-.", 48, False, (2, 3)),
        ("!x.x.", 49, False, (3, 5)),
    ],
)
def test_since_when(marks, since, or_earlier, count):
    verdict = judged(marks)
    assert (verdict.since, verdict.or_earlier, (verdict.failed, verdict.seen)) == (since, or_earlier, count)


@pytest.mark.parametrize(
    ("marks", "flaky"),
    [
        ("x" + "." * 49, False),
        ("xxxxxxxx", False),
        ("x..x...", False),
        ("x..x...x..", True),
        ("x..xx...!..", True),
        # Long breaks that were mended are no flakiness.
        ("x..xxxxx..xxxx..", False),
    ],
)
def test_flaky_by_its_spells(marks, flaky):
    assert judged(marks).flaky is flaky


def test_both_ways_on_one_commit_is_flaky_at_once():
    assert judged("x.", ["abc", "abc"]).flaky
    assert judged("x.", ["abc", "abc"]).both_ways
    assert judged("x.x", ["new", "abc", "abc"]).flaky
    assert not judged("x.", ["new", "abc"]).flaky


@given(st.text("x!.-", max_size=60))
def test_counts_hold_together_whatever_the_history(marks):
    verdict = judged("x" + marks)
    assert 1 <= verdict.failed <= verdict.seen <= 1 + len(marks)
    if verdict.since is not None:
        assert STATES[marks[49 - verdict.since]] in (State.FAILED, State.ERRORED)
    if verdict.both_ways:
        assert verdict.flaky
