import pytest

from headway.dora.metric import MetricName
from headway.dora.rates import weekly
from tests.support.deliveries import K, S, Story, at, rules

WEEK = 168.0


def percent(value: float) -> float:
    return round(100 * value, 1)


def test_twelve_in_four_weeks_are_three_a_week() -> None:
    story = Story()
    for number in range(12):
        story.add(number * 56 + 10)
    metric = story.metric(MetricName.FREQUENCY, 4 * WEEK, since=0, watched=-100)
    assert metric.value == 3.0
    assert metric.interval is not None
    assert (round(metric.interval.low, 2), round(metric.interval.high, 2)) == (1.55, 5.24)
    assert metric.basis == "12 deployments in 28d"
    assert metric.details["median_gap_seconds"] == 56 * 3600
    assert metric.details["dispersion"] == 0


def test_none_in_four_weeks_is_a_number_with_an_upper_bound() -> None:
    metric = Story().metric(MetricName.FREQUENCY, 4 * WEEK, since=0, watched=-100)
    assert metric.value == 0
    assert metric.interval is not None
    assert (metric.interval.low, round(metric.interval.high, 2)) == (0, 0.92)


def test_what_is_no_new_release_that_succeeded_is_shown_apart() -> None:
    story = Story()
    story.add(10)
    story.add(20, state=S.ROLLED_BACK)
    story.add(30, kind=K.REDEPLOY)
    story.add(40, kind=K.HOTFIX)
    story.rollback(50, "r1")
    story.add(60, state=S.FAILED, switched=False)
    story.add(70, state=S.RUNNING)
    metric = story.metric(MetricName.FREQUENCY, 2 * WEEK, since=0)
    assert metric.n == 2
    shown = {name: metric.details[name] for name in ("rollbacks", "redeploys", "not_succeeded", "unfinished")}
    assert shown == {"rollbacks": 1, "redeploys": 1, "not_succeeded": 2, "unfinished": 1}
    assert [number for number, (counted, _) in rules(metric).items() if counted == "yes"] == [1, 4]


def test_weeks_before_headway_watched_are_not_weeks_without_deployments() -> None:
    story = Story()
    story.add(8 * WEEK)
    story.add(9 * WEEK)
    metric = story.metric(MetricName.FREQUENCY, 10 * WEEK, since=0)
    assert metric.value == pytest.approx(1.0, rel=0.01)
    assert metric.basis == "2 deployments in 14d"


def test_less_than_a_week_gives_no_weekly_rate_but_the_count() -> None:
    story = Story()
    story.add(1)
    story.add(2)
    metric = story.metric(MetricName.FREQUENCY, 3)
    assert (metric.value, metric.interval, metric.n) == (None, None, 2)
    assert metric.reason == "too little data: watched for 2h12m, a week needed for a weekly rate"
    assert (metric.details["count_low"], metric.details["count_high"]) == pytest.approx(
        (0.2422, 7.2247), abs=1e-4
    )


def test_weeks_are_counted_back_from_now_and_a_part_keeps_its_share() -> None:
    times = [at(1), at(WEEK), at(2.5 * WEEK)]
    assert weekly(times, at(0), at(2.5 * WEEK)) == [(1, 0.5), (1, 1.0), (1, 1.0)]
    assert weekly([], at(0), at(0)) == []


def test_one_of_four_is_25_percent() -> None:
    story = Story()
    story.add(0)
    story.add(100)
    story.rollback(101, "r1")
    story.add(200)
    story.add(300)
    metric = story.metric(MetricName.FAIL_RATE, 300 + 72)
    assert (metric.events, metric.n, percent(metric.value or 0)) == (1, 4, 25.0)
    assert metric.interval is not None
    assert (percent(metric.interval.low), percent(metric.interval.high)) == (4.6, 69.9)
    assert rules(metric) == {
        1: ("without", "no failure, superseded by deployment 2"),
        2: ("yes", "taken back by rollback 3"),
        4: ("without", "no failure, superseded by deployment 5"),
        5: ("without", "no failure, 72 h old"),
    }


def test_young_ones_and_those_that_met_nobody_are_shown_apart() -> None:
    story = Story()
    story.add(0)
    story.add(100, state=S.FAILED, switched=False)
    story.add(110, kind=K.REDEPLOY)
    story.add(120, state=S.ROLLED_BACK)
    metric = story.metric(MetricName.FAIL_RATE, 130)
    assert (metric.events, metric.n) == (0, 1)
    assert metric.details == {
        "not_mature": 1,
        "not_mature_failed": 1,
        "stopped_before": 1,
        "redeploys": 1,
        "redeploys_failed": 0,
    }
    assert rules(metric)[4] == ("apart", "younger than 72 h and not superseded; so far: taken back by itself")
    assert story.metric(MetricName.FAIL_RATE, 120 + 72).events == 1


def test_without_a_mature_one_there_is_no_rate() -> None:
    story = Story()
    story.add(0)
    metric = story.metric(MetricName.FAIL_RATE, 10)
    assert (metric.value, metric.interval) == (None, None)
    assert metric.reason == "too little data: no deployment is mature (72 h old or superseded)"


def test_rework_is_a_hotfix_or_the_first_success_after_one_taken_back() -> None:
    story = Story()
    story.add(0)
    story.add(100, state=S.ROLLED_BACK)
    story.add(101, state=S.ROLLED_BACK)
    story.add(102)
    story.add(200)
    story.rollback(201, "r4")
    story.add(202, state=S.FAILED, switched=False)
    story.add(203)
    story.add(300, kind=K.HOTFIX)
    story.add(400)
    metric = story.metric(MetricName.REWORK_RATE, 500)
    reworked = {number: rule for number, (counted, rule) in rules(metric).items() if counted == "yes"}
    assert reworked == {
        4: "the first success after deployment 3 was taken back",
        8: "the first success after rollback 6",
        9: "a hotfix",
    }
    assert (metric.events, metric.n) == (3, 8)
