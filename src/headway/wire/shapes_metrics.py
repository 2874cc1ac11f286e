"""The shape of the delivery metrics in JSON, as docs/json.md describes it."""

from datetime import datetime
from typing import NotRequired, TypedDict


class IntervalDocument(TypedDict):
    low: float | None
    high: float | None
    level: float
    method: str


class RawDocument(TypedDict):
    seconds: float
    over: bool


class MetricDocument(TypedDict):
    value: float | None
    unit: str
    interval: IntervalDocument | None
    n: int
    events: int
    reason: str | None
    basis: str
    raw: list[RawDocument]
    details: dict[str, float | None]


class WeekDocument(TypedDict):
    deployments: int
    watched: float


class EvidenceDocument(TypedDict):
    at: datetime
    counted: str
    rule: str
    service: str
    environment: str | None
    deployment: int | None
    commit: str | None
    seconds: float | None


class ExplainedDocument(TypedDict):
    metric: str
    rows: list[EvidenceDocument]


class DeliveryDocument(TypedDict):
    service: str | None
    environment: str | None
    since: datetime
    until: datetime
    watched_since: datetime | None
    weeks: list[WeekDocument]
    metrics: dict[str, MetricDocument]
    explain: NotRequired[ExplainedDocument]
