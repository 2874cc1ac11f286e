"""What retention asks of all nouns: how old things are, and what still needs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.store.database import Transaction


@dataclass(frozen=True, slots=True)
class EndedLog:
    """The log of a job's latest attempt, which has ended."""

    run: str
    job: str
    attempt: int
    finished_at: datetime


def release_ages(tx: Transaction, service: str | None = None) -> list[tuple[str, str, datetime]]:
    """(id, service, renewed at) of every release that was not removed, of one service or of all."""
    rows = tx.all(
        """
        SELECT id, service, renewed_at FROM releases
        WHERE removed_at IS NULL AND (CAST(:service AS TEXT) IS NULL OR service = :service)
        """,
        service=service,
    )
    return [(row["id"], row["service"], from_milliseconds(row["renewed_at"])) for row in rows]


def wished_releases(tx: Transaction, service: str) -> set[str]:
    """Those that stand at a gate and are deployed once it opens."""
    rows = tx.all(
        "SELECT release_id FROM requests WHERE service = :service AND state = 'waiting'", service=service
    )
    return {row["release_id"] for row in rows}


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


def ended_logs(
    tx: Transaction, *, begun_after: datetime, ended_from: datetime, ended_before: datetime
) -> list[EndedLog]:
    """Of jobs that ended in this time, of runs that began after `begun_after`, in the order of their ends."""
    rows = tx.all(
        """
        SELECT jobs.run, jobs.id, jobs.attempt, jobs.finished_at FROM runs JOIN jobs ON jobs.run = runs.id
        WHERE runs.created_at > :begun_after AND jobs.started_at IS NOT NULL
            AND jobs.finished_at >= :ended_from AND jobs.finished_at < :ended_before
        ORDER BY jobs.finished_at, jobs.id
        """,
        begun_after=to_milliseconds(begun_after),
        ended_from=to_milliseconds(ended_from),
        ended_before=to_milliseconds(ended_before),
    )
    return [
        EndedLog(row["run"], row["id"], row["attempt"], from_milliseconds(row["finished_at"])) for row in rows
    ]


def ended_among(tx: Transaction, runs: Sequence[str]) -> set[str]:
    """Those of these runs that are known and have ended."""
    names = {f"id_{number}": id for number, id in enumerate(runs)}
    found = tx.all(
        f"""
        SELECT id FROM runs WHERE state NOT IN ('queued', 'running')
            AND id IN ({", ".join(f":{name}" for name in names)})
        """,
        **names,
    )
    return {row["id"] for row in found}


def forget_effects(tx: Transaction, *, before: datetime, limit: int = 5000) -> int:
    """Delete rows of the outbox that are over and older than `before`, at most `limit`; how many went."""
    return tx.execute(
        """
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox WHERE created_at < :before AND state <> 'waiting'
            ORDER BY created_at LIMIT :limit
        )
        """,
        before=to_milliseconds(before),
        limit=limit,
    )


def standing_repositories(tx: Transaction) -> list[str]:
    """Ids of those that were not removed."""
    return [row["id"] for row in tx.all("SELECT id FROM repositories WHERE removed_at IS NULL ORDER BY id")]
