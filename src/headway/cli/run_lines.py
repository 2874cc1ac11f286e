"""Runs and their jobs as lines, wherever they are: here or on a server."""

import sys
from typing import TYPE_CHECKING

import click

from headway.base.durations import format_duration
from headway.base.errors import WrongUse
from headway.cli.output import echo, print_table, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.domain.run import Job, Run
    from headway.engine.runs.watch import Look


def run_lines(runs: "Sequence[Run]", *, with_service: bool = False) -> None:
    """A table of them, wherever they are; of several services each has its own numbers."""
    if not runs:
        echo("there is no run yet; headway run makes one")
        return
    columns = ["run", "state", "commit", "branch", "began", "took", "reason"]
    lines = [_run_line(run) for run in runs]
    if with_service:
        columns = ["service", *columns]
        lines = [[run.service, *line] for run, line in zip(runs, lines, strict=True)]
    print_table(columns, lines)


def _run_line(run: "Run") -> list[str]:
    took = format_duration(run.finished_at - run.created_at) if run.finished_at else ""
    commit = f"{run.commit[:10]}{', dirty' if run.dirty else ''}"
    began = f"{run.created_at:%Y-%m-%d %H:%M} UTC"
    return [str(run.number), styled(run.state), commit, run.branch or "", began, took, run.reason]


def choose(look: "Look", name: str | None) -> "tuple[Job, ...]":
    """All jobs, the named one, or all of a definition with a matrix. Raises WrongUse with the near name."""
    from headway.pipeline.plan import meant

    if name is None:
        return look.jobs
    chosen = tuple(job for job in look.jobs if job.name == name) or tuple(
        job for job in look.jobs if job.definition == name
    )
    if not chosen:
        names = [job.name for job in look.jobs]
        raise WrongUse(
            f"run {look.run.number} has no job '{name}'{meant(name, names)}",
            hint=f"headway logs {look.run.number} shows all of them",
        )
    return chosen


def headline(job: "Job") -> None:
    """What stands above its log."""
    reason = f": {job.reason}" if job.reason else ""
    echo(f"{click.style(f'==> {job.name}', bold=True)}  {styled(job.state)}{reason}")
    sys.stdout.flush()
