"""Commits and releases by the beginning of their ids, and what was made of a commit in every service."""

from headway.base.clock import from_milliseconds
from headway.domain.commit import Commit
from headway.store.commits import commit_by_sha
from headway.store.database import Transaction
from headway.store.views.timeline import Happening

_MOST = 20


def service_exists(tx: Transaction, name: str) -> bool:
    row = tx.one(
        """
        SELECT 1 AS there WHERE EXISTS (SELECT 1 FROM runs WHERE service = :name)
            OR EXISTS (SELECT 1 FROM releases WHERE service = :name)
            OR EXISTS (SELECT 1 FROM deployments WHERE service = :name)
            OR EXISTS (SELECT 1 FROM repositories WHERE service = :name AND removed_at IS NULL)
        """,
        name=name,
    )
    return row is not None


def commits_beginning(tx: Transaction, prefix: str) -> list[str]:
    """Ids of commits with a run, a release or a deployment."""
    rows = tx.all(
        """
        SELECT commit_sha FROM runs WHERE commit_sha >= :prefix AND commit_sha < :end
        UNION SELECT commit_sha FROM releases WHERE commit_sha >= :prefix AND commit_sha < :end
        UNION SELECT commit_sha FROM deployments WHERE commit_sha >= :prefix AND commit_sha < :end
        ORDER BY 1 LIMIT :limit
        """,
        prefix=prefix,
        # Ids are hexadecimal: nothing of them comes after g.
        end=f"{prefix}g",
        limit=_MOST,
    )
    return [row["commit_sha"] for row in rows]


def releases_beginning(tx: Transaction, prefix: str) -> list[tuple[str, str]]:
    """Service and id."""
    rows = tx.all(
        "SELECT service, id FROM releases WHERE id >= :prefix AND id < :end ORDER BY id LIMIT :limit",
        prefix=prefix,
        end=f"{prefix}g",
        limit=_MOST,
    )
    return [(row["service"], row["id"]) for row in rows]


def details_of(tx: Transaction, sha: str) -> Commit | None:
    row = tx.one("SELECT repository FROM runs WHERE commit_sha = :sha LIMIT 1", sha=sha) or tx.one(
        "SELECT repository FROM releases WHERE commit_sha = :sha LIMIT 1", sha=sha
    )
    return None if row is None else commit_by_sha(tx, row["repository"], sha)


def commit_happenings(tx: Transaction, sha: str) -> list[tuple[str, Happening]]:
    """Each with its service; of a kind at most a hundred, newest first."""
    rows = tx.all(
        """
        SELECT * FROM (
            SELECT 'run' AS kind, service, id AS key, created_at AS at, state, reason, requested_by AS who, number,
                branch, NULL AS release_id, NULL AS environment, event AS what, finished_at
            FROM runs WHERE commit_sha = :sha ORDER BY created_at DESC LIMIT 100
        ) AS of_runs
        UNION ALL SELECT * FROM (
            SELECT 'release' AS kind, service, id AS key, created_at AS at, '' AS state, '' AS reason,
                created_by AS who, NULL AS number, NULL AS branch, id AS release_id, NULL AS environment, '' AS what,
                removed_at AS finished_at
            FROM releases WHERE commit_sha = :sha ORDER BY created_at DESC LIMIT 100
        ) AS of_releases
        UNION ALL SELECT * FROM (
            SELECT 'deployment' AS kind, service, id AS key, requested_at AS at, state, reason, requested_by AS who,
                number, NULL AS branch, release_id, environment, kind AS what, finished_at
            FROM deployments WHERE commit_sha = :sha ORDER BY requested_at DESC LIMIT 100
        ) AS of_deployments
        """,
        sha=sha,
    )
    return [
        (
            row["service"],
            Happening(
                at=from_milliseconds(row["at"]),
                kind=row["kind"],
                key=row["key"],
                state=row["state"],
                reason=row["reason"],
                who=row["who"],
                number=row["number"],
                commit=sha,
                branch=row["branch"],
                release=row["release_id"],
                environment=row["environment"],
                what=row["what"],
                finished_at=None if row["finished_at"] is None else from_milliseconds(row["finished_at"]),
            ),
        )
        for row in rows
    ]
