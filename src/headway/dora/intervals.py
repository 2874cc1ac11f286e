"""Intervals of counts, rates and medians, by the standard library alone.

Checked in the tests against scipy and against published examples.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """The true value lies between `low` and `high` in `level` of all samples. `high` may be infinite: not reached."""

    low: float
    high: float
    #: Who computed it so: `Wilson`, `Garwood`, `order statistics`, `log-log`.
    method: str
    level: float = LEVEL


def normal_quantile(level: float = LEVEL) -> float:
    """z for a two-sided interval: 1.96 for 95 %."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(events: int, of: int, level: float = LEVEL) -> Interval:
    """The interval of a share. Wilson, J. Am. Stat. Assoc. 22 (1927): stays within 0 and 1, holds for few and for none."""
    if not 0 <= events <= of or of == 0:
        raise ValueError(f"{events} of {of} is no share")
    z = normal_quantile(level)
    share, spread = events / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    reach = z / (1 + spread) * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    low = 0.0 if events == 0 else middle - reach
    high = 1.0 if events == of else middle + reach
    return Interval(low, high, "Wilson", level)


def garwood(events: int, exposure: float, level: float = LEVEL) -> Interval:
    """The exact interval of a rate: `events` counted in `exposure` units. Garwood, Biometrika 28 (1936)."""
    if events < 0 or exposure <= 0:
        raise ValueError(f"{events} in {exposure} is no rate")
    tail = (1 - level) / 2
    far = events + 10 * math.sqrt(events + 1) + 10
    low = _solve(lambda mean: tail - _poisson_at_least(events, mean), 0.0, events)
    high = _solve(lambda mean: _poisson_at_most(events, mean) - tail, events, far)
    return Interval(low / exposure, high / exposure, "Garwood", level)


def median_ranks(count: int, level: float = LEVEL) -> tuple[int, int] | None:
    """Between which ranks (from 1) of `count` sorted values the median lies, whatever their distribution.

    None below six values: then no two ranks reach 95 %.
    """
    tail = (1 - level) / 2
    if _fair_coins_at_most(0, count) > tail:
        return None
    low, high = 0, count // 2
    while high - low > 1:
        middle = (low + high) // 2
        if _fair_coins_at_most(middle, count) <= tail:
            low = middle
        else:
            high = middle
    return low + 1, count - low


def median_interval(values: list[float], level: float = LEVEL) -> Interval | None:
    """The distribution-free interval of the median of complete values; None when there are too few."""
    ranks = median_ranks(len(values), level)
    if ranks is None:
        return None
    ordered = sorted(values)
    return Interval(ordered[ranks[0] - 1], ordered[ranks[1] - 1], "order statistics", level)


def _poisson_at_most(count: int, mean: float) -> float:
    """P(X <= count) for a mean above it, summed from its largest term on: exact to rounding, and short for large counts."""
    term = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    total = 0.0
    for number in range(count, -1, -1):
        total += term
        if term < total * 1e-17:
            break
        term *= number / mean
    return total


def _poisson_at_least(count: int, mean: float) -> float:
    """P(X >= count) for a mean below it, summed in the same way."""
    term = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    total, number = 0.0, count
    while term > total * 1e-17:
        total += term
        number += 1
        term *= mean / number
    return total


def _solve(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that falls passes zero, between `low` and `high`."""
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _fair_coins_at_most(heads: int, coins: int) -> float:
    """P(at most `heads` of `coins`), for heads below the half; summed from its largest term on."""
    term = math.exp(
        math.lgamma(coins + 1) - math.lgamma(heads + 1) - math.lgamma(coins - heads + 1) - coins * math.log(2)
    )
    total = 0.0
    for number in range(heads, -1, -1):
        total += term
        if term < total * 1e-17:
            break
        term *= number / (coins - number + 1)
    return total
