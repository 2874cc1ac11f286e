"""Jobs of runs. Every write of a job says which token its writer holds the run with."""

import json
from collections.abc import Sequence
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.run import Job, SkippedBy, TestSummary
from headway.domain.states import State
from headway.store.bulk import insert_rows
from headway.store.database import Row, Transaction

_OURS = "EXISTS (SELECT 1 FROM runs WHERE runs.id = jobs.run AND runs.token = :token)"


def add_jobs(tx: Transaction, jobs: Sequence[Job]) -> None:
    """Store the jobs of a new run; their order is kept."""
    insert_rows(
        tx,
        "jobs",
        [
            {
                "id": job.id,
                "run": job.run,
                "position": position,
                "name": job.name,
                "definition": job.definition,
                "matrix": json.dumps(dict(job.matrix)),
                "needs": json.dumps(job.needs),
                "state": job.state,
                "reason": job.reason,
                "attempt": job.attempt,
                "allow_failure": job.allow_failure,
                "queued_at": to_milliseconds(job.queued_at),
                "finished_at": _milliseconds(job.finished_at),
                "taken": job.taken,
                "kept": job.kept,
                "outputs": json.dumps(dict(job.outputs)),
                "skipped_by": job.skipped_by,
                "slots": job.slots,
                "concurrency_group": job.group,
                "concurrency_limit": job.group_limit if job.group else None,
            }
            for position, job in enumerate(jobs)
        ],
    )


def jobs_of(tx: Transaction, run_id: str) -> list[Job]:
    rows = tx.all("SELECT * FROM jobs WHERE run = :run ORDER BY position", run=run_id)
    return [_job(row) for row in rows]


def job_by_id(tx: Transaction, job_id: str) -> Job | None:
    row = tx.one("SELECT * FROM jobs WHERE id = :id", id=job_id)
    return None if row is None else _job(row)


def save(tx: Transaction, job: Job, token: int) -> bool:
    """The job as it is now. False: the run is not ours any more, or the job has ended or is further than this."""
    tests = job.tests
    return bool(
        tx.execute(
            f"""
            UPDATE jobs SET state = :state, reason = :reason, attempt = :attempt, directory = :directory,
                started_at = :started_at, finished_at = :finished_at, taken = :taken, kept = :kept,
                outputs = :outputs, skipped_by = :skipped_by, tests_total = :total, tests_failed = :failed,
                tests_errored = :errored, tests_skipped = :skipped
            WHERE id = :id AND state IN ('queued', 'running') AND attempt <= :attempt AND {_OURS}
            """,
            id=job.id,
            token=token,
            state=job.state,
            reason=job.reason,
            attempt=job.attempt,
            directory=job.directory,
            started_at=_milliseconds(job.started_at),
            finished_at=_milliseconds(job.finished_at),
            taken=job.taken,
            kept=job.kept,
            outputs=json.dumps(dict(job.outputs)),
            skipped_by=job.skipped_by,
            total=tests.total if tests else None,
            failed=tests.failed if tests else None,
            errored=tests.errored if tests else None,
            skipped=tests.skipped if tests else None,
        )
    )


def keep_offsets(tx: Transaction, job_id: str, token: int, *, taken: int, kept: int) -> bool:
    """How much of the runner's output was taken, and how much of the masked log stands. False: not ours any more."""
    return bool(
        tx.execute(
            f"UPDATE jobs SET taken = :taken, kept = :kept WHERE id = :id AND {_OURS}",
            id=job_id,
            token=token,
            taken=taken,
            kept=kept,
        )
    )


def add_attempt(tx: Transaction, job: Job, *, state: State, reason: str, kept: int, now: datetime) -> None:
    """The running job's attempt ended so, and another one follows."""
    tx.execute(
        """
        INSERT INTO attempts (job, attempt, state, reason, started_at, finished_at, kept)
        VALUES (:job, :attempt, :state, :reason, :started_at, :now, :kept)
        """,
        job=job.id,
        attempt=job.attempt,
        state=state,
        reason=reason,
        started_at=_milliseconds(job.started_at),
        now=to_milliseconds(now),
        kept=kept,
    )


def _job(row: Row) -> Job:
    tests = None
    if row["tests_total"] is not None:
        tests = TestSummary(
            row["tests_total"], row["tests_failed"], row["tests_errored"], row["tests_skipped"]
        )
    return Job(
        id=row["id"],
        run=row["run"],
        name=row["name"],
        definition=row["definition"],
        matrix=json.loads(row["matrix"]),
        needs=tuple(json.loads(row["needs"])),
        state=State(row["state"]),
        reason=row["reason"],
        attempt=row["attempt"],
        allow_failure=bool(row["allow_failure"]),
        queued_at=from_milliseconds(row["queued_at"]),
        started_at=_instant(row["started_at"]),
        finished_at=_instant(row["finished_at"]),
        directory=row["directory"],
        taken=row["taken"],
        kept=row["kept"],
        outputs=json.loads(row["outputs"]),
        tests=tests,
        skipped_by=SkippedBy(row["skipped_by"]) if row["skipped_by"] else None,
        slots=row["slots"],
        group=row["concurrency_group"],
        group_limit=row["concurrency_limit"] or 1,
    )


def _milliseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_milliseconds(instant)


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
