"""A green release of one service begins a run of another that asks for it: `[triggers] releases = ["library"]`.
Of a service without [deploy], which makes none, each green run that would have made one does.

Which service asks for what stands in the default branches' files; intake notes it with each push there, so that a release
reads only the files of those that may ask for it (and of those of which nothing is noted). What a release began is stored
together with the mark that it was offered; and the key of such a run is the release, so it is one run however often it is
looked at.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.base.errors import DiskFull, HeadwayError
from headway.domain.intake import Repository
from headway.domain.run import Run, Trigger, TriggerEvent
from headway.engine.intake.schedules import order_of_branch
from headway.engine.repositories.commits import Reader, read_file
from headway.engine.runs.observer import Observer
from headway.engine.runs.order import Prepared, store_order
from headway.pipeline.triggers import decide_release
from headway.store import repositories, runs
from headway.store.database import Database, Transaction

log = logging.getLogger("headway.triggers")


class ReleaseTriggers:
    def __init__(self, database: Database, reader: Reader, observer: Observer) -> None:
        self._database = database
        self._reader = reader
        self._observer = observer

    async def tick(self, now: datetime) -> int:
        """Offers every release that was not offered yet; how many runs that began."""
        begun = 0
        for run in await self._database.fetch(runs.runs_to_spread):
            own, followers = await self._database.fetch(lambda tx: _concerned(tx, run))  # noqa: B023
            found = await asyncio.to_thread(self._find, run, own, followers)
            begun += await self._store(run, found, now)
        return begun

    async def _store(self, run: Run, found: Sequence["_Answer"], now: datetime) -> int:
        def work(tx: Transaction) -> int:
            runs.note_spread(tx, run.id, now)
            for answer in found:
                if answer.follows is not None:
                    repositories.put_follows(tx, answer.repository, answer.follows)
            orders = [answer.order for answer in found if answer.order is not None]
            return sum(store_order(tx, order, now, self._observer).is_new for order in orders)

        return await self._database.perform(work)

    def _find(self, run: Run, own: Repository | None, followers: Sequence[Repository]) -> list["_Answer"]:
        """Blocks. A file that cannot be read asks for nothing."""
        if own is not None and run.release is not None:
            # The commit of a release stays, also when its branch is deleted or forced elsewhere.
            try:
                self._reader.bare(own).keep(f"releases/{run.release}", run.commit)
            except DiskFull:
                raise
            except HeadwayError as error:
                # Of a repository that somebody has emptied, say: the releases of others need not wait for that.
                log.warning("%s does not keep the commit of %s: %s", own.name, run.release, error.message)
        found = []
        for repository in followers:
            try:
                found.append(_ask(self._reader, repository, run))
            except HeadwayError as error:
                log.warning("%s cannot follow %s: %s", repository.name, run.service, error.message)
        return found


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the file of one default branch says."""

    repository: str
    #: Services that it waits for; None where it cannot be read.
    follows: tuple[str, ...] | None = None
    order: Prepared | None = None


def _concerned(tx: Transaction, run: Run) -> tuple[Repository | None, list[Repository]]:
    """The repository of the release, and those that may wait for it."""
    own = repositories.repository_by_id(tx, run.trigger.repository) if run.trigger else None
    return own, repositories.possible_followers(tx, run.service)


def _ask(reader: Reader, repository: Repository, run: Run) -> _Answer:
    bare = reader.bare(repository)
    branch = repository.default_branch or bare.default_branch
    ref = f"refs/heads/{branch}"
    sha = bare.refs(ref).get(ref)
    if sha is None:
        return _Answer(repository.id)
    contract = read_file(repository, bare, bare.commit(sha), elsewhere=reader.places()).contract
    if contract is None:
        return _Answer(repository.id)
    follows = contract.triggers.releases
    if not decide_release(contract.triggers, run.service).run:
        return _Answer(repository.id, follows)
    trigger = Trigger(TriggerEvent.RELEASE, f"release:{run.release or run.id}:{repository.id}", repository.id)
    order = order_of_branch(reader, repository, branch, trigger, f"release of {run.service}")
    return _Answer(repository.id, follows, order)
