"""What jobs leave behind: steps with their places in the log, artifacts, cases of test reports."""

from collections.abc import Sequence
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.release import Artifact
from headway.domain.run import Step, TestCase
from headway.domain.states import State
from headway.store.bulk import insert_rows
from headway.store.database import Row, Transaction


def put_steps(tx: Transaction, steps: Sequence[Step]) -> None:
    """Store steps as they stand now; a step that is there already is brought up to date."""
    insert_rows(
        tx,
        "steps",
        [
            {
                "job": step.job,
                "attempt": step.attempt,
                "position": step.index,
                "name": step.name,
                "state": step.state,
                "exit_code": step.exit_code,
                "started_at": _milliseconds(step.started_at),
                "finished_at": _milliseconds(step.finished_at),
                "uptime": step.uptime,
                "log_start": step.log_start,
                "log_end": step.log_end,
            }
            for step in steps
        ],
        end="""
        ON CONFLICT (job, attempt, position) DO UPDATE SET state = excluded.state, exit_code = excluded.exit_code,
            started_at = excluded.started_at, finished_at = excluded.finished_at, uptime = excluded.uptime,
            log_start = excluded.log_start, log_end = excluded.log_end
        """,
    )


def steps_of(tx: Transaction, job_id: str, attempt: int) -> list[Step]:
    rows = tx.all(
        "SELECT * FROM steps WHERE job = :job AND attempt = :attempt ORDER BY position",
        job=job_id,
        attempt=attempt,
    )
    return [_step(row) for row in rows]


def put_artifacts(tx: Transaction, job_id: str, artifacts: Sequence[Artifact]) -> None:
    """The job's artifacts, in place of what an earlier look may have stored."""
    tx.execute("DELETE FROM job_artifacts WHERE job = :job", job=job_id)
    insert_rows(
        tx,
        "job_artifacts",
        [
            {
                "job": job_id,
                "path": artifact.path,
                "sha256": artifact.sha256,
                "size": artifact.size,
                "executable": artifact.executable,
            }
            for artifact in artifacts
        ],
    )


def artifacts_of_run(tx: Transaction, run_id: str) -> list[tuple[str, Artifact]]:
    """(job's id, artifact) for all of the run's jobs, in the order of the jobs."""
    rows = tx.all(
        """
        SELECT job_artifacts.* FROM job_artifacts JOIN jobs ON jobs.id = job_artifacts.job
        WHERE jobs.run = :run ORDER BY jobs.position, job_artifacts.path
        """,
        run=run_id,
    )
    return [(row["job"], _artifact(row)) for row in rows]


def put_test_cases(tx: Transaction, job_id: str, cases: Sequence[TestCase]) -> None:
    """The cases of the job's latest attempt, in place of those of an earlier one."""
    tx.execute("DELETE FROM test_cases WHERE job = :job", job=job_id)
    insert_rows(
        tx,
        "test_cases",
        [
            {
                "job": job_id,
                "position": position,
                "suite": case.suite,
                "name": case.name,
                "state": case.state,
                "duration": case.duration,
                "message": case.message,
                "file": case.file,
                "line": case.line,
            }
            for position, case in enumerate(cases)
        ],
    )


def bad_test_cases(tx: Transaction, run_id: str, *, limit: int = 1000) -> list[tuple[str, TestCase]]:
    """(job's name, case) for the failed and errored cases of a run, in the order of jobs and reports."""
    rows = tx.all(
        """
        SELECT jobs.name AS job_name, test_cases.* FROM test_cases JOIN jobs ON jobs.id = test_cases.job
        WHERE jobs.run = :run AND test_cases.state IN ('failed', 'errored')
        ORDER BY jobs.position, test_cases.position LIMIT :limit
        """,
        run=run_id,
        limit=limit,
    )
    return [(row["job_name"], _case(row)) for row in rows]


def _step(row: Row) -> Step:
    return Step(
        job=row["job"],
        attempt=row["attempt"],
        index=row["position"],
        name=row["name"],
        state=State(row["state"]),
        exit_code=row["exit_code"],
        started_at=_instant(row["started_at"]),
        finished_at=_instant(row["finished_at"]),
        uptime=row["uptime"],
        log_start=row["log_start"],
        log_end=row["log_end"],
    )


def _artifact(row: Row) -> Artifact:
    return Artifact(
        path=row["path"], sha256=row["sha256"], size=row["size"], executable=bool(row["executable"])
    )


def _case(row: Row) -> TestCase:
    return TestCase(
        suite=row["suite"],
        name=row["name"],
        state=State(row["state"]),
        duration=row["duration"],
        message=row["message"],
        file=row["file"],
        line=row["line"],
    )


def _milliseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_milliseconds(instant)


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
