import math
import random
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from headway.dora.survival import (
    Spell,
    design_effect,
    enough,
    independent,
    kaplan_meier,
    median_of,
    quantile,
    quantile_interval,
)

# Freireich et al., Blood 21 (1963): weeks of remission; + was still in remission.
SIX_MP = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
CONTROL = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"


def spells(text: str) -> list[Spell]:
    return [Spell(float(word.rstrip("+")), not word.endswith("+")) for word in text.split()]


@pytest.mark.parametrize(("text", "median", "low", "high"), [(SIX_MP, 23, 13, math.inf), (CONTROL, 8, 4, 11)])
def test_freireich(text: str, median: float, low: float, high: float) -> None:
    points = kaplan_meier(spells(text))
    interval = quantile_interval(points)
    assert (quantile(points, 0.5), interval.low, interval.high) == (median, low, high)


def test_only_what_ended_would_say_ten_where_the_truth_is_twentythree() -> None:
    ended = [spell for spell in spells(SIX_MP) if spell.over]
    assert quantile(kaplan_meier(ended), 0.5) == 10


@pytest.mark.parametrize(
    ("text", "median"),
    [
        ("60 6000", 3030),  # the middle of the two, not the lower
        ("1 2 3", 2),
        ("5", 5),
        ("1 2+ 3+", None),  # not reached
        ("4+ 5+", None),
        ("", None),
        ("1 2 3+ 4+", 2),
    ],
)
def test_medians_of_few(text: str, median: float | None) -> None:
    assert quantile(kaplan_meier(spells(text)), 0.5) == median


def test_not_reached_is_an_infinite_end() -> None:
    median, interval, _ = median_of(spells("1 2 3+ 4+ 5+ 6+ 7+ 8+"))
    assert median is None
    assert interval is not None
    assert interval.high == math.inf


def test_below_six_there_is_no_interval() -> None:
    assert enough() == 6
    few = median_of(spells("1 2 3 4 5"))
    assert (few.value, few.interval, len(few.points)) == (3, None, 5)
    found = median_of(spells("1 2 3 4 5 6"))
    assert found[0] == 3.5
    assert found[1] is not None and (found[1].low, found[1].high) == (1, 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=2, max_size=60))
def test_the_curve_and_its_band_are_scipys(values: list[tuple[int, bool]]) -> None:
    ours = kaplan_meier([Spell(float(time), over) for time, over in values])
    data = stats.CensoredData(
        uncensored=np.array([float(t) for t, over in values if over]),
        right=np.array([float(t) for t, over in values if not over]),
    )
    assume(any(over for _, over in values))
    theirs = stats.ecdf(data).sf
    for point in ours:
        assert theirs.evaluate(point.time) == pytest.approx(point.survival, abs=1e-12)
    if any(point.survival > 0 for point in ours):
        with warnings.catch_warnings(action="ignore"):  # scipy warns that the band has no value at 0
            band = theirs.confidence_interval(0.95, method="log-log")
        low = [p.time for p in ours if p.survival > 0 and band.low.evaluate(p.time) <= 0.5 + 1e-12]
        high = [p.time for p in ours if p.survival > 0 and band.high.evaluate(p.time) <= 0.5 + 1e-12]
        found = quantile_interval(ours)
        ended = [p.time for p in ours if p.survival <= 1e-12]
        assert found.low == min([*low, *ended], default=math.inf)
        assert found.high == min(high, default=math.inf)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=40))
def test_without_running_spells_it_is_the_ordinary_median(values: list[float]) -> None:
    assume(len(set(values)) == len(values))
    found = quantile(kaplan_meier([Spell(value) for value in values]), 0.5)
    assert found == pytest.approx(float(np.median(values)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 1e3), st.booleans()), min_size=1, max_size=40), st.data())
def test_waiting_longer_never_shortens_the_median(
    values: list[tuple[float, bool]], data: st.DataObject
) -> None:
    before = [Spell(time, over) for time, over in values]
    index = data.draw(st.integers(0, len(values) - 1))
    after = [
        Spell(spell.duration + 50, spell.over) if number == index else spell
        for number, spell in enumerate(before)
    ]
    first, second = quantile(kaplan_meier(before), 0.5), quantile(kaplan_meier(after), 0.5)
    # A spell that still runs may end anywhere later; making it longer can't bring the median down.
    assume(not before[index].over)
    assert (second or math.inf) >= (first or math.inf)


def test_the_median_lies_in_its_interval_for_most_samples() -> None:
    """Coverage, by simulation with a fixed seed: exponential times, a third of them cut off."""
    dice = random.Random(7)
    inside = 0
    for _ in range(300):
        sample = []
        for _ in range(40):
            time, cut = dice.expovariate(1), dice.expovariate(0.5)
            sample.append(Spell(min(time, cut), time <= cut))
        interval = median_of(sample)[1]
        assert interval is not None
        inside += interval.low <= math.log(2) <= interval.high
    assert 0.92 <= inside / 300 <= 0.99


