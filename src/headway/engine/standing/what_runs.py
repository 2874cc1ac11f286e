"""Keeps what stands on which host, in the transaction that changes the hosts' rows; and asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from headway.deploy.host_states import HostState
from headway.deploy.plan import Plan, Predecessor, from_json
from headway.deploy.record import (
    HostRecord,
    finished_on,
    is_half_way,
    predecessor,
    running,
    standing_there,
)
from headway.deploy.standing import Before, WhatRuns, seen, stand, what_runs, without
from headway.domain.deployment import Deployment, HostRow
from headway.domain.standing import Standing
from headway.store import deployments as rows
from headway.store.database import Transaction
from headway.store.standings import get_standing, put_standing, standings_of


def note_beginning(tx: Transaction, deployment: Deployment, hosts: Sequence[HostRow], now: datetime) -> None:
    """A deployment begins: its hosts are those of the environment, others are no longer."""
    known = standings_of(tx, deployment.service, deployment.environment)
    for left in without(known, [row.host for row in hosts]):
        put_standing(tx, left)
    note_hosts(tx, deployment, hosts, now)


def note_found(
    tx: Transaction, service: str, environment: str, records: Mapping[str, HostRecord], now: datetime
) -> None:
    """What the hosts themselves said when they were taken: they decide, and somebody may have been there by hand."""
    finished = finished_there(tx, records)
    for name, record in records.items():
        known = get_standing(tx, service, environment, name)
        found, half_way = _look(tx, record, finished[name])
        if known is None and found is None and not half_way:
            continue
        known = known or Standing(service, environment, name)
        put_standing(tx, seen(known, found, now, half_way=half_way, taken=True))


def note_seen(
    tx: Transaction, service: str, environment: str, records: Mapping[str, HostRecord], now: datetime
) -> bool:
    """A look between deployments; whether it found something else than was known. A host that is not known here yet
    is none of the environment's before a deployment goes there."""
    finished = finished_there(tx, records)
    changed = False
    for name, record in records.items():
        known = get_standing(tx, service, environment, name)
        if known is None:
            continue
        found, half_way = _look(tx, record, finished[name])
        after = seen(known, found, now, half_way=half_way)
        put_standing(tx, after)
        changed = changed or after != replace(known, since=after.since, asked_at=now)
    return changed


def finished_there(tx: Transaction, records: Mapping[str, HostRecord]) -> dict[str, dict[str, str]]:
    """Host -> deployment -> commit: what came to its end there, as far as the hosts and the database know."""
    told, found = finished_on(records.values()), {}
    for name, record in records.items():
        now, found[name] = running(record), dict(told)
        deployment = rows.get_deployment(tx, now.deployment) if now else None
        if deployment is None or now is None or deployment.release != now.release:
            continue
        ended = [row for row in rows.hosts_of(tx, deployment.id) if row.host == name]
        if any(row.state == HostState.FINISHED for row in ended):
            found[name][deployment.id] = deployment.commit
    return found


def _look(tx: Transaction, record: HostRecord, finished: Mapping[str, str]) -> tuple[Before | None, bool]:
    """What stands there, and whether that is something else than what was finished there last."""
    return _brought(tx, standing_there(record)), is_half_way(record, predecessor(record, finished))


def note_hosts(tx: Transaction, deployment: Deployment, hosts: Sequence[HostRow], now: datetime) -> None:
    """Their rows changed."""
    plan: Plan | None = None
    for row in hosts:
        if plan is None and row.state in (HostState.REVERTED, HostState.LEFT_OUT) and deployment.has_plan:
            plan = from_json(deployment.plan)
        known = get_standing(tx, deployment.service, deployment.environment, row.host)
        known = known or Standing(deployment.service, deployment.environment, row.host)
        put_standing(
            tx, stand(known, deployment, row, _before(tx, plan, row.host), _why(plan, deployment, row), now)
        )


def read_what_runs(tx: Transaction, service: str, environment: str) -> WhatRuns:
    return what_runs(standings_of(tx, service, environment))


def live_deployment(
    tx: Transaction, service: str, environment: str, *, ours: bool = False
) -> Deployment | None:
    """The one that put there what most hosts have; where no hosts are known, the last that succeeded.

    What another system told of last is live as far as it tells the truth. Nobody has seen that it does: whatever decides
    what may be done asks for `ours`, of which no record is one.
    """
    last = rows.last_succeeded(tx, service, environment, ours=ours)
    if last is not None and last.origin:
        return last
    runs = read_what_runs(tx, service, environment)
    if not runs.hosts:
        return last
    # What goes on may still go back.
    going = {one.id for one in rows.unfinished(tx, service, environment)}
    main = what_runs(one for one in runs.hosts if one.deployment not in going).main
    if main is None or main.deployment is None:
        return last if going else None
    return rows.get_deployment(tx, main.deployment) or last


def _before(tx: Transaction, plan: Plan | None, host: str) -> Before | None:
    if plan is None or host not in [one.spec.name for one in plan.hosts]:
        return None
    return _brought(tx, plan.host(host).predecessor)


def _brought(tx: Transaction, found: Predecessor | None) -> Before | None:
    if found is None:
        return None
    by = rows.get_deployment(tx, found.deployment)
    # Where `current` alone was moved by hand, its settings are of a deployment of another release.
    commit = found.commit or (by.commit if by is not None and by.release == found.release else "")
    return Before(found.release, commit, found.deployment, by.number if by is not None else None)


def _why(plan: Plan | None, deployment: Deployment, row: HostRow) -> str:
    if plan is not None and row.host in plan.without:
        return f"left out by {deployment.requested_by}"
    return "not reached"
