"""The JSON of runs, as docs/json.md describes it: what commands print with --json and what the API answers.

A document is a plain dict whose keys and types a TypedDict names; instants are datetimes until it is written.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from headway.domain.release import Artifact
from headway.domain.run import Job, Run, Step, TestCase, Trigger


class FileFaultDocument(TypedDict):
    file: str
    key: str
    line: int
    column: int
    message: str


class TriggerDocument(TypedDict):
    """Why a server began it."""

    event: str
    ref: str
    priority: int
    held_for: str
    approved_by: str | None
    fork: bool
    pull_request: int | None
    #: As the forge's signature or the sign-in says; empty: not known.
    pushed_by: str
    rerun_of: str | None
    superseded_by: str | None
    faults: list[FileFaultDocument]


class RunDocument(TypedDict):
    id: str
    number: int
    service: str
    repository: str
    commit: str
    tree: str
    dirty: bool
    branch: str | None
    tag: str | None
    selection: list[str]
    parameters: dict[str, str]
    state: str
    reason: str
    release: str | None
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    trigger: TriggerDocument | None


class CountsOfTests(TypedDict):
    total: int
    failed: int
    errored: int
    skipped: int


class JobDocument(TypedDict):
    id: str
    name: str
    definition: str
    matrix: dict[str, str]
    needs: list[str]
    state: str
    reason: str
    attempt: int
    allow_failure: bool
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    outputs: dict[str, str]
    tests: CountsOfTests | None


class StepDocument(TypedDict):
    number: int
    name: str
    state: str
    exit_code: int | None
    started_at: datetime | None
    finished_at: datetime | None
    log_start: int | None
    log_end: int | None


class JobLogDocument(JobDocument):
    """A job with its steps and where its log is."""

    log: str | None
    log_size: int
    steps: list[StepDocument]


class CaseDocument(TypedDict):
    job: str
    suite: str
    name: str
    state: str
    seconds: float
    message: str
    file: str | None
    line: int | None


class RunArtifactDocument(TypedDict):
    job: str
    path: str
    sha256: str
    size: int
    executable: bool


class RunSummaryDocument(TypedDict):
    run: RunDocument
    jobs: list[JobDocument]
    failed_tests: list[CaseDocument]
    artifacts: list[RunArtifactDocument]


class RunLogsDocument(TypedDict):
    run: RunDocument
    jobs: list[JobLogDocument]


def run_json(run: Run) -> RunDocument:
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
        "parameters": dict(run.parameters),
        "state": run.state,
        "reason": run.reason,
        "release": run.release,
        "requested_by": run.requested_by,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "trigger": None if run.trigger is None else trigger_json(run.trigger),
    }


def trigger_json(trigger: Trigger) -> TriggerDocument:
    return {
        "event": trigger.event,
        "ref": trigger.ref,
        "priority": trigger.priority,
        "held_for": trigger.held_for,
        "approved_by": trigger.approved_by,
        "fork": trigger.fork,
        "pull_request": trigger.pull_request,
        "pushed_by": trigger.pushed_by,
        "rerun_of": trigger.rerun_of,
        "superseded_by": trigger.superseded_by,
        "faults": [
            {
                "file": fault.file,
                "key": fault.key,
                "line": fault.line,
                "column": fault.column,
                "message": fault.message,
            }
            for fault in trigger.faults
        ],
    }


def job_json(job: Job) -> JobDocument:
    tests: CountsOfTests | None = None
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


def job_log_json(job: Job, steps: Iterable[Step], *, log: str | None, size: int) -> JobLogDocument:
    """`log`: where it can be read, a file here or an address there."""
    return {**job_json(job), "log": log, "log_size": size, "steps": [step_json(step) for step in steps]}


def step_json(step: Step) -> StepDocument:
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


def case_json(job: str, case: TestCase) -> CaseDocument:
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


def artifacts_json(artifacts: Iterable[tuple[str, Artifact]]) -> list[RunArtifactDocument]:
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


def summary_json(
    run: Run,
    jobs: Iterable[Job],
    cases: Iterable[tuple[str, TestCase]],
    artifacts: Iterable[tuple[str, Artifact]],
) -> RunSummaryDocument:
    """A run as it stands. `cases` with the names of their jobs, `artifacts` with the ids."""
    return {
        "run": run_json(run),
        "jobs": [job_json(job) for job in jobs],
        "failed_tests": [case_json(job, case) for job, case in cases],
        "artifacts": artifacts_json(artifacts),
    }
