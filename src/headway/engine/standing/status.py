"""What runs where, from the database. Fast: imports neither SSH nor the reader of headway.toml."""

from dataclasses import dataclass

from headway.deploy.standing import WhatRuns
from headway.deploy.trouble import PlaceTrouble
from headway.domain.deployment import Deployment, HostRow
from headway.domain.request import Request
from headway.domain.run import Run
from headway.engine.ownership import is_alive
from headway.engine.standing.claims import KIND
from headway.engine.standing.troubles import Where, read_troubles
from headway.engine.standing.what_runs import live_deployment, read_what_runs
from headway.store import deployments as rows
from headway.store import owners
from headway.store.database import Database, Transaction
from headway.store.requests import requests_to_tell
from headway.store.runs import unfinished_runs


@dataclass(frozen=True, slots=True)
class LockStatus:
    """Who holds an environment. `alive` is None for another machine's process: only its lease tells."""

    user: str
    machine: str
    pid: int
    reason: str
    since: str
    alive: bool | None


@dataclass(frozen=True, slots=True)
class EnvironmentStatus:
    name: str
    #: Host by host.
    runs: WhatRuns
    #: What put there what most hosts have.
    live: Deployment | None
    #: Held, running or going back; the newest first, each with its hosts.
    unfinished: tuple[tuple[Deployment, tuple[HostRow, ...]], ...]
    #: The last one that ended, if it isn't the live one.
    last: Deployment | None
    lock: LockStatus | None
    #: What is wrong there, the worst first.
    troubles: tuple[PlaceTrouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    service: str
    environments: tuple[EnvironmentStatus, ...]
    runs: tuple[Run, ...]
    #: What waits at gates, and what was refused last.
    requests: tuple[Request, ...] = ()


def read_status(database: Database, service: str, environment: str | None = None) -> Status:
    """One picture of one moment. An environment that was never deployed to is not in it, unless it is named."""

    def work(tx: Transaction) -> Status:
        names = [environment] if environment else rows.environments_of(tx, service)
        wrong = read_troubles(tx, service)
        return Status(
            service,
            tuple(_environment(tx, (service, name), wrong.get((service, name), ())) for name in names),
            tuple(unfinished_runs(tx, service=service)),
            tuple(requests_to_tell(tx, service, environment)),
        )

    return database.read(work)


def _environment(tx: Transaction, where: Where, wrong: tuple[PlaceTrouble, ...]) -> EnvironmentStatus:
    service, name = where
    live = live_deployment(tx, service, name)
    last = rows.latest(tx, service, name)
    if last is not None and (not last.state.is_final or (live and last.id == live.id)):
        last = None
    going = tuple((found, tuple(rows.hosts_of(tx, found.id))) for found in rows.unfinished(tx, service, name))
    return EnvironmentStatus(
        name, read_what_runs(tx, service, name), live, going, last, _lock(tx, f"{service}/{name}"), wrong
    )


def _lock(tx: Transaction, claim_id: str) -> LockStatus | None:
    claim = owners.holder(tx, KIND, claim_id)
    if claim is None:
        return None
    owner = claim.owner
    return LockStatus(
        owner.user,
        owner.machine.partition(":")[0],
        owner.pid,
        claim.reason,
        f"{claim.claimed_at:%Y-%m-%d %H:%M:%S} UTC",
        is_alive(owner),
    )
