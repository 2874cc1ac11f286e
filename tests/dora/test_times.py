from dataclasses import replace

import pytest

from headway.dora.facts import CommitFact, WaitingCommit
from headway.dora.metric import MetricName
from tests.support.deliveries import K, S, Story, at, lines, rules

HOUR = 3600.0


def lead(story: Story, now: float, **more: float):  # type: ignore[no-untyped-def]
    return story.metric(MetricName.LEAD_TIME, now, **more)


def hours(metric) -> list[tuple[str, float, bool]]:  # type: ignore[no-untyped-def]
    """Commit, hours, and whether it was delivered."""
    return [
        (row.commit, round(row.value / HOUR, 3), row.counted == "yes")
        for row in metric.evidence
        if row.value is not None
    ]


def test_a_commit_runs_from_its_committer_until_verified_everywhere() -> None:
    story = Story()
    story.add(0)
    story.add(10, commits=[4, 7])
    metric = lead(story, 20)
    assert hours(metric) == [("r2-0", 6.2, True), ("r2-1", 3.2, True)]
    assert metric.value == pytest.approx(4.7 * HOUR)
    assert metric.interval is None
    assert metric.reason == "too little data: 1 deployment, 6 needed for an interval"
    assert metric.raw == (pytest.approx((3.2 * HOUR, True)), pytest.approx((6.2 * HOUR, True)))
    assert (metric.basis, metric.unit) == ("2 commits in 1 deployment", "seconds")
    assert "p85_seconds" not in metric.details
    assert lines(metric) == [
        "0.2 shop/production 1 c-r1 apart: the first deployment here: its commits are older than Headway's watch",
        "10.2 shop/production 2 r2-0 yes 6.2 h: served and verified everywhere with deployment 2",
        "10.2 shop/production 2 r2-1 yes 3.2 h: served and verified everywhere with deployment 2",
    ]


def test_the_first_deployment_is_left_out_and_said() -> None:
    story = Story()
    story.add(0, commits=[])
    metric = lead(story, 20)
    assert metric.value is None
    assert metric.reason == "no commit has reached production in this time"
    first = "apart: the first deployment here: its commits are older than Headway's watch"
    assert lines(metric) == [f"0.2 shop/production 1 c-r1 {first}"]
    story.facts[0] = replace(story.facts[0], state=S.FAILED, verified_at=None)
    assert lines(lead(story, 20)) == [f"0 shop/production 1 c-r1 {first}"]


def test_what_was_taken_back_delivers_nothing_and_the_later_good_one_does() -> None:
    story = Story()
    story.add(0)
    story.add(10, state=S.ROLLED_BACK, commits=[5], shas=["a"])
    waits = lead(story, 12)
    assert hours(waits) == [("a", 7.0, False)]
    assert waits.value is None
    story.add(20, commits=[5, 15], shas=["a", "b"])
    assert hours(lead(story, 30)) == [("a", 15.2, True), ("b", 5.2, True)]


def test_what_a_person_rolled_back_later_was_not_delivered() -> None:
    story = Story()
    story.add(0)
    story.add(10, commits=[5], shas=["a"])
    assert hours(lead(story, 12)) == [("a", 5.2, True)]
    story.rollback(14, "r1")
    assert hours(lead(story, 16)) == [("a", 11.0, False)]
    story.add(20, commits=[5, 18], shas=["a", "fix"])
    assert hours(lead(story, 30)) == [("a", 15.2, True), ("fix", 2.2, True)]


def test_the_same_release_again_after_a_rollback_delivers_what_had_waited() -> None:
    story = Story()
    story.add(0)
    story.add(10, commits=[5], shas=["a"], release="x")
    story.rollback(14, "r1")
    story.add(20, release="x", commits=[5], shas=["a"])
    story.add(30, release="x", kind=K.REDEPLOY)
    assert hours(lead(story, 40)) == [("a", 15.2, True)]


def test_a_deployment_left_half_way_delivers_with_the_next_one_built_on_it() -> None:
    story = Story()
    story.add(0)
    half = story.add(10, state=S.CANCELLED, commits=[5], shas=["a"])
    story.live = half.commit
    quarter = story.add(15, state=S.CANCELLED, commits=[12], shas=["b"])
    story.live = quarter.commit
    assert hours(lead(story, 16)) == [("a", 11, False), ("b", 4, False)]
    story.add(20, commits=[16], shas=["c"])
    assert sorted(hours(lead(story, 30))) == [("a", 15.2, True), ("b", 8.2, True), ("c", 4.2, True)]


