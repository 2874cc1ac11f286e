"""A metric as a value that says what it rests on: its interval, its numbers, and the rows behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from headway.dora.intervals import Interval


class MetricName(StrEnum):
    LEAD_TIME = "lead-time"
    FREQUENCY = "frequency"
    FAIL_RATE = "fail-rate"
    RECOVERY_TIME = "recovery-time"
    REWORK_RATE = "rework-rate"


class Unit(StrEnum):
    SECONDS = "seconds"
    PER_WEEK = "per week"
    SHARE = "share"


class Counted(StrEnum):
    """How a row entered the number."""

    #: It is one of the n, and the event that is asked for (delivered, failed, rework, over).
    YES = "yes"
    #: It is one of the n, without the event: a deployment that did not fail.
    WITHOUT = "without"
    #: It is one of the n, and not over yet: longer than so far.
    CENSORED = "censored"
    #: It is shown beside the number and is not in it.
    APART = "apart"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One deployment or commit behind a metric, and the rule that put it there."""

    at: datetime
    counted: Counted
    rule: str
    service: str
    environment: str
    #: The deployment's number; None for a commit that is in none.
    deployment: int | None = None
    commit: str | None = None
    #: Seconds, where the metric is a time.
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    name: MetricName
    unit: Unit
    value: float | None
    interval: Interval | None
    #: How many are in it: commits, deployments, outages.
    n: int
    #: How many of them had the event.
    events: int
    #: Why there is no value or no interval; None when there are both.
    reason: str | None
    #: What it rests on, in a line for a person.
    basis: str
    #: With too little data, the values themselves: seconds, and whether it is over (else: so far).
    raw: tuple[tuple[float, bool], ...] = ()
    #: What is shown beside it, by name: counts, further quantiles.
    details: Mapping[str, float] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: from `start` (included) to `end` (now)."""

    start: datetime
    end: datetime

    def holds(self, instant: datetime | None) -> bool:
        return instant is not None and self.start <= instant <= self.end


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
