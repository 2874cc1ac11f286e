import pytest

from headway.dora.metric import MetricName, Window
from headway.dora.rates import weekly
from tests.support.deliveries import K, S, Story, at, lines, rules

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
    story.add(80, state=S.CANCELLED)
    metric = story.metric(MetricName.FREQUENCY, 2 * WEEK, since=0)
    shown = {name: metric.details[name] for name in ("rollbacks", "redeploys", "not_succeeded", "unfinished")}
    assert shown == {"rollbacks": 1, "redeploys": 1, "not_succeeded": 3, "unfinished": 1}
    assert (metric.n, metric.events, metric.unit, metric.reason) == (2, 2, "per week", None)
    assert lines(metric) == [
        "10.2 shop/production 1 c-r1 yes: succeeded",
        "20.2 shop/production 2 c-r2 apart: taken back by itself",
        "30.2 shop/production 3 c-r3 apart: the release that was live already",
        "40.2 shop/production 4 c-r4 yes: succeeded",
        "50.2 shop/production 5 c-r1 apart: a rollback brings nothing new",
        "69.8 shop/production 7 c-r7 apart: not finished",
        "80.2 shop/production 8 c-r8 apart: stopped before every host served it",
        "60.2 shop/production 6 c-r6 apart: stopped before any host was switched",
    ]


def test_what_ended_before_the_window_is_not_in_it() -> None:
    story = Story()
    story.add(10)
    story.add(20)
    assert lines(story.metric(MetricName.FREQUENCY, 2 * WEEK, since=15)) == [
        "20.2 shop/production 2 c-r2 yes: succeeded"
    ]


def test_the_ends_of_a_window_belong_to_it() -> None:
    window = Window(at(1), at(2))
    assert [window.holds(at(hours)) for hours in (0.999, 1, 2, 2.001)] == [False, True, True, False]
    assert not window.holds(None)


@pytest.mark.parametrize(
    ("days", "until", "gap_days", "dispersion"),
    [
        # The gap that still runs is longer than so far, and cut short it says little.
        ([1], 28, None, 1.0),
        ([1, 3], 28, 2, 2.0),
        ([1, 3, 20], 28, 17, 1.22),
        ([1, 11, 41], 46, 20, 0.8),
        # Chance alone gives a dispersion of about 1; 0 is like clockwork.
        ([1, 8], 14, 7, 0.0),
        ([1, 8, 9, 10], 14, 4, 1.0),
        ([1, 2, 3, 4, 8, 15], 21, 2.5, 1.5),
        ([], 28, None, None),
        # Of two weeks one is watched in part: nothing to compare.
        ([1, 8], 13, 7, None),
    ],
)
def test_the_rhythm_is_the_median_gap_and_how_unevenly_weeks_are_filled(
    days: list[float], until: float, gap_days: float | None, dispersion: float | None
) -> None:
    story = Story()
    for day in days:
        story.add(day * 24)
    details = story.metric(MetricName.FREQUENCY, until * 24, since=0, watched=0).details
    gap, spread = details.get("median_gap_seconds"), details.get("dispersion")
    assert (gap and gap / 86400, spread if spread is None else round(spread, 2)) == (gap_days, dispersion)


def test_without_any_deployment_ever_there_is_no_rate_and_no_week() -> None:
    report = Story().report(4 * WEEK, since=0)
    metric = report[MetricName.FREQUENCY]
    assert (metric.value, metric.reason) == (None, "no deployment to production is known")
    assert report.weeks == ()


def test_the_report_shows_the_weeks_that_were_watched() -> None:
    story = Story()
    story.add(WEEK)
    story.add(WEEK + 1)
    story.add(2.9 * WEEK, state=S.FAILED)
    report = story.report(3 * WEEK, since=0, watched=WEEK / 2)
    assert report.weeks == ((0, 0.5), (2, 1.0), (0, 1.0))
    assert (report.window, report.watched_since) == (Window(at(0), at(3 * WEEK)), at(WEEK / 2))
    assert story.report(3 * WEEK, since=2 * WEEK).weeks == ((0, 1.0),)


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
    nothing = {"rollbacks": 0, "redeploys": 0, "not_succeeded": 0, "unfinished": 0}
    assert metric.details == pytest.approx({**nothing, "count_low": 0.2422, "count_high": 7.2247}, abs=1e-4)
    assert story.metric(MetricName.FREQUENCY, WEEK, since=0, watched=0).value == 2


