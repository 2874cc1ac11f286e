"""Delivery metrics for pages: measured in a thread, kept for a minute, and their trends by week.

With 20,000 deployments a report of all services takes a second, so a page shows the last one at once and says how
old it is; a new one is measured meanwhile.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from headway.dora.metric import Counted, Metric, Unit
from headway.dora.metrics import Report
from headway.drivers.git import Git
from headway.engine.metrics.reports import delivery_report
from headway.store.database import Database

log = logging.getLogger("headway.views")

#: After this it is measured anew, while the old one is shown; after `_STALE` nobody is shown it.
_FRESH, _STALE = timedelta(minutes=1), timedelta(hours=1)
_MOST_KEPT = 64
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Wanted:
    """None: all services; every environment that is production."""

    service: str | None
    environment: str | None
    since: timedelta


@dataclass(frozen=True, slots=True)
class Measured:
    report: Report
    at: datetime


class DeliveryReports:
    """For the event loop's thread. One measures at a time: it is work for a processor."""

    def __init__(self, database: Database, git: Git) -> None:
        self._database, self._git = database, git
        self._kept: dict[Wanted, Measured] = {}
        self._working: dict[Wanted, asyncio.Task[Measured]] = {}
        self._turn = asyncio.Lock()

    async def get(self, wanted: Wanted, now: datetime) -> Measured:
        """Raises WrongUse for a service or an environment that nothing was ever deployed to."""
        kept = self._kept.get(wanted)
        if kept is not None and now - kept.at < _FRESH:
            return kept
        task = self._working.get(wanted)
        if task is None:
            task = self._working[wanted] = asyncio.create_task(self._measure(wanted, now))
            task.add_done_callback(lambda done: self._ended(wanted, done))
        if kept is not None and now - kept.at < _STALE:
            return kept
        return await asyncio.shield(task)

    async def _measure(self, wanted: Wanted, now: datetime) -> Measured:
        measure: Callable[[], Report] = lambda: delivery_report(  # noqa: E731  (names what the thread does)
            self._database,
            self._git,
            service=wanted.service,
            environment=wanted.environment,
            since=wanted.since,
            now=now,
        )
        async with self._turn:
            measured = Measured(await asyncio.to_thread(measure), now)
        self._kept.pop(wanted, None)
        self._kept[wanted] = measured
        while len(self._kept) > _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return measured

    def _ended(self, wanted: Wanted, task: "asyncio.Task[Measured]") -> None:
        self._working.pop(wanted, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("the metrics of %s were not measured: %s", wanted, error)


def trend(metric: Metric, report: Report) -> list[float | None]:
    """By week, oldest first: the median of times, the share that had the event, the number; None: no data then."""
    if metric.unit is Unit.PER_WEEK:
        return [float(count) for count, _ in report.weeks]
    start = max(report.window.start, report.watched_since or report.window.end)
    weeks = max(1, -(-(report.window.end - start) // _WEEK))
    rows: list[list[float]] = [[] for _ in range(weeks)]
    for row in metric.evidence:
        # The last week ends now, as in the report's own weeks.
        place = weeks - 1 - (report.window.end - row.at) // _WEEK
        if not 0 <= place < weeks:
            continue
        if metric.unit is Unit.SECONDS:
            if row.counted is Counted.YES and row.value is not None:
                rows[place].append(row.value)
        elif row.counted in (Counted.YES, Counted.WITHOUT):
            rows[place].append(1.0 if row.counted is Counted.YES else 0.0)
    if metric.unit is Unit.SECONDS:
        return [median(values) if values else None for values in rows]
    return [sum(values) / len(values) if values else None for values in rows]
