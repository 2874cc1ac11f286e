"""A green release of one service begins a run of another that asks for it: `[triggers] releases = ["library"]`.

Which service asks for what stands in the default branches' files. The key of such a run is the release, so it is begun
once, whoever sees the release and however often.
"""

import asyncio
import logging
from collections.abc import Sequence

from headway.base.clock import Clock
from headway.base.errors import HeadwayError
from headway.domain.intake import Repository
from headway.domain.run import Run, Trigger, TriggerEvent
from headway.engine.intake_read import Reader, read_file
from headway.engine.run_drive import Observer
from headway.engine.run_order import Order, store_order
from headway.engine.schedules import order_of_branch
from headway.pipeline.triggers import decide_release
from headway.store import repositories as rows
from headway.store.database import Database

log = logging.getLogger("headway.triggers")


async def begin_after_release(
    database: Database, clock: Clock, reader: Reader, observer: Observer, run: Run
) -> Sequence[Run]:
    """Runs that the release of this run has begun. A file that cannot be read asks for nothing."""
    if run.release is None:
        return ()
    begun = []
    for repository in await database.fetch(rows.repositories):
        if repository.service is None or repository.service == run.service:
            continue
        try:
            order = await asyncio.to_thread(_order, reader, repository, run)
        except HeadwayError as error:
            log.warning("%s cannot follow %s: %s", repository.name, run.service, error.message)
            continue
        if order is not None:
            now = clock.now()
            ordered = await database.perform(lambda tx: store_order(tx, order, now, observer))  # noqa: B023
            if ordered.is_new:
                begun.append(ordered.run)
    return begun


def _order(reader: Reader, repository: Repository, run: Run) -> Order | None:
    bare = reader.bare(repository)
    branch = repository.default_branch or bare.default_branch
    sha = bare.refs(f"refs/heads/{branch}").get(f"refs/heads/{branch}")
    if sha is None:
        return None
    contract = read_file(repository, bare, bare.commit(sha)).contract
    if contract is None or not decide_release(contract.triggers, run.service).run:
        return None
    key = f"release:{run.release}:{repository.id}"
    trigger = Trigger(TriggerEvent.RELEASE, key, repository.id)
    return order_of_branch(reader, repository, branch, trigger, f"release of {run.service}")