def test_weeks_are_counted_back_from_now_and_a_part_keeps_its_share() -> None:
    times = [at(1), at(WEEK), at(2.5 * WEEK)]
    assert weekly(times, at(0), at(2.5 * WEEK)) == [(1, 0.5), (1, 1.0), (1, 1.0)]
    assert weekly([], at(0), at(0)) == weekly([], at(1), at(0)) == []


def test_the_ends_of_the_weeks_belong_to_them() -> None:
    times = [at(-0.1), at(0), at(1), at(WEEK), at(2 * WEEK), at(2 * WEEK + 0.1)]
    assert weekly(times, at(0), at(2 * WEEK)) == [(3, 1.0), (1, 1.0)]


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
    story, blog = Story(), Story(service="blog")
    story.add(0)
    story.add(10, kind=K.REDEPLOY)
    story.add(11, kind=K.REDEPLOY, state=S.ROLLED_BACK)
    story.add(12, kind=K.REDEPLOY, state=S.ROLLED_BACK)
    for kind, state in [
        (K.PLANNED, S.FAILED),
        (K.HOTFIX, S.CANCELLED),
        (K.ROLLBACK, S.FAILED),
        (K.PLANNED, S.RUNNING),
    ]:
        story.add(100, kind=kind, state=state, switched=False)
    story.add(120, state=S.ROLLED_BACK)
    blog.add(0)
    blog.add(121)
    blog.rollback(122, "r1")
    blog.add(123, state=S.ROLLED_BACK)
    story.facts += blog.facts
    metric = story.metric(MetricName.FAIL_RATE, 130)
    assert metric.details == {
        "not_mature": 2,
        "not_mature_failed": 2,
        "stopped_before": 2,
        "redeploys": 3,
        "redeploys_failed": 2,
    }
    assert (metric.events, metric.n, metric.value, metric.basis) == (1, 3, 1 / 3, "1 of 3 mature deployments")
    assert (metric.unit, metric.reason) == ("share", None)
    assert lines(metric) == [
        "0 blog/production 1 c-r1 without: no failure, superseded by deployment 2",
        "0 shop/production 1 c-r1 without: no failure, superseded by deployment 2",
        "10 shop/production 2 c-r2 apart: a redeploy; did not fail",
        "11 shop/production 3 c-r3 apart: a redeploy; taken back by itself",
        "12 shop/production 4 c-r4 apart: a redeploy; taken back by itself",
        "120 shop/production 9 c-r9 apart: younger than 72 h and not superseded; so far: taken back by itself",
        "121 blog/production 2 c-r2 yes: taken back by rollback 3",
        "123 blog/production 4 c-r4 apart: younger than 72 h and not superseded; so far: taken back by itself",
        "99.8 shop/production 5 c-r5 apart: stopped before any host was switched",
        "99.8 shop/production 6 c-r6 apart: stopped before any host was switched",
    ]
    assert story.metric(MetricName.FAIL_RATE, 120 + 72).events == 2


def test_without_a_mature_one_there_is_no_rate() -> None:
    story = Story()
    story.add(0)
    metric = story.metric(MetricName.FAIL_RATE, 10)
    assert (metric.value, metric.interval) == (None, None)
    assert metric.reason == "too little data: no deployment is mature (72 h old or superseded)"
    assert metric.basis == "0 of 0 mature deployments"
    assert rules(metric) == {1: ("apart", "younger than 72 h and not superseded; so far: no failure")}


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
    assert lines(metric) == [
        "0 shop/production 1 c-r1 without: planned",
        "100 shop/production 2 c-r2 without: planned",
        "101 shop/production 3 c-r3 without: planned",
        "102 shop/production 4 c-r4 yes: the first success after deployment 3 was taken back",
        "200 shop/production 5 c-r5 without: planned",
        "203 shop/production 8 c-r8 yes: the first success after rollback 6",
        "300 shop/production 9 c-r9 yes: a hotfix",
        "400 shop/production 10 c-r10 without: planned",
    ]
    assert (metric.events, metric.n, metric.basis) == (3, 8, "3 of 8 deployments")
    assert (metric.unit, metric.reason, metric.details) == ("share", None, {})


def test_a_success_after_what_merely_stopped_or_was_taken_back_later_is_no_rework() -> None:
    story = Story()
    story.add(0)
    story.add(10, state=S.CANCELLED)
    story.add(20)
    story.add(30)
    story.rollback(40, "r1")
    assert story.metric(MetricName.REWORK_RATE, 50).events == 0


def test_without_a_deployment_there_is_no_rework_rate() -> None:
    metric = Story().metric(MetricName.REWORK_RATE, 50)
    assert (metric.value, metric.reason) == (None, "no deployment has reached production in this time")