def test_the_same_release_once_more_delivers_what_waited_in_its_two_tries() -> None:
    story = Story()
    story.add(0)
    story.add(10, state=S.ROLLED_BACK, release="x", commits=[5], shas=["a"])
    story.add(12, state=S.ROLLED_BACK, release="x", commits=[5], shas=["a"])
    story.add(20, release="x")
    assert hours(lead(story, 30)) == [("a", 15.2, True)]


def test_each_row_of_what_waits_says_where_and_why() -> None:
    story = Story()
    story.add(0)
    story.add(10, state=S.ROLLED_BACK, commits=[5], shas=["a"])
    story.add(12, state=S.CANCELLED, commits=[6], shas=["b"])
    story.add(14, state=S.RUNNING, commits=[7], shas=["c"])
    story.waiting = [
        WaitingCommit("shop", CommitFact(sha, at(hour)), "on main, in no release")
        for sha, hour in [("b", 6), ("d", 8), ("d", 8), ("e", 21)]
    ]
    metric = lead(story, 20, since=1)
    assert lines(metric) == [
        "5 shop/production 2 a censored 15 h: waits: in deployment 2, taken back by itself",
        "6 shop/production 3 b censored 14 h: waits: in deployment 3, it was stopped before every host served it",
        "7 shop/production 4 c censored 13 h: waits: in deployment 4, it is not finished",
        "8 shop/ None d censored 12 h: waits: on main, in no release",
        # Committed by a clock that is ahead: it waits, for no time yet.
        "21 shop/ None e censored 0 h: waits: on main, in no release",
    ]
    assert [length for length, _ in metric.raw] == [0, *(hours * HOUR for hours in (12, 13, 14, 15))]
    assert (metric.n, metric.events, metric.basis) == (5, 0, "0 commits in 0 deployments, 5 still waiting")


@pytest.mark.parametrize(("deployments", "enough"), [(4, False), (5, True)])
def test_the_commits_of_a_deployment_are_one_witness_and_so_is_all_that_waits(
    deployments: int, enough: bool
) -> None:
    story = Story()
    story.add(-100)
    for number in range(deployments):
        story.add(10.0 * number, commits=[10.0 * number - 3, 10.0 * number - 2])
    story.add(100, state=S.ROLLED_BACK, commits=[90, 91])
    story.waiting = [WaitingCommit("shop", CommitFact(f"w{n}", at(95)), "not deployed") for n in range(2)]
    metric = lead(story, 110)
    needed = f"too little data: {deployments} deployments, 6 needed for an interval"
    assert (metric.interval is not None, metric.reason) == (enough, None if enough else needed)
    assert bool(metric.raw) is not enough


def test_rows_of_one_moment_come_by_their_number() -> None:
    story, blog = Story(), Story(service="blog", numbers_after=5)
    story.add(0, commits=[-1], shas=["a"])
    story.add(10, unknown="the clone is shallow")
    blog.live = "c0"
    blog.add(10, commits=[9], shas=["b"])
    story.facts += blog.facts
    story.waiting = [WaitingCommit("shop", CommitFact("w", at(0.2)), "not deployed")]
    assert [row.deployment for row in lead(story, 20).evidence] == [None, 1, 1, 2, 6]


def test_waiting_commits_are_longer_than_so_far_and_not_dropped() -> None:
    """Eight over, three running: without the running ones the median would be 1.75 h."""
    story = Story()
    story.add(-1000)
    for number, taken in enumerate((0.5, 1, 1.5, 2, 2.5, 3, 4, 6)):
        when = 10.0 * (number + 1)
        story.add(when, commits=[when + 0.2 - taken])
    now = 200.0
    story.waiting = [
        WaitingCommit("shop", CommitFact(f"w{age}", at(now - age)), "in release r, not deployed")
        for age in (10, 30, 72)
    ]
    metric = lead(story, now)
    assert (metric.n, metric.events, metric.details["running"]) == (11, 8, 3)
    assert metric.basis == "8 commits in 8 deployments, 3 still waiting"
    assert metric.raw == ()
    assert metric.value == pytest.approx(3.0 * HOUR)
    assert metric.interval is not None
    assert metric.interval.high > 6 * HOUR
    # Less than 85 % are over: by when they will be is not known.
    assert "p85_seconds" not in metric.details
    story.waiting = []
    assert lead(story, now).value == pytest.approx(2.25 * HOUR)
    assert lead(story, now).details == pytest.approx(
        {"running": 0, "deployments_with_unknown_commits": 0, "p85_seconds": 4 * HOUR}
    )


