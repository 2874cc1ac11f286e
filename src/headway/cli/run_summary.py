"""What came of a run: failed tests first, then the jobs, then what to do next."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from headway.base.durations import format_duration
from headway.cli.output import echo, emit_json, styled
from headway.domain.release import Artifact
from headway.domain.run import Job, Run, TestCase
from headway.domain.states import State
from headway.store import job_results, jobs
from headway.store.database import Transaction
from headway.wire.shapes import summary_json

if TYPE_CHECKING:
    from headway.engine.projects import Project
    from headway.engine.runs.runs import Tools

EXIT_CODES = {
    State.SUCCEEDED: 0,
    State.SKIPPED: 0,
    State.FAILED: 1,
    State.ERRORED: 3,
    State.CANCELLED: 130,
}
#: Failed tests that are shown; --json has up to 1,000, the reports all of them.
_MOST_CASES = 20
_BAD = (State.FAILED, State.ERRORED)


def show_summary(tools: "Tools", run: Run, project: "Project | None", *, as_json: bool) -> None:
    def work(
        tx: Transaction,
    ) -> tuple[list[Job], list[tuple[str, TestCase]], list[tuple[str, Artifact]]]:
        return (
            jobs.jobs_of(tx, run.id),
            job_results.bad_test_cases(tx, run.id),
            job_results.artifacts_of_run(tx, run.id),
        )

    found, cases, artifacts = tools.database.read(work)
    if as_json:
        emit_json(summary_json(run, found, cases, artifacts))
    else:
        present(run, found, cases, project)


def present(
    run: Run, found: Sequence[Job], cases: Sequence[tuple[str, TestCase]], project: "Project | None"
) -> None:
    """As text, wherever it ran."""
    for line in _lines(run, found, cases, project):
        echo(line)


def _lines(
    run: Run, found: Sequence[Job], cases: Sequence[tuple[str, TestCase]], project: "Project | None"
) -> Iterator[str]:
    yield ""
    yield from _failed_tests(found, cases)
    width = max((len(job.name) for job in found), default=0)
    for job in sorted(found, key=lambda job: job.state not in _BAD):
        yield f"  {job.name:{width}}  {_padded(job.state)}  {_about(job)}".rstrip()
    yield ""
    duration = ""
    if run.started_at is not None and run.finished_at is not None:
        duration = f" in {format_duration(run.finished_at - run.started_at)}"
    yield f"run {run.number} of {run.service} {styled(run.state)}{duration}: {run.reason}"
    if run.release is not None:
        yield f"release {run.release}"
    if following := _next(run, found, project):
        yield f"  next: {following}"


def _failed_tests(found: Sequence[Job], cases: Sequence[tuple[str, TestCase]]) -> Iterator[str]:
    if not cases:
        return
    bad = sum(job.tests.failed + job.tests.errored for job in found if job.tests is not None)
    yield click.style(f"{bad} failed test{'s' if bad != 1 else ''}", fg="red", bold=True)
    for job, case in cases[:_MOST_CASES]:
        place = (
            f"  {case.file}:{case.line}" if case.file and case.line else f"  {case.file}" if case.file else ""
        )
        suite = f"{case.suite} › " if case.suite else ""
        yield f"  {click.style('✗', fg='red')} {suite}{case.name}{place}  [{job}]"
        if message := case.message.strip().splitlines():
            yield f"      {message[0][:160]}"
    if bad > _MOST_CASES:
        yield f"  and {bad - _MOST_CASES} more"
    yield ""


def _about(job: Job) -> str:
    parts = []
    if job.started_at is not None and job.finished_at is not None:
        parts.append(format_duration(job.finished_at - job.started_at))
    if job.tests is not None:
        parts.append(
            f"{job.tests.total} tests" + (f", {job.tests.failed} failed" if job.tests.failed else "")
        )
    if job.reason and job.state is not State.SUCCEEDED:
        parts.append(job.reason + (" (allowed to fail)" if job.allow_failure and job.state in _BAD else ""))
    return "  ".join(parts)


def _padded(state: State) -> str:
    return styled(state) + " " * (len(State.SUCCEEDED) - len(state))


def _next(run: Run, found: Sequence[Job], project: "Project | None") -> str:
    if run.release is not None:
        first = next(iter(project.contract.environments), None) if project else None
        return f"headway deploy {first}" if first else "headway release"
    bad = next((job for job in found if job.state in _BAD and not job.allow_failure), None)
    if bad is not None:
        name = f"'{bad.name}'" if " " in bad.name else bad.name
        return f"headway logs {run.number} {name}"
    if run.state is State.SUCCEEDED and run.dirty and project is not None and project.contract.deploy:
        return "git commit, then headway run makes a release"
    return ""
