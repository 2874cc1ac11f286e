"""How the delivery metrics are said, at a terminal and on a page alike; each brings its own way to write a duration."""

import math
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.dora.metric import Metric

#: In DORA's order.
TITLES = {
    "lead-time": "change lead time",
    "frequency": "deployment frequency",
    "fail-rate": "change fail rate",
    "recovery-time": "failed deployment recovery time",
    "rework-rate": "deployment rework rate",
}
WriteDuration = Callable[[timedelta], str]


def headline(metric: "Metric", write: WriteDuration) -> str:
    """The value without its interval: `4h10m`, `3.2 a week`, `6 %`, or that there is none yet."""
    if metric.value is not None:
        return value_words(metric, metric.value, write) + (" a week" if metric.unit == "per week" else "")
    return "not reached" if metric.n and metric.unit == "seconds" else "no value yet"


def interval_words(metric: "Metric", write: WriteDuration) -> str:
    """`[1h, 9h]`; empty where there is none."""
    if metric.interval is None:
        return ""
    low, high = (value_words(metric, end, write) for end in (metric.interval.low, metric.interval.high))
    return f"[{low}, {high}]"


def value_words(metric: "Metric", value: float, write: WriteDuration) -> str:
    if math.isinf(value):
        return "not reached"
    if metric.unit == "seconds":
        return write(timedelta(seconds=value))
    if metric.unit == "share":
        return f"{100 * value:.1f}".removesuffix(".0") + " %"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def basis_words(metric: "Metric") -> str:
    """What it rests on."""
    said = f"median of {metric.basis}" if metric.unit == "seconds" and metric.n > 0 else metric.basis
    if "count_high" in metric.details:
        said += f"  [{metric.details['count_low']:.1f}, {metric.details['count_high']:.1f}]"
    return said


def detail_words(metric: "Metric", write: WriteDuration) -> str:
    """What is shown beside the number; nothing of what is nought."""
    wordings: dict[str, Callable[[float], str]] = {
        "p85_seconds": lambda n: f"85 % within {write(timedelta(seconds=n))}",
        "median_gap_seconds": lambda n: f"median gap {write(timedelta(seconds=n))}",
        "deployments_with_unknown_commits": lambda n: f"{_count(n, 'deployment')} with unknown commits",
        "not_mature": lambda n: f"{n:.0f} younger than 72 h, not counted yet",
        "not_mature_failed": lambda n: f"{n:.0f} of them failed already",
        "stopped_before": lambda n: f"{n:.0f} stopped before any host was switched",
        "redeploys": lambda n: f"{_count(n, 'redeploy')} apart",
        "redeploys_failed": lambda n: f"{n:.0f} of them failed",
        "rollbacks": lambda n: f"{_count(n, 'rollback')} apart",
        "not_succeeded": lambda n: f"{n:.0f} not succeeded",
        "unfinished": lambda n: f"{n:.0f} under way",
    }
    return ", ".join(
        wordings[name](number) for name, number in metric.details.items() if name in wordings and number
    )


def raw_words(metric: "Metric", write: WriteDuration) -> str:
    """With too little data the values themselves; empty where there are none."""
    if not metric.raw:
        return ""
    values = [write(timedelta(seconds=seconds)) + ("" if over else "+") for seconds, over in metric.raw]
    more = ", …" if metric.n > len(metric.raw) else ""
    plus = "  (+: still running)" if any(not over for _, over in metric.raw) else ""
    return f"values: {', '.join(values)}{more}{plus}"


def _count(number: float, noun: str) -> str:
    return f"{number:.0f} {noun}" + ("" if number == 1 else "s")
