"""A green release of one service begins a run of another that asks for it: `[triggers] releases = ["library"]`.

Which service asks for what stands in the default branches' files. What a release began is stored together with the
mark that it was offered; and the key of such a run is the release, so it is one run however often it is looked at.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from headway.base.errors import DiskFull, HeadwayError
from headway.domain.intake import Repository
from headway.domain.run import Run, Trigger, TriggerEvent
from headway.engine.intake_read import Reader, read_file
from headway.engine.run_drive import Observer
from headway.engine.run_order import Prepared, store_order
from headway.engine.schedules import order_of_branch
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
            known = await self._database.fetch(repositories.repositories)
            orders = await asyncio.to_thread(self._orders, run, known)
            begun += await self._store(run, orders, now)
        return begun

    async def _store(self, run: Run, orders: Sequence[Prepared], now: datetime) -> int:
        def work(tx: Transaction) -> int:
            runs.note_spread(tx, run.id, now)
            return sum(store_order(tx, order, now, self._observer).is_new for order in orders)

        return await self._database.perform(work)

    def _orders(self, run: Run, known: Sequence[Repository]) -> list[Prepared]:
        """Blocks. A file that cannot be read asks for nothing."""
        found = []
        own = next((one for one in known if run.trigger and one.id == run.trigger.repository), None)
        if own is not None:
            # The commit of a release stays, also when its branch is deleted or forced elsewhere.
            try:
                self._reader.bare(own).keep(f"releases/{run.release}", run.commit)
            except DiskFull:
                raise
            except HeadwayError as error:
                # Of a repository that somebody has emptied, say: the releases of others need not wait for that.
                log.warning("%s does not keep the commit of %s: %s", own.name, run.release, error.message)
        for repository in known:
            if repository.service is None or repository.service == run.service:
                continue
            try:
                order = _order(self._reader, repository, run)
            except HeadwayError as error:
                log.warning("%s cannot follow %s: %s", repository.name, run.service, error.message)
                continue
            if order is not None:
                found.append(order)
        return found


def _order(reader: Reader, repository: Repository, run: Run) -> Prepared | None:
    bare = reader.bare(repository)
    branch = repository.default_branch or bare.default_branch
    ref = f"refs/heads/{branch}"
    sha = bare.refs(ref).get(ref)
    if sha is None:
        return None
    contract = read_file(repository, bare, bare.commit(sha), elsewhere=reader.places()).contract
    if contract is None or not decide_release(contract.triggers, run.service).run:
        return None
    trigger = Trigger(TriggerEvent.RELEASE, f"release:{run.release}:{repository.id}", repository.id)
    return order_of_branch(reader, repository, branch, trigger, f"release of {run.service}")
