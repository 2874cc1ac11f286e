"""Runs by the clock: the cron triggers of default branches, in their own time zones.

Late: of the times that were missed the last one is made up for, if it is not too long ago (`pipeline.cron.MAX_DELAY`).
Twice: the key of such a run is its trigger and its time, so it is one run whoever begins it and however often.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError

from headway.base.clock import to_milliseconds
from headway.base.errors import HeadwayError
from headway.domain.intake import Repository, Schedule
from headway.domain.run import Trigger, TriggerEvent
from headway.engine.repositories.commits import CommitFile, Reader, read_file
from headway.engine.runs.observer import Observer
from headway.engine.runs.order import Order, Prepared, group_of, prepare, store_order
from headway.engine.work_faults import WorkFaults
from headway.pipeline.cron import missed, next_due
from headway.store import repositories as rows
from headway.store.database import Database, Transaction
from headway.store.errors import DatabaseUnavailable

log = logging.getLogger("headway.schedules")

#: After a time that cannot be told: the machine's zones may have changed since the file was read.
_LOOK_AGAIN = timedelta(hours=1)
#: That one did not begin by a fault of ours: its time has passed, and nobody tries it anew.
_TOLD_FOR = timedelta(hours=1)


class ScheduleDuty:
    def __init__(self, database: Database, reader: Reader, observer: Observer) -> None:
        self._database = database
        self._reader = reader
        self._observer = observer
        self.on_runs: Callable[[], None] = lambda: None
        self._has_begun = False
        self.faults = WorkFaults()

    async def tick(self, now: datetime) -> datetime | None:
        if not self._has_begun:
            await self._end_long_rests(now)
            self._has_begun = True
        for schedule in await self._database.fetch(lambda tx: rows.due_schedules(tx, now)):
            await self._schedule(schedule, now)
        return await self._database.fetch(rows.next_schedule)

    async def _end_long_rests(self, now: datetime) -> None:
        """Times that a clock which was set far forward has written down would be waited for after it is set back."""

        def work(tx: Transaction) -> None:
            for schedule in rows.all_schedules(tx):
                due_at = None
                # One whose zone is not known (any more) is told of when it is due.
                with suppress(ZoneInfoNotFoundError, ValueError):
                    due_at = next_due(schedule.cron, schedule.zone, now)
                if due_at is not None and schedule.due_at is not None and due_at < schedule.due_at:
                    rows.schedule_again(tx, schedule, due_at)

        await self._database.perform(work)

    async def _schedule(self, schedule: Schedule, now: datetime) -> None:
        assert schedule.due_at is not None
        # What if this one cannot be begun: the others are not to wait for it, nor it for a push.
        following: datetime | None = now + _LOOK_AGAIN
        order = None
        try:
            at = missed(schedule.cron, schedule.zone, schedule.due_at, now)
            following = next_due(schedule.cron, schedule.zone, now)
            if at is None:
                log.warning(
                    "%s: the time of %s was missed by more than an hour", schedule.service, schedule.name
                )
            else:
                order = await asyncio.to_thread(self._order, schedule, at)
        except DatabaseUnavailable:
            raise
        except HeadwayError as error:
            log.warning("%s: %s did not begin: %s", schedule.service, schedule.name, error.message)
        except Exception as error:
            log.exception("%s: %s did not begin", schedule.service, schedule.name)
            self.faults.note(
                f"{schedule.repository} {schedule.name}",
                error,
                what=f"the schedule {schedule.name} of {schedule.service} did not begin",
                href=f"/runs?service={schedule.service}",
                began_at=now,
                now=now,
                rest=_TOLD_FOR,
            )
        else:
            self.faults.over(f"{schedule.repository} {schedule.name}")

        def work(tx: Transaction) -> None:
            if order is not None:
                store_order(tx, order, now, self._observer)
            rows.schedule_again(tx, schedule, following)

        await self._database.perform(work)
        if order is not None:
            self.on_runs()

    def _order(self, schedule: Schedule, at: datetime) -> Prepared | None:
        repository = self._database.read(lambda tx: rows.repository_by_id(tx, schedule.repository))
        if repository is None:
            return None
        key = f"cron:{schedule.repository}:{schedule.name}:{to_milliseconds(at)}"
        trigger = Trigger(TriggerEvent.CRON, key, repository.id)
        requested_by, given = f"cron {schedule.name}", schedule.parameters
        return order_of_branch(
            self._reader, repository, schedule.branch, trigger, requested_by, parameters=given
        )


def order_of_branch(
    reader: Reader,
    repository: Repository,
    branch: str,
    trigger: Trigger,
    requested_by: str,
    *,
    parameters: Mapping[str, str] | None = None,
) -> Prepared | None:
    """A run of the branch's head; None where there is none, or nothing to run. Blocks."""
    bare = reader.bare(repository)
    ref = f"refs/heads/{branch}"
    sha = bare.refs(ref).get(ref)
    if sha is None:
        return None
    file: CommitFile = read_file(repository, bare, bare.commit(sha), elsewhere=reader.places())
    if file.missing:
        return None
    trigger = replace(trigger, ref=ref, faults=file.faults)
    if file.contract is not None:
        trigger = replace(
            trigger,
            priority=file.contract.pipeline.priority,
            **group_of(file.contract),  # type: ignore[arg-type]
        )
    order = Order(
        service=file.service,
        repository=file.folder,
        commit=file.commit,
        sha=sha,
        branch=branch,
        tag=None,
        trigger=trigger,
        requested_by=requested_by,
        contract=file.contract,
        parameters=parameters or {},
    )
    return prepare(order)
