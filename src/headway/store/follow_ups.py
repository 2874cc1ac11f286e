"""What has happened and has not yet been asked what follows from it: green runs with a release, good deployments.

Each is marked in the transaction that stores what follows, so that a program killed between any two lines asks again
and finds it done, or not begun.
"""

from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.store.database import Row, Transaction


@dataclass(frozen=True, slots=True)
class Making:
    """A green run that made a release: of which branch or tag, and why it ran."""

    run: str
    number: int
    service: str
    repository: str
    release: str
    commit: str
    branch: str | None
    tag: str | None
    #: `domain.run.TriggerEvent`; empty for a command on this machine.
    event: str
    pull_request: int | None
    is_fork: bool
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GoodDeployment:
    deployment: str
    service: str
    repository: str
    environment: str
    release: str
    commit: str
    #: Empty when no request asked for it: a command on this machine did.
    request: str
    is_rollback: bool
    finished_at: datetime | None = None


def unfollowed_runs(tx: Transaction, *, limit: int = 50) -> list[Making]:
    """The oldest first."""
    rows = tx.all(
        """
        SELECT * FROM runs WHERE state = 'succeeded' AND release_id IS NOT NULL AND followed_at IS NULL
        ORDER BY finished_at, id LIMIT :limit
        """,
        limit=limit,
    )
    return [_making(row) for row in rows]


def runs_that_made(tx: Transaction, release: str, *, limit: int = 20) -> list[Making]:
    """Every green run that made this content, the newest first: one commit may stand on several branches.

    An id is a short name. What proves that a run made the release is that its jobs made each of its files, of the same
    commit, by the whole SHA-256.
    """
    rows = tx.all(
        """
        SELECT * FROM runs
        WHERE release_id = :release AND state = 'succeeded'
            AND EXISTS (
                SELECT 1 FROM releases
                WHERE id = :release AND service = runs.service AND commit_sha = runs.commit_sha
            )
            AND NOT EXISTS (
                SELECT 1 FROM release_artifacts wanted WHERE wanted.release_id = :release AND NOT EXISTS (
                    SELECT 1 FROM jobs JOIN job_artifacts made ON made.job = jobs.id
                    WHERE jobs.run = runs.id AND made.path = wanted.path AND made.sha256 = wanted.sha256
                        AND made.executable = wanted.executable
                )
            )
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        release=release,
        limit=limit,
    )
    return [_making(row) for row in rows]


def follow_run(tx: Transaction, run: str, now: datetime) -> bool:
    """Marks it. False when another was first."""
    return bool(
        tx.execute(
            "UPDATE runs SET followed_at = :now WHERE id = :run AND followed_at IS NULL",
            run=run,
            now=to_milliseconds(now),
        )
    )


def unfollowed_deployments(tx: Transaction, *, limit: int = 50) -> list[GoodDeployment]:
    """Those that succeeded, the oldest first."""
    rows = tx.all(
        """
        SELECT id, service, repository, environment, release_id, commit_sha, request, kind, finished_at
        FROM deployments
        WHERE state = 'succeeded' AND followed_at IS NULL
        ORDER BY finished_at, id LIMIT :limit
        """,
        limit=limit,
    )
    return [
        GoodDeployment(
            row["id"],
            row["service"],
            row["repository"],
            row["environment"],
            row["release_id"],
            row["commit_sha"],
            row["request"] or "",
            row["kind"] == "rollback",
            _instant(row["finished_at"]),
        )
        for row in rows
    ]


def follow_deployment(tx: Transaction, deployment: str, now: datetime) -> bool:
    """Marks it. False when another was first."""
    return bool(
        tx.execute(
            "UPDATE deployments SET followed_at = :now WHERE id = :deployment AND followed_at IS NULL",
            deployment=deployment,
            now=to_milliseconds(now),
        )
    )


def _making(row: Row) -> Making:
    return Making(
        run=row["id"],
        number=row["number"],
        service=row["service"],
        repository=row["repository"],
        release=row["release_id"],
        commit=row["commit_sha"],
        branch=row["branch"],
        tag=row["tag"],
        event=row["event"],
        pull_request=row["pull_request"],
        is_fork=bool(row["fork"]),
        finished_at=_instant(row["finished_at"]),
    )


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
