"""What retention asks of all nouns: how old things are, and what still needs them."""

from datetime import datetime

from headway.base.clock import from_milliseconds
from headway.store.database import Transaction


def release_ages(tx: Transaction) -> list[tuple[str, str, datetime]]:
    """(id, service, renewed at) of every release that was not removed."""
    rows = tx.all("SELECT id, service, renewed_at FROM releases WHERE removed_at IS NULL")
    return [(row["id"], row["service"], from_milliseconds(row["renewed_at"])) for row in rows]


def services_with_releases(tx: Transaction) -> list[str]:
    rows = tx.all("SELECT DISTINCT service FROM releases WHERE removed_at IS NULL ORDER BY service")
    return [row["service"] for row in rows]


def releases_on_hosts(tx: Transaction, service: str, environment: str) -> set[str]:
    """What hosts of this environment may stand on, or be put back to.

    That is every release of a deployment since the last but one that succeeded, and what each of them found:
    one that was stopped half-way leaves hosts on either.
    """
    rows = tx.all(
        """
        SELECT release_id, previous_release FROM deployments
        WHERE service = :service AND environment = :environment AND requested_at >= COALESCE((
            SELECT requested_at FROM deployments
            WHERE service = :service AND environment = :environment AND state = 'succeeded'
            ORDER BY requested_at DESC LIMIT 1 OFFSET 1
        ), 0)
        """,
        service=service,
        environment=environment,
    )
    return {release for row in rows for release in (row["release_id"], row["previous_release"]) if release}


def contents_in_use(tx: Transaction) -> set[str]:
    """The SHA-256 of everything that a standing release, or a job of an unfinished run, refers to."""
    rows = tx.all(
        """
        SELECT sha256 FROM release_artifacts JOIN releases ON releases.id = release_artifacts.release_id
        WHERE releases.removed_at IS NULL
        UNION
        SELECT sha256 FROM job_artifacts JOIN jobs ON jobs.id = job_artifacts.job JOIN runs ON runs.id = jobs.run
        WHERE runs.state IN ('queued', 'running')
        """
    )
    return {row["sha256"] for row in rows}


def unfinished_runs(tx: Transaction) -> set[str]:
    return {row["id"] for row in tx.all("SELECT id FROM runs WHERE state IN ('queued', 'running')")}


def unfinished_jobs(tx: Transaction) -> set[str]:
    """Ids of all jobs of runs that are not finished: one that ended may still be looked into."""
    rows = tx.all(
        "SELECT jobs.id FROM jobs JOIN runs ON runs.id = jobs.run WHERE runs.state IN ('queued', 'running')"
    )
    return {row["id"] for row in rows}
