"""The delivery page: five figures with their doubt and their trend, each opening to the rows behind it."""

import math
from dataclasses import dataclass
from datetime import timedelta

from litestar import get
from markupsafe import Markup

from headway.base.errors import WrongUse
from headway.dora.metric import Evidence, Metric, Unit
from headway.dora.metrics import Report
from headway.engine.metrics.words import (
    TITLES,
    basis_words,
    detail_words,
    headline,
    interval_words,
    raw_words,
)
from headway.engine.views.delivery import Wanted, trend
from headway.store.deployments import environments_of
from headway.store.reports import known_places
from headway.web import charts, words
from headway.web.rendering import segment
from headway.web.visit import NothingThere, PageRequest, PageResponse, Visit, enter

SPANS = (("30d", "30 days"), ("", "90 days"), ("180d", "180 days"), ("365d", "a year"))
_DAYS = {"30d": 30, "": 90, "180d": 180, "365d": 365}
_MOST_ROWS = 300
_WIDTH = 228.0
#: Times from a minute to a quarter of a year, on one logarithmic scale.
_TIMES = charts.Scale(60, 90 * 86400, _WIDTH, logarithmic=True)
_TIME_MARKS = [(60.0, "1 m"), (3600.0, "1 h"), (86400.0, "1 d"), (7 * 86400.0, "1 w"), (30 * 86400.0, "1 mo")]
_SHARES = charts.Scale(0, 1, _WIDTH)
_SHARE_MARKS = [(0.0, "0 %"), (0.25, "25 %"), (0.5, "50 %"), (1.0, "100 %")]


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric as it stands on the page."""

    name: str
    title: str
    value: str
    interval: str
    #: What it rests on, and what is to be known beside it; one sentence a line.
    lines: tuple[str, ...]
    #: Why there is no value; empty where there is one.
    reason: str
    bar: Markup
    axis: Markup
    trend: Markup


@get("/delivery")
async def delivery(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    return await _page(visit, None, "/delivery")


@get("/services/{service:str}/delivery")
async def service_delivery(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    service = visit.path["service"]
    return await _page(visit, service, f"/services/{segment(service)}/delivery")


async def _page(visit: Visit, service: str | None, path: str) -> PageResponse:
    since, environment = visit.query.get("since", ""), visit.query.get("environment") or None
    wanted = Wanted(service, environment, timedelta(days=_DAYS.get(since, 90)))
    places = await visit.read(
        lambda tx: (
            environments_of(tx, service) if service else sorted({place[1] for place in known_places(tx)})[:30]
        )
    )
    try:
        measured = await visit.request.app.state.delivery.get(wanted, visit.now)
    except WrongUse as error:
        raise NothingThere(f"{error.message[0].upper()}{error.message[1:]}.") from None
    explained = visit.query.get("explain", "")
    metric = next((one for one in measured.report.metrics if one.name == explained), None)
    rows = sorted(metric.evidence, key=lambda row: row.at, reverse=True) if metric else []
    return await visit.page(
        "delivery.html",
        title=f"Delivery of {service}" if service else "Delivery",
        here="delivery",
        service=service,
        path=path,
        measured=measured,
        figures=[_figure(one, measured.report) for one in measured.report.metrics],
        environments=places,
        spans=SPANS,
        explained=metric,
        explained_title=TITLES[metric.name] if metric else "",
        rows=rows[:_MOST_ROWS],
        more=max(0, len(rows) - _MOST_ROWS),
        value_of=_value_of,
    )


def _figure(metric: Metric, report: Report) -> Figure:
    scale, marks = _scale(metric)
    value = headline(metric, words.duration)
    bar = Markup("")
    if metric.interval is not None:
        said = f"{value}, {interval_words(metric, words.duration)}"
        bar = charts.interval(metric.value, metric.interval.low, metric.interval.high, scale, said)
    further = (detail_words(metric, words.duration), raw_words(metric, words.duration))
    by_week = trend(metric, report)[-26:]
    return Figure(
        name=metric.name,
        title=TITLES[metric.name],
        value=value,
        interval=interval_words(metric, words.duration),
        lines=(basis_words(metric), *(line for line in further if line)),
        reason=metric.reason or "",
        bar=bar,
        axis=charts.ticks(scale, marks) if bar else Markup(""),
        trend=charts.sparkline(by_week, _trend_words(metric, by_week)) if len(by_week) > 1 else Markup(""),
    )


def _scale(metric: Metric) -> tuple[charts.Scale, list[tuple[float, str]]]:
    if metric.unit is Unit.SECONDS:
        return _TIMES, _TIME_MARKS
    if metric.unit is Unit.SHARE:
        return _SHARES, _SHARE_MARKS
    ends = [metric.value or 0.0, *([metric.interval.high] if metric.interval else [])]
    most = charts.nice_ceiling(max((end for end in ends if not math.isinf(end)), default=1.0))
    return charts.Scale(0, most, _WIDTH), [
        (0.0, "0"),
        (most / 2, f"{most / 2:g}"),
        (most, f"{most:g} a week"),
    ]


def _trend_words(metric: Metric, by_week: list[float | None]) -> str:
    known = [value for value in by_week if value is not None]
    if not known:
        return "by week: no data"
    shown = (_said(metric, known[0]), _said(metric, known[-1]), _said(metric, max(known)))
    return "by week, from {} to {}, at most {}".format(*shown)


def _said(metric: Metric, value: float) -> str:
    if metric.unit is Unit.SECONDS:
        return words.duration(value)
    return f"{100 * value:.0f} %" if metric.unit is Unit.SHARE else f"{value:.0f}"


def _value_of(row: Evidence) -> str:
    return "" if row.value is None else words.duration(row.value)


ROUTES = [delivery, service_delivery]
