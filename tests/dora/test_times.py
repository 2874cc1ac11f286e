import pytest

from headway.dora.facts import CommitFact, WaitingCommit
from headway.dora.metric import MetricName
from tests.support.deliveries import K, S, Story, at, rules

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
    assert metric.basis == "2 commits in 1 deployment"


def test_the_first_deployment_is_left_out_and_said() -> None:
    story = Story()
    story.add(0, commits=[])
    metric = lead(story, 20)
    assert metric.value is None
    assert metric.reason == "no commit has reached production in this time"
    assert rules(metric)[1][0] == "apart"
    assert "first deployment" in rules(metric)[1][1]


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
    story.add(20, commits=[15], shas=["b"])
    assert sorted(hours(lead(story, 30))) == [("a", 15.2, True), ("b", 5.2, True)]


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
    assert metric.value == pytest.approx(3.0 * HOUR)
    assert metric.interval is not None
    assert metric.interval.high > 6 * HOUR
    story.waiting = []
    assert lead(story, now).value == pytest.approx(2.25 * HOUR)


def test_only_deliveries_in_the_window_count() -> None:
    story = Story()
    story.add(0)
    story.add(10, commits=[9])
    story.add(100, commits=[20])
    assert hours(lead(story, 120, since=50)) == [("r3-0", 80.2, True)]


def test_a_commit_from_the_future_took_no_time_and_is_noted() -> None:
    story = Story()
    story.add(0)
    story.add(10, commits=[11])
    metric = lead(story, 20)
    assert hours(metric) == [("r2-0", 0.0, True)]
    assert "clock was 2880 s ahead" in metric.evidence[-1].rule


def test_unknown_commits_are_told() -> None:
    story = Story()
    story.add(0)
    story.add(10, unknown="the clone is shallow")
    metric = lead(story, 20)
    assert metric.details["deployments_with_unknown_commits"] == 1
    assert rules(metric)[2] == ("apart", "its commits are not known: the clone is shallow")


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
    assert rules(metric)[14][0] == "censored"


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
