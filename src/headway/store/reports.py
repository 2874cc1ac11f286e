"""Questions about the past, for reports: whole histories in few statements. Changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds
from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.store.database import Row, Transaction


@dataclass(frozen=True, slots=True)
class PastDeployment:
    """A deployment without its plan and hosts; `restored_at` is when its last host had gone back."""

    id: str
    number: int
    service: str
    repository: str
    environment: str
    release: str
    commit: str
    #: What was live when it began, and its commit where that release is known here.
    previous_release: str | None
    previous_commit: str | None
    kind: DeploymentKind
    state: DeploymentState
    requested_at: datetime
    first_switched_at: datetime | None
    verified_at: datetime | None
    finished_at: datetime | None
    restored_at: datetime | None
    automatic: bool
    #: Whether its commits were looked for: then `base` is what was live, and `unknown` why they were not found.
    recorded: bool
    base: str | None
    unknown: str | None


@dataclass(frozen=True, slots=True)
class PastCommit:
    deployment: str
    sha: str
    committed_at: datetime
    subject: str


def past_deployments(tx: Transaction, service: str | None, environment: str | None) -> list[PastDeployment]:
    """All of a service (None: of every one) to an environment (None: to every one that is production)."""
    rows = tx.all(
        """
        SELECT d.id, d.number, d.service, d.repository, d.environment, d.release_id, d.commit_sha, d.kind, d.state,
            d.previous_release, d.requested_at, d.first_switched_at, d.verified_at, d.finished_at, d.rolled_back_automatically,
            r.commit_sha AS previous_commit, c.deployment AS recorded, c.base, c.unknown,
            CASE WHEN d.state = 'rolled_back' THEN
                (SELECT MAX(h.reverted_at) FROM deployment_hosts h WHERE h.deployment = d.id)
            END AS restored_at
        FROM deployments d
        LEFT JOIN deployment_changes c ON c.deployment = d.id
        LEFT JOIN releases r ON r.id = d.previous_release
        WHERE (CAST(:service AS TEXT) IS NULL OR d.service = :service)
            AND (d.environment = :environment OR (CAST(:environment AS TEXT) IS NULL AND d.production = 1))
        ORDER BY d.requested_at, d.number
        """,
        service=service,
        environment=environment,
    )
    return [_deployment(row) for row in rows]


def past_commits(tx: Transaction, service: str | None, environment: str | None) -> list[PastCommit]:
    """What those deployments brought, newest commit of each first."""
    rows = tx.all(
        """
        SELECT c.deployment, c.sha, c.committed_at, c.subject
        FROM deployment_commits c JOIN deployments d ON d.id = c.deployment
        WHERE (CAST(:service AS TEXT) IS NULL OR d.service = :service)
            AND (d.environment = :environment OR (CAST(:environment AS TEXT) IS NULL AND d.production = 1))
        ORDER BY c.deployment, c.committed_at DESC, c.sha
        """,
        service=service,
        environment=environment,
    )
    return [
        PastCommit(row["deployment"], row["sha"], from_milliseconds(row["committed_at"]), row["subject"])
        for row in rows
    ]


def watched_since(tx: Transaction, service: str | None) -> datetime | None:
    """The first thing Headway knows of a service (None: of any): a run or a deployment, to whatever environment."""
    row = tx.one(
        """
        SELECT MIN(at) AS at FROM (
            SELECT MIN(requested_at) AS at FROM deployments
            WHERE CAST(:service AS TEXT) IS NULL OR service = :service
            UNION ALL
            SELECT MIN(created_at) AS at FROM runs WHERE CAST(:service AS TEXT) IS NULL OR service = :service
        ) AS first
        """,
        service=service,
    )
    return None if row is None or row["at"] is None else from_milliseconds(row["at"])


def newest_releases(tx: Transaction, service: str | None) -> Mapping[str, tuple[str, str, str]]:
    """Service -> id, repository and commit of the release that was made last."""
    rows = tx.all(
        """
        SELECT service, id, repository, commit_sha FROM (
            SELECT service, id, repository, commit_sha,
                ROW_NUMBER() OVER (PARTITION BY service ORDER BY created_at DESC, id DESC) AS place
            FROM releases WHERE CAST(:service AS TEXT) IS NULL OR service = :service
        ) AS numbered
        WHERE place = 1
        """,
        service=service,
    )
    return {row["service"]: (row["id"], row["repository"], row["commit_sha"]) for row in rows}


def known_places(tx: Transaction) -> list[tuple[str, str]]:
    """Every service and environment that anything was ever deployed to."""
    rows = tx.all("SELECT DISTINCT service, environment FROM deployments ORDER BY service, environment")
    return [(row["service"], row["environment"]) for row in rows]


def _deployment(row: Row) -> PastDeployment:
    return PastDeployment(
        id=row["id"],
        number=row["number"],
        service=row["service"],
        repository=row["repository"],
        environment=row["environment"],
        release=row["release_id"],
        commit=row["commit_sha"],
        previous_release=row["previous_release"],
        previous_commit=row["previous_commit"],
        kind=DeploymentKind(row["kind"]),
        state=DeploymentState(row["state"]),
        requested_at=from_milliseconds(row["requested_at"]),
        first_switched_at=_instant(row["first_switched_at"]),
        verified_at=_instant(row["verified_at"]),
        finished_at=_instant(row["finished_at"]),
        restored_at=_instant(row["restored_at"]),
        automatic=bool(row["rolled_back_automatically"]),
        recorded=row["recorded"] is not None,
        base=row["base"],
        unknown=row["unknown"],
    )


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