def test_where_most_still_wait_the_median_is_not_reached() -> None:
    story = Story()
    story.add(-100)
    for number in range(6):
        story.add(10.0 * number, commits=[10.0 * number - 1])
    story.waiting = [WaitingCommit("shop", CommitFact(f"w{n}", at(0)), "not deployed") for n in range(9)]
    metric = lead(story, 60)
    assert (metric.value, metric.reason) == (None, "not reached: more than half are still running")


def test_only_deliveries_in_the_window_count() -> None:
    story = Story()
    story.add(0)
    story.add(10, commits=[9])
    story.add(100, commits=[20])
    assert hours(lead(story, 120, since=50)) == [("r3-0", 80.2, True)]


@pytest.mark.parametrize(
    ("committed", "note"),
    [(11, " (the committer's clock was 2880 s ahead: taken as 0)"), (10.2, "")],
)
def test_a_commit_from_the_future_took_no_time_and_is_noted(committed: float, note: str) -> None:
    story = Story()
    story.add(0)
    story.add(10, commits=[committed])
    metric = lead(story, 20)
    assert metric.value == 0
    assert lines(metric)[-1] == (
        f"10.2 shop/production 2 r2-0 yes 0 h: served and verified everywhere with deployment 2{note}"
    )


def test_unknown_commits_are_told() -> None:
    story = Story()
    story.add(0)
    story.add(10, unknown="the clone is shallow")
    story.add(15, unknown="git is not installed")
    metric = lead(story, 20)
    assert metric.details["deployments_with_unknown_commits"] == 2
    assert lines(metric)[1:] == [
        "10.2 shop/production 2 c-r2 apart: its commits are not known: the clone is shallow",
        "15.2 shop/production 3 c-r3 apart: its commits are not known: git is not installed",
    ]


def test_recovery_by_kaplan_meier_with_the_open_one_censored() -> None:
    story = Story()
    story.add(0)
    for number in range(6):
        story.add(100.0 * (number + 1))
        story.rollback(100.0 * (number + 1) + number + 1, "r1")
    story.add(900, state=S.FAILED)
    metric = story.metric(MetricName.RECOVERY_TIME, 1000)
    assert (metric.n, metric.events) == (7, 6)
    assert metric.value == pytest.approx(4.2 * HOUR)
    assert metric.interval is not None
    assert (metric.interval.low, metric.interval.high) == pytest.approx((1.2 * HOUR, 6.2 * HOUR))
    assert metric.reason is None
    assert metric.basis == "7 failures, 1 not over yet"
    assert metric.unit == "seconds"
    assert metric.details == pytest.approx({"p85_seconds": 6.2 * HOUR, "running": 1})
    assert rules(metric)[14][0] == "censored"


def test_each_failure_is_shown_with_the_outage_it_began_or_was_part_of() -> None:
    story = Story()
    story.add(0)
    story.add(10)
    story.add(12, kind=K.HOTFIX, state=S.ROLLED_BACK)
    story.add(14, kind=K.HOTFIX)
    assert story.metric(MetricName.RECOVERY_TIME, 50).basis == "1 failure"
    story.add(100, state=S.FAILED)
    metric = story.metric(MetricName.RECOVERY_TIME, 110)
    assert lines(metric) == [
        "10 shop/production 2 c-r2 yes 4.2 h: followed within 72 h by hotfix 3; all hosts verified on deployment 4",
        "12 shop/production 3 c-r3 apart: taken back by itself; part of the one that began before it",
        "100 shop/production 5 c-r5 censored 10 h: could not be taken back from every host;"
        " lasts: nothing good was verified on every host since",
    ]
    assert metric.reason == "too little data: 2 failures, 6 needed for an interval"
    assert metric.basis == "2 failures, 1 not over yet"
    # What was over before the window leaves what comes later in it.
    assert len(lines(story.metric(MetricName.RECOVERY_TIME, 110, since=50))) == 1


def test_recovery_without_failures_says_so() -> None:
    story = Story()
    story.add(0)
    metric = story.metric(MetricName.RECOVERY_TIME, 10)
    assert (metric.value, metric.n, metric.reason) == (None, 0, "no deployment failed in this time")


def test_a_failure_of_before_the_window_counts_when_it_ended_within() -> None:
    story = Story()
    story.add(0)
    story.add(10)
    story.add(60, kind=K.HOTFIX)
    assert story.metric(MetricName.RECOVERY_TIME, 80, since=50).value == pytest.approx(50.2 * HOUR)
    assert story.metric(MetricName.RECOVERY_TIME, 180, since=150).n == 0
