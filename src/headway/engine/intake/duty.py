"""Intake: what arrived becomes runs, each thing once, in order for each branch.

Several pushes to one branch that lie here together are judged together (`pipeline.news`): by the headway.toml of the
newest that runs, the others are collapsed into it if that file says so. A repository that cannot be reached keeps all of its arrivals, in order,
until it can. Late: nothing is lost, runs begin later. Killed between any two lines: an arrival and all that came of it
are one transaction, so it either has its run or is still waiting. One at which the server dies three times is set aside.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headway.base.clock import Clock
from headway.base.errors import HeadwayError
from headway.domain.commit import Commit
from headway.domain.intake import ArrivalKind, Repository
from headway.domain.run import Run
from headway.drivers.git.process import OutOfBounds
from headway.engine.intake.judge import Judgement
from headway.engine.intake.store import Judged, Taken, set_aside, store_group
from headway.engine.repositories.commits import Reader
from headway.engine.repositories.repositories import Repositories
from headway.engine.runs.observer import Observer
from headway.engine.work_faults import WorkFaults
from headway.store.arrivals import (
    StoredArrival,
    begin_arrivals,
    due_arrivals,
    leave_arrivals,
    next_arrival,
    repositories_with_news,
    try_again,
)
from headway.store.database import Database, Transaction

log = logging.getLogger("headway.intake")

#: Repositories worked on at the same time.
_SIDE_BY_SIDE = 4
#: So many of one repository at once are a flood, and seconds between two rounds of one.
_A_FLOOD, _LONGEST_REST = 20, 0.5
#: How often a server may die while it works on one.
MOST_DEATHS = 3
#: How often one is looked at that takes git more than a question may take (a machine under load is a cause, too).
MOST_TRIES = 3
#: Seconds that a server has to be up before it works on one at which two have died.
_SETTLED = 60.0
#: Seconds of judging and planning after which a server that is stopped counts as one that died of it.
_SUSPICIOUS = 60.0
SET_ASIDE = f"set aside: the server died {MOST_DEATHS} times while it worked on this; push again, or begin a run by hand"
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Group:
    """Arrivals of one ref (or one pull request) that lie here together, in their order."""

    arrivals: tuple[StoredArrival, ...]

    @property
    def newest(self) -> StoredArrival:
        return self.arrivals[-1]


def groups_of(arrivals: Sequence[StoredArrival]) -> list[Group]:
    """In the order of their first arrivals. A deletion ends a group: what comes after it is another branch."""
    found: list[list[StoredArrival]] = []
    open_groups: dict[str, list[StoredArrival]] = {}
    for stored in arrivals:
        key = f"{stored.arrival.kind is ArrivalKind.PULL_REQUEST}:{stored.arrival.ref}"
        group = open_groups.get(key)
        if (
            group is None
            or stored.arrival.kind is ArrivalKind.DELETE
            or group[-1].arrival.kind is ArrivalKind.DELETE
        ):
            group = open_groups[key] = []
            found.append(group)
        group.append(stored)
    return [Group(tuple(group)) for group in found]


def in_turn(
    waiting: Sequence[StoredArrival], *, is_settled: bool
) -> tuple[list[StoredArrival], list[StoredArrival]]:
    """(to be set aside, to be worked on now) of what waits of one repository, in its order.

    After a death nobody knows whose fault it was, so each is then worked on alone until all those suspects are done. The
    last chance is for a server that has been up for a while: one that is killed again and again loses no push by it.
    """
    aside = [stored for stored in waiting if stored.begun >= MOST_DEATHS]
    others = [stored for stored in waiting if stored.begun < MOST_DEATHS]
    if not any(stored.begun for stored in others):
        return aside, others
    is_last_chance = others[0].begun == MOST_DEATHS - 1
    return aside, [] if is_last_chance and not is_settled else others[:1]


class IntakeDuty:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        repositories: Repositories,
        reader: Reader,
        observer: Observer,
    ) -> None:
        self._database = database
        self._clock = clock
        self._repositories = repositories
        self._reader = reader
        self._observer = observer
        #: A sentence while nothing is taken in: the disk is nearly full. What arrives is stored all the same.
        self.paused = ""
        #: Called when there are new runs.
        self.on_runs: Callable[[Sequence[Run]], None] = lambda runs: None
        #: Called when a repository is done with: more may have come meanwhile.
        self.wake: Callable[[], None] = lambda: None
        # A forge that is down holds its repositories' turns for minutes; hosted ones are read from this disk.
        self._fetching, self._reading = asyncio.Semaphore(_SIDE_BY_SIDE), asyncio.Semaphore(_SIDE_BY_SIDE)
        self._began = clock.monotonic()
        #: Repositories at work. A fetch may take half an hour, and no tick waits for it.
        self._busy: dict[str, asyncio.Task[None]] = {}
        #: By the ids of repositories.
        self.faults = WorkFaults()

    async def tick(self, now: datetime) -> datetime | None:
        """Sets to work on all that is due, and does not wait for it."""
        if self.paused:
            return None
        for repository_id in await self._database.fetch(lambda tx: repositories_with_news(tx, now)):
            if repository_id not in self._busy:
                work = self._work(repository_id)
                self._busy[repository_id] = asyncio.create_task(work, name=f"intake {repository_id}")
        due_at = await self._database.fetch(lambda tx: next_arrival(tx, now))
        if (left := self._settles_in()) > 0:
            # Then those are worked on at which servers have died.
            settled_at = now + timedelta(seconds=left)
            due_at = settled_at if due_at is None else min(due_at, settled_at)
        return due_at

    def _settles_in(self) -> float:
        return self._began + _SETTLED - self._clock.monotonic()

    async def settle(self) -> None:
        """Until nothing is at work."""
        while self._busy:
            await asyncio.wait(list(self._busy.values()))

    async def stop(self) -> None:
        """What is at work is broken off: an arrival and all that comes of it are one transaction, so it waits again."""
        tasks = list(self._busy.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, repository_id: str) -> None:
        clock, went_well = self._clock, False
        try:
            repository = await self._repositories.by_id(repository_id)
            async with self._fetching if repository and repository.url else self._reading:
                began = clock.monotonic()
                arrivals = await self._database.fetch(lambda tx: due_arrivals(tx, repository_id))
                if repository is None:
                    await self._end_all(arrivals, "the repository was removed")
                elif arrivals:
                    await self._repository(repository, arrivals)
            went_well = True
            if len(arrivals) >= _A_FLOOD:
                # Half of the time is for those who knock: what gathers meanwhile is judged together.
                await clock.sleep(min(clock.monotonic() - began, _LONGEST_REST))
        except HeadwayError as error:
            # Not even the next try could be stored.
            log.warning("intake waits for the database: %s", error.message)
        except Exception as error:
            log.exception("what arrived of %s cannot be worked on", repository_id)
            self._note(repository_id, repository_id, error, _FIRST_PAUSE)
        finally:
            del self._busy[repository_id]
            # What could not be written down is due at once; the next tick is soon enough for it.
            if went_well:
                self.wake()

    async def _repository(self, repository: Repository, waiting: list[StoredArrival]) -> None:
        arrivals = await self._without_deadly(repository, waiting)
        if not arrivals:
            return
        numbers = [stored.number for stored in arrivals]
        told = [stored.arrival for stored in arrivals]
        has_begun, judged_at = False, None
        try:
            await asyncio.to_thread(self._reader.bring, repository, told)
            # Only from here on strangers' bytes are in this process. A server that is killed while git fetches, which
            # may take minutes, has not died of what was pushed.
            has_begun = True
            await self._database.perform(lambda tx: begin_arrivals(tx, numbers))
            commits = await asyncio.to_thread(self._reader.commits, repository, told)
            for group in groups_of(arrivals):
                judged_at = self._clock.monotonic()
                try:
                    was_first = await self._group(repository, group, commits)
                except OutOfBounds as error:
                    await self._too_much(repository, group, error.message)
                    continue
                if not was_first:
                    await self._database.perform(lambda tx: leave_arrivals(tx, numbers))
                    return
            self.faults.over(repository.id)
        except asyncio.CancelledError:
            # We are told to stop, which is no fault of theirs, but where one holds us for so long that it may be why.
            if has_begun and (judged_at is None or self._clock.monotonic() - judged_at < _SUSPICIOUS):
                await asyncio.shield(self._database.perform(lambda tx: leave_arrivals(tx, numbers)))
            raise
        except HeadwayError as error:
            await self._later(repository, arrivals, error.message)
        except Exception as error:
            log.exception("what %s told cannot be worked on", repository.name)
            pause = await self._later(repository, arrivals, f"{type(error).__name__}: {error}")
            self._note(repository.id, repository.name, error, pause)

    async def _too_much(self, repository: Repository, group: Group, why: str) -> None:
        """The others go on at once, also when somebody pushes more of it each time before it is set aside."""
        tried = [stored for stored in group.arrivals if stored.attempts + 1 >= MOST_TRIES]
        if tried:
            await self._set_aside(repository, tried, f"set aside: {why}")
        if again := [stored for stored in group.arrivals if stored not in tried]:
            await self._later(repository, again, why)

    def _note(self, repository_id: str, name: str, error: Exception, rest: timedelta) -> None:
        now = self._clock.now()
        self.faults.note(
            repository_id,
            error,
            what=f"what was pushed to {name} cannot be worked on",
            href=f"/settings/repositories/{repository_id}",
            began_at=now,
            now=now,
            rest=rest,
        )

    async def _without_deadly(
        self, repository: Repository, waiting: Sequence[StoredArrival]
    ) -> list[StoredArrival]:
        """Those to work on now; one at which the server died again and again is set aside, and the others go on."""
        aside, now_due = in_turn(waiting, is_settled=self._settles_in() <= 0)
        if aside:
            await self._set_aside(repository, aside, SET_ASIDE)
        return now_due

    async def _set_aside(self, repository: Repository, aside: Sequence[StoredArrival], why: str) -> None:
        log.error("%s: %d arrivals are set aside: %s", repository.name, len(aside), why)
        now = self._clock.now()

        def work(tx: Transaction) -> None:
            for stored in aside:
                set_aside(tx, repository, stored, why, now)

        await self._database.perform(work)

    async def _group(self, repository: Repository, group: Group, commits: Mapping[str, Commit]) -> bool:
        """Read, decide, plan, then store: one transaction for all of the group. False: another server was faster."""
        judged = await asyncio.to_thread(self._judge, repository, group, commits)
        now = self._clock.now()
        taken: Taken | None = await self._database.perform(
            lambda tx: store_group(
                tx, repository, judged, now, self._observer, self._repositories.leave_service
            )
        )
        if taken is None:
            return False
        if taken.described:
            self._repositories.forget(repository.id)
        if taken.runs:
            self.on_runs(taken.runs)
        return True

    def _judge(self, repository: Repository, group: Group, commits: Mapping[str, Commit]) -> Judged:
        """What is to become of each. Blocks."""
        return Judgement(self._database, self._reader, repository, group.arrivals, commits).all()

    async def _later(self, repository: Repository, arrivals: Sequence[StoredArrival], why: str) -> timedelta:
        """How long it rests."""
        now = self._clock.now()
        tries = max(stored.attempts for stored in arrivals)
        pause: timedelta = min(_FIRST_PAUSE * 2 ** min(tries, 10), _LONGEST_PAUSE)
        log.warning("%s: %s; tried again in %.0f s", repository.name, why, pause.total_seconds())
        numbers = [stored.number for stored in arrivals]
        await self._database.perform(lambda tx: try_again(tx, numbers, now + pause, why))
        return pause

    async def _end_all(self, arrivals: Sequence[StoredArrival], note: str) -> None:
        from headway.store.arrivals import end_arrival

        numbers = [stored.number for stored in arrivals]
        await self._database.perform(
            lambda tx: [end_arrival(tx, number, "ignored", note=note) for number in numbers]
        )