def test_commits_of_one_deployment_count_as_one_witness() -> None:
    """Ten deployments of five commits each, all commits of one equally old: five times the variance."""
    alone = [Spell(float(day), cluster=f"d{day}") for day in range(1, 11)]
    together = [spell for spell in alone for _ in range(5)]
    points = kaplan_meier(together)
    assert independent(together) == 10
    assert design_effect(together, points, 5) == pytest.approx(5, rel=0.01)
    wide, narrow = median_of(together)[1], quantile_interval(points)
    assert wide is not None
    assert wide.high - wide.low > narrow.high - narrow.low


def hazard_with_weights(spells: list[Spell], at: float, weights: list[float]) -> float:
    """Of each time at which spells ended: the weight of those over the weight of all that ran until then."""
    pairs = list(zip(spells, weights, strict=True))
    return sum(
        weight / sum(more for other, more in pairs if other.duration >= spell.duration)
        for spell, weight in pairs
        if spell.over and spell.duration <= at
    )


def test_the_design_effect_is_how_much_each_cluster_moves_the_curve() -> None:
    """By its definition: let each spell count a little more, see how far the curve moves, add up within the cluster."""
    sample = [
        Spell(1, over=False),
        Spell(2, cluster="a"),
        Spell(3, cluster="a"),
        Spell(3),
        Spell(4, over=False, cluster="b"),
        Spell(5, cluster="b"),
        Spell(6),
        Spell(8, cluster="c"),
        Spell(9, over=False, cluster="c"),
    ]
    points, little = kaplan_meier(sample), 1e-6
    found = {}
    for at in (1.5, 3, 4.5, 6, 8):
        base = hazard_with_weights(sample, at, [1.0] * len(sample))
        clusters: dict[object, float] = {}
        alone = 0.0
        for number, spell in enumerate(sample):
            weights = [1 + little if index == number else 1.0 for index in range(len(sample))]
            moved = (hazard_with_weights(sample, at, weights) - base) / little
            clusters[spell.cluster or number] = clusters.get(spell.cluster or number, 0.0) + moved
            alone += moved * moved
        together = sum(moved * moved for moved in clusters.values())
        found[at] = design_effect(sample, points, at)
        assert found[at] == pytest.approx(max(1.0, together / alone) if alone else 1.0, rel=1e-4)
    assert [round(effect, 2) for effect in found.values()] == [1, 1.74, 1.74, 1.67, 1]


def test_commits_that_all_took_the_same_time_widen_nothing() -> None:
    same = [Spell(5.0, cluster=f"d{number % 6}") for number in range(12)]
    assert design_effect(same, kaplan_meier(same), 5) == 1
    interval = median_of(same).interval
    assert interval is not None
    assert (interval.low, interval.high) == (5, math.inf)


def test_where_most_still_wait_the_interval_is_as_wide_as_their_clusters_make_it() -> None:
    """Not reached, so the effect is taken at the end of the curve."""
    sample = [Spell(float(10 * n + step), n < 3, f"d{n}") for n in range(8) for step in range(1 + n % 3)]
    found = median_of(sample, 0.9)
    assert found.value is None
    effects = [design_effect(sample, found.points, point.time) for point in found.points]
    assert [round(effect, 2) for effect in effects] == [1.09, 1.03, 1.8, 1.39, 1.6, 2.23]
    lows = [quantile_interval(found.points, design_effect=effect, level=0.9).low for effect in effects]
    assert lows == [20, 20, 11, 20, 11, 0]
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0, math.inf)


def test_with_nothing_over_there_is_a_curve_without_a_step() -> None:
    waits = [Spell(float(n), over=False, cluster=f"d{n % 6}") for n in range(12)]
    median, interval, points = median_of(waits)
    assert (median, points) == (None, ())
    assert interval is not None
    assert (interval.low, interval.high) == (math.inf, math.inf)


@pytest.mark.parametrize(
    ("text", "level", "ends"),
    [
        ("1 2 3 4 5 6 7 8", 0.95, (1, 8)),
        ("1 2 3 4 5 6 7 8", 0.8, (2, 7)),
        ("1 2 3 4 5 6 7 8+ 9+", 0.95, (1, math.inf)),
        ("1 2 3 4 5 6 7 8+ 9+", 0.8, (3, 7)),
    ],
)
def test_the_level_that_was_asked_for_is_the_one_that_is_used(
    text: str, level: float, ends: tuple[float, float]
) -> None:
    found = median_of(spells(text), level)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high, found.interval.level) == (*ends, level)


def test_coverage_with_clusters_by_simulation() -> None:
    """Without the design effect the interval held the truth in about half of the samples."""
    dice = random.Random(11)
    honest = naive = 0
    for _ in range(120):
        sample = []
        for deployment in range(20):
            shared = dice.expovariate(1)
            sample += [Spell(shared + dice.random() * 0.05, cluster=f"d{deployment}") for _ in range(6)]
        truth = math.log(2) + 0.025
        interval = median_of(sample)[1]
        assert interval is not None
        honest += interval.low <= truth <= interval.high
        plain = quantile_interval(kaplan_meier(sample))
        naive += plain.low <= truth <= plain.high
    assert honest / 120 >= 0.9
    assert naive / 120 < 0.75
