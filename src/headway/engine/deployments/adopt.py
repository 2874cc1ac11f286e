"""What the hosts have and this database does not know: `--direct` rollbacks, and all of it after a lost database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from headway.deploy.host_states import HostState
from headway.domain.contract import EnvironmentSpec
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState, HostRow
from headway.engine.deployments.news import tell_deployment
from headway.engine.hosts.link import HostLink
from headway.engine.standing.what_runs import note_hosts
from headway.store import deployments as rows
from headway.store.counters import next_number
from headway.store.database import Database, Transaction


async def adopt(
    database: Database,
    now: datetime,
    *,
    service: str,
    environment: EnvironmentSpec,
    repository: str,
    links: Sequence[HostLink],
) -> Deployment | None:
    """The deployment that more than half of the hosts tell of becomes a row, unless it is one; what is live is what
    the hosts say. It is dated by the hosts, and asked for `now`: the order of this database is its own."""

    def work(tx: Transaction) -> Deployment | None:
        return adopt_told(
            tx, now, service=service, environment=environment, repository=repository, links=links
        )

    return await database.perform(work)


def adopt_told(
    tx: Transaction,
    now: datetime,
    *,
    service: str,
    environment: EnvironmentSpec,
    repository: str,
    links: Sequence[HostLink],
    hosts: int = 0,
) -> Deployment | None:
    """As `adopt`, within a transaction. `hosts`: how many there are, where some were not reached and nobody holds the
    others: more than half of all have to tell of it."""
    told: dict[str, list[Mapping[str, Any]]] = {}
    for link in links:
        deployed = link.record.deployed or {}
        if deployed.get("deployment") and deployed.get("release"):
            told.setdefault(str(deployed["deployment"]), []).append(deployed)
    most = max(told.values(), key=len, default=[])
    if 2 * len(most) <= max(hosts, len(links)):
        return None
    found = _deployment(most[0], now, service, environment, repository)
    told_of = [
        HostRow(
            found.id,
            link.name,
            0,
            HostState.FINISHED,
            "",
            found.previous_release,
            verified_at=found.verified_at,
        )
        for link in links
        if link.record.deployed is not None and link.record.deployed.get("deployment") == found.id
    ]
    if rows.get_deployment(tx, found.id) is not None:
        return None
    numbered = replace(found, number=next_number(tx, service, "deployment"))
    rows.insert_deployment(tx, numbered, told_of, token=0)
    note_hosts(tx, numbered, told_of, now)
    tell_deployment(tx, numbered, now)
    return numbered


def _deployment(
    told: Mapping[str, Any], now: datetime, service: str, environment: EnvironmentSpec, repository: str
) -> Deployment:
    at, before = _instant(told.get("at")) or now, told.get("previous")
    kind = str(told.get("kind", ""))
    return Deployment(
        id=str(told.get("deployment")),
        number=0,
        service=service,
        repository=repository,
        environment=environment.name,
        production=environment.production,
        release=str(told.get("release")),
        commit=str(told.get("commit")),
        previous_release=str(before["release"]) if isinstance(before, dict) and "release" in before else None,
        kind=DeploymentKind(kind) if kind in list(DeploymentKind) else DeploymentKind.PLANNED,
        state=DeploymentState.SUCCEEDED,
        reason="found on the hosts, done without this database",
        requested_by=str(told.get("by", "")),
        requested_at=now,
        started_at=at,
        first_switched_at=at,
        verified_at=at,
        finished_at=at,
    )


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None
