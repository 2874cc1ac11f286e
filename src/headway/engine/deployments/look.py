"""What the hosts say between deployments: what others did there without this database (`rollback --direct`, by hand)
becomes known here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.domain.contract import EnvironmentSpec
from headway.domain.standing import Standing
from headway.engine.deployments.adopt import adopt_told
from headway.engine.hosts.link import HostLink, whose_root
from headway.engine.standing.claims import who_is_at_work
from headway.engine.standing.what_runs import note_seen
from headway.store import deployments as rows
from headway.store.database import Database, Transaction
from headway.store.standings import standings_of


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an environment before its hosts are asked, while nobody is at work there."""

    service: str
    environment: str
    standings: tuple[Standing, ...]
    #: The id of its last deployment.
    last: str | None


def what_is_known(tx: Transaction, service: str, environment: str, now: datetime) -> Known | None:
    """None: a deployment goes on or is about to begin, and asks the hosts itself."""
    if rows.unfinished(tx, service, environment) or who_is_at_work(tx, service, environment, now):
        return None
    last = rows.latest(tx, service, environment)
    return Known(
        service, environment, tuple(standings_of(tx, service, environment)), last.id if last else None
    )


async def keep_look(
    database: Database,
    known: Known,
    *,
    environment: EnvironmentSpec,
    repository: str,
    links: Sequence[HostLink],
    hosts: int,
    now: datetime,
) -> bool:
    """`links` are of those of the `hosts` that answered. Whether something else was found than was known.

    Nothing is kept where somebody was at work since `known` was read: what they stored is newer than the look.
    """
    where = (known.service, known.environment)
    ours = [link for link in links if whose_root(link.record) in (None, where)]

    def work(tx: Transaction) -> bool:
        if what_is_known(tx, *where, now) != known:
            return False
        adopted = adopt_told(
            tx,
            now,
            service=known.service,
            environment=environment,
            repository=repository,
            links=ours,
            hosts=hosts,
        )
        changed = note_seen(tx, *where, {link.name: link.record for link in ours}, now)
        return adopted is not None or changed

    return await database.perform(work)
