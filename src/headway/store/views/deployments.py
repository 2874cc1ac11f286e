"""Deployments as rows of lists, and what runs on hosts: never with their plans, which are large."""

from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.store.database import Row, Transaction
from headway.store.pages import Place, after

#: What a person filters by -> the states that are meant.
STATE_GROUPS = {
    "running": "('running', 'rolling_back')",
    "waiting": "('held')",
    "succeeded": "('succeeded')",
    "failed": "('failed', 'rolled_back')",
    "cancelled": "('cancelled')",
}


@dataclass(frozen=True, slots=True)
class DeploymentLine:
    id: str
    number: int
    service: str
    environment: str
    production: bool
    release: str
    commit: str
    previous_release: str | None
    kind: str
    state: str
    reason: str
    who: str
    at: datetime
    finished_at: datetime | None
    #: Who did it when it was not Headway; empty for Headway's own.
    origin: str
    hosts: int
    hosts_done: int


_LINE = """
    d.id, d.number, d.service, d.environment, d.production, d.release_id, d.commit_sha, d.previous_release, d.kind,
    d.state, d.reason, d.requested_by, d.requested_at, d.finished_at, d.origin,
    (SELECT COUNT(*) FROM deployment_hosts h WHERE h.deployment = d.id) AS hosts,
    (SELECT COUNT(*) FROM deployment_hosts h WHERE h.deployment = d.id
        AND h.state IN ('live', 'finishing', 'finished')) AS hosts_done
"""


def deployment_lines(
    tx: Transaction,
    *,
    service: str | None = None,
    environment: str | None = None,
    group: str = "",
    place: Place | None = None,
    limit: int,
) -> list[DeploymentLine]:
    """The newest first, those after `place`. `group` is a key of STATE_GROUPS, or empty for all."""
    conditions = ["(CAST(:environment AS TEXT) IS NULL OR d.environment = :environment)"]
    # Written apart, so that each finds its index.
    if service is not None:
        conditions.append("d.service = :service")
    if group:
        conditions.append(f"d.state IN {STATE_GROUPS[group]}")
    if group in ("running", "waiting"):
        conditions.append("d.state IN ('held', 'running', 'rolling_back')")
    page = after(place, at="d.requested_at", key="d.id")
    conditions.append(page.condition)
    values: dict[str, object] = {"environment": environment, "limit": limit, **page.values}
    if service is not None:
        values["service"] = service
    rows = tx.all(
        f"""
        SELECT {_LINE} FROM deployments d WHERE {" AND ".join(conditions)}
        ORDER BY {page.order} LIMIT :limit
        """,
        **values,
    )
    return [_line(row) for row in rows]


def deployments_of_release(tx: Transaction, release: str, *, limit: int) -> list[DeploymentLine]:
    rows = tx.all(
        f"SELECT {_LINE} FROM deployments d WHERE d.release_id = :release ORDER BY d.requested_at DESC LIMIT :limit",
        release=release,
        limit=limit,
    )
    return [_line(row) for row in rows]


def predecessor(
    tx: Transaction, service: str, environment: str, *, at: datetime, number: int
) -> tuple[str, int, str] | None:
    """Id, number and plan of the last deployment there that succeeded before the one of this number, which was asked for `at`."""
    row = tx.one(
        """
        SELECT id, number, plan FROM deployments
        WHERE service = :service AND environment = :environment AND state = 'succeeded' AND requested_at <= :at
            AND (requested_at < :at OR number < :number)
        ORDER BY requested_at DESC, number DESC LIMIT 1
        """,
        service=service,
        environment=environment,
        at=to_milliseconds(at),
        number=number,
    )
    return None if row is None else (row["id"], row["number"], row["plan"])


def usual_duration(tx: Transaction, service: str, environment: str) -> tuple[int, int] | None:
    """Milliseconds that the last one that succeeded took, and its number; None when there is none."""
    row = tx.one(
        """
        SELECT number, finished_at - started_at AS took FROM deployments
        WHERE service = :service AND environment = :environment AND state = 'succeeded'
            AND started_at IS NOT NULL AND finished_at IS NOT NULL
        ORDER BY requested_at DESC LIMIT 1
        """,
        service=service,
        environment=environment,
    )
    return None if row is None else (row["took"], row["number"])


@dataclass(frozen=True, slots=True)
class BroughtCommit:
    sha: str
    committed_at: datetime
    subject: str


@dataclass(frozen=True, slots=True)
class Brought:
    """What a deployment brought: how many commits, the newest of them, or why nobody knows."""

    base: str | None
    unknown: str | None
    count: int
    commits: tuple[BroughtCommit, ...]


def brought_by(tx: Transaction, deployment: str, *, limit: int) -> Brought | None:
    """None where it was not looked for."""
    row = tx.one(
        """
        SELECT base, unknown, (SELECT COUNT(*) FROM deployment_commits WHERE deployment = :id) AS count
        FROM deployment_changes WHERE deployment = :id
        """,
        id=deployment,
    )
    if row is None:
        return None
    commits = tx.all(
        """
        SELECT sha, committed_at, subject FROM deployment_commits WHERE deployment = :id
        ORDER BY committed_at DESC, sha LIMIT :limit
        """,
        id=deployment,
        limit=limit,
    )
    return Brought(
        row["base"],
        row["unknown"],
        row["count"],
        tuple(
            BroughtCommit(one["sha"], from_milliseconds(one["committed_at"]), one["subject"])
            for one in commits
        ),
    )


def _line(row: Row) -> DeploymentLine:
    return DeploymentLine(
        id=row["id"],
        number=row["number"],
        service=row["service"],
        environment=row["environment"],
        production=bool(row["production"]),
        release=row["release_id"],
        commit=row["commit_sha"],
        previous_release=row["previous_release"],
        kind=row["kind"],
        state=row["state"],
        reason=row["reason"],
        who=row["requested_by"],
        at=from_milliseconds(row["requested_at"]),
        finished_at=None if row["finished_at"] is None else from_milliseconds(row["finished_at"]),
        origin=row["origin"],
        hosts=row["hosts"],
        hosts_done=row["hosts_done"],
    )
