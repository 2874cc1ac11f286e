"""The JSON of runs, as docs/json.md describes it."""

from collections.abc import Iterable
from typing import Any

from headway.domain.release import Artifact
from headway.domain.run import Job, Run, Step, TestCase


def run_json(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "number": run.number,
        "service": run.service,
        "repository": run.repository,
        "commit": run.commit,
        "tree": run.tree,
        "dirty": run.dirty,
        "branch": run.branch,
        "tag": run.tag,
        "selection": list(run.selection),
        "state": run.state,
        "reason": run.reason,
        "release": run.release,
        "requested_by": run.requested_by,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def job_json(job: Job) -> dict[str, Any]:
    tests = None
    if job.tests is not None:
        tests = {
            "total": job.tests.total,
            "failed": job.tests.failed,
            "errored": job.tests.errored,
            "skipped": job.tests.skipped,
        }
    return {
        "id": job.id,
        "name": job.name,
        "definition": job.definition,
        "matrix": dict(job.matrix),
        "needs": list(job.needs),
        "state": job.state,
        "reason": job.reason,
        "attempt": job.attempt,
        "allow_failure": job.allow_failure,
        "queued_at": job.queued_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "outputs": dict(job.outputs),
        "tests": tests,
    }


def step_json(step: Step) -> dict[str, Any]:
    return {
        "number": step.index,
        "name": step.name,
        "state": step.state,
        "exit_code": step.exit_code,
        "started_at": step.started_at,
        "finished_at": step.finished_at,
        "log_start": step.log_start,
        "log_end": step.log_end,
    }


def case_json(job: str, case: TestCase) -> dict[str, Any]:
    return {
        "job": job,
        "suite": case.suite,
        "name": case.name,
        "state": case.state,
        "seconds": case.duration,
        "message": case.message,
        "file": case.file,
        "line": case.line,
    }


def artifacts_json(artifacts: Iterable[tuple[str, Artifact]]) -> list[dict[str, Any]]:
    """`artifacts` with the ids of the jobs that made them."""
    return [
        {
            "job": job,
            "path": artifact.path,
            "sha256": artifact.sha256,
            "size": artifact.size,
            "executable": artifact.executable,
        }
        for job, artifact in artifacts
    ]
