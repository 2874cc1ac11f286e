"""Looking for news: repositories without webhooks are asked every so often, hosted ones when somebody has pushed.

What a webhook told and a look found is told apart by intake. A repository that was just added is looked at once: its
default branch gets a run, the rest is only noted.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from headway.base.clock import Clock
from headway.base.errors import HeadwayError
from headway.domain.intake import Arrival, ArrivalKind, ForgeKind, Repository
from headway.drivers.git.bare import Bare
from headway.drivers.git.received import Received, RefChange, forget, received
from headway.drivers.git.remote import list_refs
from headway.engine.intake.arrivals import store_arrivals
from headway.engine.repositories.commits import Reader
from headway.engine.repositories.repositories import Repositories
from headway.pipeline.news import moved_refs
from headway.store import repositories as rows
from headway.store.arrivals import last_waiting, refs_on_their_way, was_told
from headway.store.database import Database, Transaction
from headway.store.errors import DatabaseUnavailable

log = logging.getLogger("headway.look")

_SIDE_BY_SIDE = 8
_LONGEST_PAUSE = timedelta(minutes=15)
#: New refs that one look takes in; the rest comes with the next one, at once.
_MOST_AT_ONCE = 500


class LookDuty:
    def __init__(self, database: Database, clock: Clock, repositories: Repositories, reader: Reader) -> None:
        self._database = database
        self._clock = clock
        self._repositories = repositories
        self._reader = reader
        self._hints: set[str] = set()
        #: Hosted repositories were looked at since this process began.
        self._has_begun = False
        self._side_by_side = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._busy: dict[str, asyncio.Task[None]] = {}
        #: Called when one is done with.
        self.wake: Callable[[], None] = lambda: None
        #: Called after something new was stored.
        self.on_accepted: Callable[[], None] = lambda: None

    def hint(self, repository_id: str) -> None:
        """Somebody has just pushed there."""
        self._hints.add(repository_id)
        self.wake()

    async def tick(self, now: datetime) -> datetime | None:
        """Sets to work on all that is due, and does not wait for it: a forge may take a minute to say that it is down."""
        if not self._has_begun:
            # A push that a kill cut off between its refs and its note is told by nobody.
            await self._database.perform(lambda tx: rows.look_at_hosted(tx, now))
            self._has_begun = True
        for repository_id in list(self._hints):
            repository = await self._repositories.by_id(repository_id)
            self._hints.discard(repository_id)
            if repository is not None:
                self._begin(f"push {repository_id}", repository, self._take_pushes)
        for repository in await self._database.fetch(lambda tx: rows.due_repositories(tx, now)):
            self._begin(f"look {repository.id}", repository, self._look)
        due_at = await self._database.fetch(rows.next_look)
        # What is at work is due until it has ended, and wakes us then.
        return None if self._busy else due_at

    async def settle(self) -> None:
        """Until nothing is at work."""
        while self._busy:
            await asyncio.wait(list(self._busy.values()))

    async def stop(self) -> None:
        tasks = list(self._busy.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, name: str, repository: Repository, act: Callable[[Repository], Awaitable[None]]) -> None:
        if name in self._busy:
            if name.startswith("push"):
                # Another push came while one was being taken in: look once more afterwards.
                self._hints.add(repository.id)
            return

        async def work() -> None:
            went_well = False
            try:
                async with self._side_by_side:
                    await self._guarded(repository, act)
                went_well = True
            except HeadwayError as error:
                # Not even how it went could be stored.
                log.warning("looking waits for the database: %s", error.message)
                if name.startswith("push"):
                    self._hints.add(repository.id)
            finally:
                del self._busy[name]
                # What could not be written down is due at once; the next tick is soon enough for it.
                if went_well:
                    self.wake()

        self._busy[name] = asyncio.create_task(work(), name=name)

    async def _guarded(self, repository: Repository, act: Callable[[Repository], Awaitable[None]]) -> None:
        now = self._clock.now()
        try:
            await act(repository)
        except DatabaseUnavailable:
            # No fault of the repository's: it stays due.
            raise
        except HeadwayError as error:
            fault = error.message
            log.warning("%s cannot be looked at: %s", repository.name, fault)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            log.exception("%s cannot be looked at", repository.name)
        else:
            return
        due_at = now + self._pause(repository)
        await self._database.perform(
            lambda tx: rows.looked(tx, repository, now=now, due_at=due_at, fault=fault)
        )
        self._repositories.forget(repository.id)

    def _pause(self, repository: Repository) -> timedelta:
        usual = timedelta(seconds=repository.poll_every or 60)
        doubled: timedelta = usual * 2 ** min(repository.faults, 6)
        return min(doubled, max(_LONGEST_PAUSE, usual))

    async def _take_pushes(self, repository: Repository) -> None:
        """The journal of a hosted repository: what was pushed, by whom, in order."""
        pushes = await asyncio.to_thread(received, self._reader.folder(repository.id))
        now, new = self._clock.now(), False
        for push in pushes:
            numbers = await self._database.perform(lambda tx: _store_push(tx, repository, push, now))  # noqa: B023
            new = new or bool(numbers)
            await asyncio.to_thread(forget, push)
        if new:
            self.on_accepted()

    async def _look(self, repository: Repository) -> None:
        known_before = await self._database.fetch(lambda tx: rows.refs_of(tx, repository.id))
        bare = await asyncio.to_thread(self._reader.bare, repository)
        found, default = await asyncio.to_thread(self._refs, repository, bare)
        if repository.forge is ForgeKind.HEADWAY:
            # After the refs were read: what moved them has its note by now, and is told in its own words.
            await self._take_pushes(repository)
        now = self._clock.now()
        is_first = repository.checked_at is None
        due_at = now + self._until_next(repository)

        def work(tx: Transaction) -> int:
            known, busy = rows.refs_of(tx, repository.id), refs_on_their_way(tx, repository.id)
            # What was taken in while we looked is newer than what we saw.
            busy |= {
                ref for ref in known.keys() | known_before.keys() if known.get(ref) != known_before.get(ref)
            }
            changes = moved_refs(known, found, busy)
            if is_first and not known:
                rows.move_refs(
                    tx,
                    repository.id,
                    {
                        ref: sha
                        for ref, sha in found.items()
                        if ref != f"refs/heads/{default}" and ref not in busy
                    },
                    now,
                )
                changes = [change for change in changes if change[0] == f"refs/heads/{default}"]
            elif len(changes) > _MOST_AT_ONCE:
                changes = changes[:_MOST_AT_ONCE]
            arrivals = [_arrival(ref, before, after) for ref, before, after in changes]
            stored = store_arrivals(
                tx,
                repository.id,
                arrivals,
                delivery=f"look-{now:%Y%m%dT%H%M%S.%f}-{secrets.token_hex(3)}",
                now=now,
            )
            if default and default != repository.default_branch:
                rows.name_default_branch(tx, repository.id, default)
            more = len(changes) == _MOST_AT_ONCE
            rows.looked(tx, repository, now=now, due_at=now if more else due_at)
            return len(stored)

        if await self._database.perform(work):
            self.on_accepted()
        self._repositories.forget(repository.id)

    def _refs(self, repository: Repository, bare: Bare) -> tuple[dict[str, str], str | None]:
        """What is there now, and the default branch. Blocks."""
        if repository.forge is ForgeKind.HEADWAY:
            return bare.refs(), bare.default_branch
        seen = list_refs(repository.url, self._repositories.credentials(repository), bare.environment)
        if seen.default_branch:
            bare.set_default_branch(seen.default_branch)
        return dict(seen.refs), seen.default_branch

    def _until_next(self, repository: Repository) -> timedelta:
        """Spread by a tenth, so that a hundred repositories are not asked in the same second."""
        seconds = repository.poll_every or (60 if repository.forge is ForgeKind.HEADWAY else 3600)
        return timedelta(seconds=seconds * (0.95 + secrets.randbelow(1000) / 10_000))


def _store_push(tx: Transaction, repository: Repository, push: Received, now: datetime) -> list[int]:
    changes = [change for change in push.lines if change.ref.startswith(("refs/heads/", "refs/tags/"))]
    arrivals = [_arrival(change.ref, change.old, change.new, sender=push.sender) for change in changes]
    cut_off = [arrival for change in changes if (arrival := _cut_off(tx, repository, change)) is not None]
    store_arrivals(tx, repository.id, cut_off, delivery=f"{push.file.name}/before", now=now)
    return store_arrivals(tx, repository.id, arrivals, delivery=push.file.name, now=now)


def _cut_off(tx: Transaction, repository: Repository, change: RefChange) -> Arrival | None:
    """The push before this one, when nobody told of it: a kill came between its refs and its note."""
    if change.old is None or not change.ref.startswith("refs/heads/"):
        return None
    waiting = last_waiting(tx, repository.id, change.ref)
    known = waiting.after if waiting else rows.ref_of(tx, repository.id, change.ref)
    if known in (None, change.old) or was_told(tx, repository.id, change.ref, change.old):
        return None
    return _arrival(change.ref, known, change.old)


def _arrival(ref: str, before: str | None, after: str | None, *, sender: str = "") -> Arrival:
    kind = ArrivalKind.TAG if ref.startswith("refs/tags/") else ArrivalKind.PUSH
    return Arrival(ArrivalKind.DELETE if after is None else kind, ref, before, after, sender)
