"""Times of which some are not over yet: Kaplan-Meier. What still waits counts as *longer than so far*, not as nothing.

Kaplan and Meier, J. Am. Stat. Assoc. 53 (1958); interval of a quantile by the log-log transform, Brookmeyer and
Crowley, Biometrics 38 (1982); robust variance for clusters as in R's survival package (infinitesimal jackknife).
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from headway.dora.intervals import LEVEL, Interval, median_interval, normal_quantile

#: Survival is a product of fractions; where it should be exactly one half it is so to rounding only.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in seconds; `over` is False while it still runs. Spells of one `cluster` do not count as independent."""

    duration: float
    over: bool = True
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """From `time` on, `survival` of all spells are still running."""

    time: float
    at_risk: int
    ended: int
    survival: float
    #: Greenwood's sum up to here: the variance of log(survival).
    variance: float


def kaplan_meier(spells: Sequence[Spell]) -> tuple[Point, ...]:
    """The curve's steps, in order of time; one for each time at which a spell ended."""
    at_risk, survival, variance = len(spells), 1.0, 0.0
    points = []
    # At the same time what ended comes before what was last seen running: that was still at risk then.
    ordered = sorted((spell.duration, not spell.over) for spell in spells)
    index = 0
    while index < len(ordered):
        time, end = ordered[index][0], index
        while end < len(ordered) and ordered[end] == (time, False):
            end += 1
        if ended := end - index:
            survival *= 1 - ended / at_risk
            variance += ended / (at_risk * (at_risk - ended)) if at_risk > ended else math.inf
            points.append(Point(time, at_risk, ended, survival, variance))
        while end < len(ordered) and ordered[end][0] == time:
            end += 1
        at_risk -= end - index
        index = end
    return tuple(points)


def quantile(points: Sequence[Point], share: float) -> float | None:
    """The time by which `share` (0.5: the median) of the spells are over; None when the curve does not reach it.

    Where the curve lies exactly on the share the answer is the middle of that step, as with an ordinary median:
    the lower value alone would call the median of 60 and 6000 minutes 60.
    """
    left = 1 - share
    for number, point in enumerate(points):
        if abs(point.survival - left) <= _ROUNDING and number + 1 < len(points):
            return (point.time + points[number + 1].time) / 2
        if point.survival <= left + _ROUNDING:
            return point.time
    return None


def quantile_interval(
    points: Sequence[Point], share: float = 0.5, *, design_effect: float = 1.0, level: float = LEVEL
) -> Interval:
    """Between which times the quantile lies; `high` is infinite when the curve's upper band never comes down to it."""
    z = normal_quantile(level) * math.sqrt(design_effect)
    left = 1 - share
    low = high = math.inf
    for point in points:
        if point.survival <= _ROUNDING:
            # At zero, the last point, the transform has no value: the lower band is there, of the upper one nothing is known.
            low = min(low, point.time)
            break
        reach = math.exp(z * math.sqrt(point.variance) / abs(math.log(point.survival)))
        if point.survival**reach <= left:
            low = min(low, point.time)
        if point.survival ** (1 / reach) <= left:
            high = min(high, point.time)
    return Interval(low, high, "log-log", level)


def design_effect(spells: Sequence[Spell], points: Sequence[Point], at: float) -> float:
    """How many times larger the variance at `at` is because spells come in clusters; at least 1.

    The commits of one deployment are delivered together: thirty commits in three deployments tell less than thirty.
    """
    times = [point.time for point in points]
    hazards = [0.0, *accumulate(point.ended / point.at_risk**2 for point in points)]
    influence: dict[str, float] = {}
    alone = 0.0
    at_risk_at = {point.time: point.at_risk for point in points}
    for number, spell in enumerate(spells):
        value = -hazards[bisect_right(times, min(at, spell.duration))]
        if spell.over and spell.duration <= at:
            value += 1 / at_risk_at[spell.duration]
        cluster = spell.cluster if spell.cluster is not None else f"#{number}"
        influence[cluster] = influence.get(cluster, 0.0) + value
        alone += value * value
    together = sum(value * value for value in influence.values())
    return max(1.0, together / alone) if alone else 1.0


class Median(NamedTuple):
    #: None: not reached.
    value: float | None
    interval: Interval | None
    points: tuple[Point, ...]


def median_of(spells: Sequence[Spell], level: float = LEVEL) -> Median:
    """The median and its interval, by the sharpest method that holds.

    Order statistics when every spell is over and stands alone, else the log-log interval (widened by the design
    effect of the clusters). No interval with fewer than six independent spells.
    """
    points = kaplan_meier(spells)
    median = quantile(points, 0.5)
    if independent(spells) < enough(level):
        return Median(median, None, points)
    clustered = len({spell.cluster for spell in spells if spell.cluster is not None}) < sum(
        spell.cluster is not None for spell in spells
    )
    if not clustered and all(spell.over for spell in spells):
        return Median(median, median_interval([spell.duration for spell in spells], level), points)
    effect = 1.0
    if clustered and points:
        effect = design_effect(spells, points, median if median is not None else points[-1].time)
    return Median(median, quantile_interval(points, design_effect=effect, level=level), points)


def independent(spells: Sequence[Spell]) -> int:
    """How many of them tell something of their own: one for each cluster."""
    clusters = {spell.cluster for spell in spells if spell.cluster is not None}
    return len(clusters) + sum(spell.cluster is None for spell in spells)


def enough(level: float = LEVEL) -> int:
    """The fewest values whose smallest and largest hold the median between them at this level: 6 for 95 %."""
    return math.ceil(1 - math.log2(1 - level))
