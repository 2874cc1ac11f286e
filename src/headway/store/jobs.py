"""Jobs of runs. Every write of a job says which token its writer holds the run with."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.run import Job, TestSummary
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


def start_job(
    tx: Transaction, job_id: str, token: int, *, reason: str, directory: str, now: datetime
) -> bool:
    """*queued* becomes *running*. Stored before the runner hears of it. False: not ours any more."""
    return bool(
        tx.execute(
            f"""
            UPDATE jobs SET state = 'running', reason = :reason, directory = :directory, started_at = :now,
                finished_at = NULL
            WHERE id = :id AND state = 'queued' AND {_OURS}
            """,
            id=job_id,
            token=token,
            reason=reason,
            directory=directory,
            now=to_milliseconds(now),
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


def end_job(
    tx: Transaction,
    job_id: str,
    token: int,
    *,
    state: State,
    reason: str,
    now: datetime,
    outputs: Mapping[str, str] | None = None,
    tests: TestSummary | None = None,
) -> bool:
    """The job has ended for good. False: not ours any more, or it had ended before."""
    return bool(
        tx.execute(
            f"""
            UPDATE jobs SET state = :state, reason = :reason, finished_at = :now, outputs = :outputs,
                tests_total = :total, tests_failed = :failed, tests_errored = :errored, tests_skipped = :skipped
            WHERE id = :id AND state IN ('queued', 'running') AND {_OURS}
            """,
            id=job_id,
            token=token,
            state=state,
            reason=reason,
            now=to_milliseconds(now),
            outputs=json.dumps(dict(outputs or {})),
            total=tests.total if tests else None,
            failed=tests.failed if tests else None,
            errored=tests.errored if tests else None,
            skipped=tests.skipped if tests else None,
        )
    )


def retry_job(
    tx: Transaction, job: Job, token: int, *, ended: State, why: str, reason: str, now: datetime
) -> bool:
    """The attempt ended so, and another one follows: the job is *queued* again, its attempt remembered.

    `why` is how the attempt ended, `reason` why there is another one.
    """
    changed = tx.execute(
        f"""
        UPDATE jobs SET state = 'queued', reason = :reason, attempt = attempt + 1, directory = NULL,
            started_at = NULL, finished_at = NULL, taken = 0, kept = 0
        WHERE id = :id AND attempt = :attempt AND state = 'running' AND {_OURS}
        """,
        id=job.id,
        token=token,
        attempt=job.attempt,
        reason=reason,
    )
    if changed:
        tx.execute(
            """
            INSERT INTO attempts (job, attempt, state, reason, started_at, finished_at, kept)
            SELECT id, :attempt, CAST(:state AS TEXT), CAST(:why AS TEXT), CAST(:started_at AS BIGINT),
                CAST(:now AS BIGINT), CAST(:kept AS BIGINT)
            FROM jobs WHERE id = :id
            """,
            id=job.id,
            attempt=job.attempt,
            state=ended,
            why=why,
            started_at=_milliseconds(job.started_at),
            now=to_milliseconds(now),
            kept=job.kept,
        )
    return bool(changed)


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
        slots=row["slots"],
        group=row["concurrency_group"],
        group_limit=row["concurrency_limit"] or 1,
    )


def _milliseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_milliseconds(instant)


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
