"""Driving the runs of a server: claims what waits, in its order, and drives each in a task of its own.

After a restart the runs that went on are claimed first, and take their slots before anything new is asked for.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from headway.base.errors import DiskFull, HeadwayError
from headway.domain.run import Job, Run
from headway.domain.states import State
from headway.drivers.runner.verbs import Runner
from headway.engine.outgoing.hub import Hub
from headway.engine.runs.drive import Detached, Drive, ready
from headway.engine.runs.end import end_unstarted
from headway.engine.runs.observer import Observer
from headway.engine.runs.runs import Begun, Tools, give_back, take
from headway.engine.runs.slots import Slots
from headway.engine.runs.tenure import TakenOver
from headway.engine.work_faults import WorkFaults, own_fault
from headway.pipeline.run_queue import next_runs
from headway.store import jobs, runs
from headway.store.database import Transaction
from headway.store.errors import DatabaseUnavailable

log = logging.getLogger("headway.runs")

#: Runs under way at once: what they may do is bounded by slots, this only bounds the work of looking after them.
MOST_RUNS = 64
_TRY_AGAIN = timedelta(seconds=10)
#: A database that is back is asked at once; while it is away the ticks themselves fail, and come less and less often.
_TRY_SOON = timedelta(seconds=1)


class RunsDuty:
    def __init__(self, tools: Tools, runner: Runner, hub: Hub, slots: Slots, observer: Observer) -> None:
        self._tools = tools
        self._runner = runner
        self._hub = hub
        self._slots = slots
        self._observer = observer
        self._drives: dict[str, Drive] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: Run -> when it is looked at again: its disk was full, its database away.
        self._resting: dict[str, datetime] = {}
        self._resting_for: dict[str, str] = {}
        #: Run -> its token, which could not be given back; as long as it is ours nobody takes the run up.
        self._kept: dict[str, tuple[Run, int]] = {}
        self._is_stopping = False
        #: Of runs, by their ids.
        self.faults = WorkFaults()
        #: Run -> why it is not under way, for the page of what waits; in the order in which they will be.
        self.reasons: Mapping[str, str] = {}
        #: A sentence while nothing new may begin (the disk is nearly full); runs under way go on.
        self.paused = ""
        #: Called when one has ended: something may wait for it.
        self.on_end: Callable[[Run], None] = lambda run: None
        self.wake: Callable[[], None] = lambda: None

    @property
    def active(self) -> int:
        return len(self._tasks)

    async def tick(self, now: datetime) -> datetime | None:
        """Claims what may be under way. Late: everything waiting is still there."""
        if self._is_stopping:
            return None
        await self._return_kept()
        self._resting = {run: until for run, until in self._resting.items() if until > now}
        self._resting_for = {run: why for run, why in self._resting_for.items() if run in self._resting}
        candidates = await self._tools.database.fetch(lambda tx: runs.waiting_runs(tx, limit=4 * MOST_RUNS))
        again = "it is tried again in a moment"
        queue = next_runs(
            candidates,
            self._tasks,
            resting={run: f"{why}; {again}" for run, why in self._resting_for.items()},
            paused=self.paused,
            most=MOST_RUNS,
        )
        self.reasons = queue.reasons
        for run in queue.begin:
            begun = await self._tools.database.perform(functools.partial(self._take, run=run, now=now))
            if begun is not None and begun.token is not None:
                self._tasks[run.id] = asyncio.create_task(self._carry(begun), name=f"run {run.id}")
        return min(self._resting.values(), default=None)

    def explain(self) -> dict[str, str]:
        """Id of a run or of a job -> what it really waits for, runs and jobs each in the order of their turns. Of a run that
        nobody has looked at yet there is none."""
        return {**self.reasons, **self._slots.explain()}

    def _take(self, tx: Transaction, run: Run, now: datetime) -> Begun | None:
        fresh = runs.run_by_id(tx, run.id)
        if fresh is None or fresh.state.is_final:
            return None
        return take(tx, self._tools, fresh, now)

    async def _carry(self, begun: Begun) -> None:
        """To the run's end, whatever happens: this task never fails."""
        run, token = begun.run, begun.token
        assert token is not None
        began_at = self._tools.clock.now()
        try:
            await self._drive(begun)
            self.faults.over(run.id)
        except Detached:
            await self._give_back(run, token)
        except TakenOver as error:
            log.warning("%s", error.message)
        except (DiskFull, DatabaseUnavailable) as error:
            log.warning("run %s of %s rests: %s", run.number, run.service, error.message)
            pause = _TRY_SOON if isinstance(error, DatabaseUnavailable) else _TRY_AGAIN
            await self._rest(run, token, error.message, pause)
        except HeadwayError as error:
            # Nothing of it can be done as things are, a missing secret for example: that is how it ends.
            await self._fail(run, token, error)
        except Exception as error:
            log.exception("run %s of %s cannot be driven", run.number, run.service)
            fault = self.faults.note(
                run.id,
                error,
                what=f"run {run.number} of {run.service} cannot be driven",
                href=f"/services/{run.service}/runs/{run.number}",
                began_at=began_at,
                now=self._tools.clock.now(),
                rest=_TRY_AGAIN,
            )
            await self._rest(run, token, own_fault(error))
            if fault.times == 1:
                await self._tell_anew(run)
        finally:
            self._drives.pop(run.id, None)
            self._tasks.pop(run.id, None)
            self._slots.leave(run.id)
            self.wake()

    async def _drive(self, begun: Begun) -> None:
        drive = await asyncio.to_thread(self._ready, begun)
        self._drives[begun.run.id] = drive
        if self._is_stopping:
            raise Detached
        ended = await drive.run()
        self.on_end(ended)

    def _ready(self, begun: Begun) -> Drive:
        """Blocks. Jobs take their working copies from a mirror that has to know this commit."""
        run = begun.run
        self._tools.git.source_of(run.repository, run.commit, branch=run.branch, tag=run.tag)
        return ready(
            self._tools,
            self._runner,
            begun,
            # Slots are what bounds it.
            limit=1_000_000,
            on_log=self._grew,
            slots=self._slots,
            observer=self._observer,
        )

    def _grew(self, job: Job, kept: int) -> None:
        data = {"run": job.run, "job": job.id, "attempt": job.attempt, "size": kept}
        self._hub.sign("log.grew", service="", subject=job.id, data=data)

    async def _rest(self, run: Run, token: int, why: str, pause: timedelta = _TRY_AGAIN) -> None:
        self._resting[run.id] = self._tools.clock.now() + pause
        self._resting_for[run.id] = why
        await self._give_back(run, token)

    async def _tell_anew(self, run: Run) -> None:
        """Who looks on sees its fault at once."""
        now = self._tools.clock.now()

        def work(tx: Transaction) -> None:
            fresh = runs.run_by_id(tx, run.id)
            if fresh is not None and not fresh.state.is_final:
                self._observer.changed(tx, fresh, (), now, run_changed=True)

        with contextlib.suppress(HeadwayError):
            await self._tools.database.perform(work)

    async def _give_back(self, run: Run, token: int) -> None:
        try:
            await asyncio.to_thread(give_back, self._tools, run, token)
        except HeadwayError as error:
            # The database is away, or its disk is full.
            log.warning("run %s of %s is not given back yet: %s", run.number, run.service, error.message)
            self._kept[run.id] = (run, token)

    async def _return_kept(self) -> None:
        """What could not be given back while the database was away. Raises the store's errors if it still is."""
        for run, token in list(self._kept.values()):
            await asyncio.to_thread(give_back, self._tools, run, token)
            del self._kept[run.id]

    async def _fail(self, run: Run, token: int, error: HeadwayError) -> None:
        state = State.FAILED if error.exit_code in (1, 2) else State.ERRORED
        now = self._tools.clock.now()

        def work(tx: Transaction) -> Run | None:
            return end_unstarted(tx, run, token, state, error.message, now, self._observer)

        try:
            await self._stop_jobs(run, token, error.message)
            ended = await self._tools.database.perform(work)
        except (DiskFull, DatabaseUnavailable) as trouble:
            await self._rest(run, token, trouble.message, _TRY_SOON)
            return
        if ended is not None:
            self.on_end(ended)

    async def _stop_jobs(self, run: Run, token: int, reason: str) -> None:
        """Those that an owner before us began: nobody would look after them any more."""

        def work(tx: Transaction) -> list[Job]:
            return jobs.jobs_of(tx, run.id) if runs.is_held(tx, run.id, token) else []

        for job in await self._tools.database.fetch(work):
            if job.state is State.RUNNING and job.directory is not None:
                with contextlib.suppress(HeadwayError, OSError):
                    await self._runner.cancel(job.directory, reason)

    def cancel(self, run_id: str, reason: str) -> None:
        """The wish is stored already; this only saves the time until it is seen. From the loop's thread."""
        if drive := self._drives.get(run_id):
            drive.cancel(reason)
        self.wake()

    async def stop(self) -> None:
        """Leave everything as it is: jobs go on, the next start takes them up."""
        self._is_stopping = True
        for drive in self._drives.values():
            drive.detach()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=10)
