import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from headway.dora.intervals import Interval, garwood, median_interval, median_ranks, normal_quantile, wilson
from headway.dora.survival import Spell, kaplan_meier, quantile_interval


@pytest.mark.parametrize(
    ("events", "of", "low", "high"),
    [(1, 4, 4.6, 69.9), (0, 5, 0, 43.4), (2, 20, 2.8, 30.1), (15, 100, 9.3, 23.3)],
)
def test_published_shares(events: int, of: int, low: float, high: float) -> None:
    found = wilson(events, of)
    assert (round(100 * found.low, 1), round(100 * found.high, 1)) == (low, high)


@pytest.mark.parametrize(("events", "low", "high"), [(12, 1.55, 5.24), (1, 0.01, 1.39), (0, 0, 0.92)])
def test_published_rates_a_week_over_four_weeks(events: int, low: float, high: float) -> None:
    found = garwood(events, 4)
    assert (round(found.low, 2), round(found.high, 2)) == (low, high)


@pytest.mark.parametrize(
    ("count", "ranks"), [(0, None), (1, None), (5, None), (6, (1, 6)), (20, (6, 15)), (50, (18, 33))]
)
def test_published_ranks_of_the_median(count: int, ranks: tuple[int, int] | None) -> None:
    assert median_ranks(count) == ranks


def test_six_values_hold_the_median_between_smallest_and_largest() -> None:
    found = median_interval([5.0, 1, 9, 3, 7, 2])
    assert found is not None
    assert (found.low, found.high, found.method) == (1, 9, "order statistics")


def test_none_of_some_may_be_none_at_all_exactly() -> None:
    assert {wilson(0, of).low for of in range(1, 60)} == {0.0}
    assert {wilson(of, of).high for of in range(1, 60)} == {1.0}


@pytest.mark.parametrize(
    ("compute", "low", "high", "method"),
    [
        (lambda: wilson(1, 4, 0.8), 0.0781, 0.5675, "Wilson"),
        (lambda: garwood(12, 4, 0.8), 1.9573, 4.4454, "Garwood"),
        (lambda: median_interval([5.0, 1, 9, 3, 7, 2, 8, 4], 0.8), 2, 8, "order statistics"),
        (lambda: quantile_interval(kaplan_meier([Spell(float(time)) for time in range(1, 9)]), level=0.8), 2, 6, "log-log"),
    ],
)  # fmt: skip
def test_an_interval_says_by_which_method_and_at_which_level(
    compute: Callable[[], Interval], low: float, high: float, method: str
) -> None:
    found = compute()
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
    assert (found.method, found.level) == (method, 0.8)


def test_normal_quantile() -> None:
    assert normal_quantile() == pytest.approx(1.959963984540054)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20_000), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_scipys(of: int, data: st.DataObject, level: float) -> None:
    events = data.draw(st.integers(0, of))
    ours, theirs = (
        wilson(events, of, level),
        stats.binomtest(events, of).proportion_ci(level, method="wilson"),
    )
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= ours.low <= events / of <= ours.high <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 20_000), st.floats(0.1, 1000), st.sampled_from([0.8, 0.95, 0.99]))
def test_garwood_is_the_chi_square_quantile(events: int, exposure: float, level: float) -> None:
    tail = (1 - level) / 2
    low = stats.chi2.ppf(tail, 2 * events) / 2 / exposure if events else 0.0
    high = stats.chi2.ppf(1 - tail, 2 * events + 2) / 2 / exposure
    ours = garwood(events, exposure, level)
    assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-8)


@settings(max_examples=60, deadline=None)
@given(st.integers(6, 30_000))
def test_the_ranks_are_the_narrowest_that_cover(count: int) -> None:
    ranks = median_ranks(count)
    assert ranks is not None
    low, high = ranks
    assert low + high == count + 1
    assert 1 - 2 * stats.binom.cdf(low - 1, count, 0.5) >= 0.95 - 1e-9
    assert 1 - 2 * stats.binom.cdf(low, count, 0.5) < 0.95


@pytest.mark.parametrize(("events", "of"), [(0, 0), (3, 2), (-1, 4)])
def test_nonsense_is_refused(events: int, of: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(events, of)
    with pytest.raises(ValueError, match="no rate"):
        garwood(-1, 4)
    with pytest.raises(ValueError, match="no rate"):
        garwood(1, 0)
    assert math.isfinite(garwood(0, 1).high)
