"""`headway logs`: what a run printed, then or now. Reads only."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.errors import WrongUse
from headway.cli.here import service_here
from headway.cli.output import echo, emit_json, json_option
from headway.cli.run_lines import choose, headline, run_lines
from headway.cli.server_choice import local_option, server_for
from headway.drivers.logfile import LogFile, log_exists
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.domain.run import Job, Run, Step
    from headway.engine.runs.runs import Tools
    from headway.engine.runs.watch import Look

_CHUNK = 1 << 20


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@click.argument("job_name", metavar="[JOB]", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends, and exit as it does.")
@click.option("--step", type=click.IntRange(1), help="Only this step of the job, counted from 1.")
@click.option(
    "--attempt", type=click.IntRange(1), help="An earlier attempt of the job; the latest if not said."
)
@local_option
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    run_name: str | None,
    job_name: str | None,
    follow: bool,
    step: int | None,
    attempt: int | None,
    local: bool,
    as_json: bool,
) -> int:
    """The log of a run, or of one of its jobs; without RUN the latest runs, newest first.

    RUN is a number, an id, or 'last'. JOB is a job's name, such as 'test (python=3.12)'. --json gives the jobs and
    steps with their times and their places in the log files.
    """
    from headway.engine.runs.runs import find_run, look_at, open_tools

    if (step is not None or attempt is not None) and (job_name is None or follow):
        raise WrongUse("--step and --attempt show a part of one job's log; name the job, without --follow")
    if follow and run_name is None:
        run_name = "last"
    if (server := server_for(settings, local=local)) is not None:
        from headway.cli import server_logs

        wanted = server_logs.Wanted(run_name, job_name, step, attempt)
        return server_logs.logs(server, settings, wanted, service_here(), follow=follow, as_json=as_json)
    tools = open_tools(settings, create=False)
    try:
        if run_name is None:
            return _list_runs(tools, service_here(), as_json=as_json)
        run = find_run(tools.database, run_name, service_here())
        look = look_at(tools.database, run.id)
        chosen = choose(look, job_name)
        if follow:
            code = _follow(tools, look, chosen, quiet=as_json)
            if as_json:
                _emit(tools, look_at(tools.database, run.id), chosen)
            return code
        if as_json:
            _emit(tools, look, chosen)
        elif (step is not None or attempt is not None) and len(chosen) > 1:
            names = ", ".join(f"'{job.name}'" for job in chosen)
            raise WrongUse(f"'{job_name}' is {len(chosen)} jobs", hint=f"name one of them: {names}")
        elif job_name is not None and len(chosen) == 1:
            _show_one(tools, chosen[0], step, attempt)
        else:
            _show_all(tools, chosen)
    finally:
        tools.database.close()
    return 0


def _list_runs(tools: "Tools", service: str | None, *, as_json: bool) -> int:
    from headway.store.runs import latest_runs
    from headway.wire.shapes import run_json

    runs = tools.database.read(lambda tx: latest_runs(tx, service))
    if as_json:
        emit_json({"runs": [run_json(run) for run in runs]})
    else:
        run_lines(runs, with_service=service is None)
    return 0


def _show_all(tools: "Tools", jobs: "Sequence[Job]") -> None:
    """One job after the other, each below a line with its name and state."""
    for number, job in enumerate(jobs):
        if number:
            echo()
        headline(job)
        _copy(tools, tools.log(job, job.attempt), 0, None)


def _show_one(tools: "Tools", job: "Job", step: int | None, attempt: int | None) -> None:
    attempt = attempt or job.attempt
    if attempt > job.attempt:
        raise WrongUse(f"'{job.name}' has {job.attempt} attempts, none with the number {attempt}")
    start, end = 0, None
    if step is not None:
        found = next((row for row in _steps(tools, job, attempt) if row.index == step), None)
        if found is None or found.log_start is None:
            raise WrongUse(
                f"'{job.name}' has no step {step} that ran",
                hint=f"headway logs {job.run} '{job.name}' --json lists its steps",
            )
        start, end = found.log_start, found.log_end
    log = tools.log(job, attempt)
    if not log_exists(log) and job.started_at is not None:
        echo(f"the log of '{job.name}' is gone: logs are kept for a time only", err=True)
        return
    if not log_exists(log):
        state = f"it is {job.state}" + (f": {job.reason}" if job.reason else "")
        echo(f"'{job.name}' has no log; {state}", err=True)
        return
    _copy(tools, log, start, end)


def _steps(tools: "Tools", job: "Job", attempt: int) -> "list[Step]":
    from headway.store.job_results import steps_of

    return tools.database.read(lambda tx: steps_of(tx, job.id, attempt))


def _copy(tools: "Tools", log: Path, start: int, end: int | None) -> None:
    """The file's bytes, filtered for the terminal, piece by piece."""
    from headway.cli.terminal import TerminalFilter

    colour = sys.stdout.isatty() and "NO_COLOR" not in tools.settings.environment
    through = TerminalFilter(colour=colour)
    try:
        with LogFile.open(log) as file:
            for piece in _pieces(file, start, end):
                sys.stdout.buffer.write(through.feed(piece))
    finally:
        sys.stdout.buffer.flush()


def _pieces(file: LogFile, start: int, end: int | None) -> Iterator[bytes]:
    end = file.size if end is None else end
    while start < end and (piece := file.read(start, min(_CHUNK, end - start))):
        start += len(piece)
        yield piece


def _follow(tools: "Tools", look: "Look", chosen: "Sequence[Job]", *, quiet: bool) -> int:
    """Look on until the run ends; the exit code is the run's own."""
    from headway.cli.run_screen import Output, screen_for, show_events
    from headway.cli.run_summary import EXIT_CODES
    from headway.engine.runs.runs import look_at
    from headway.engine.runs.watch import Watcher

    run, wanted = look.run, {job.id for job in chosen}
    watcher = Watcher(lambda: look_at(tools.database, run.id), tools.log, wanted=lambda job: job.id in wanted)
    wait = _waiting(tools, run)
    try:
        if quiet:
            while not watcher.ended:
                for _ in watcher.events():
                    pass
                wait()
        else:
            sys.stdout.flush()
            screen = screen_for(
                Output(),
                is_terminal=sys.stdout.isatty(),
                environment=tools.settings.environment,
                names=[job.name for job in chosen],
                single=len(chosen) == 1,
            )
            if not show_events(watcher, screen, wait=wait, now=tools.clock.now):
                return 0
    except KeyboardInterrupt:
        return 130
    finally:
        watcher.close()
    return EXIT_CODES[look_at(tools.database, run.id).run.state]


def _waiting(tools: "Tools", run: "Run") -> Callable[[], None]:
    """A short pause; tells once when nobody looks after the run any more, as then it may not end by itself."""
    from headway.engine.runs.runs import nobody_drives

    pause, clock = threading.Event(), tools.clock
    check_at, told = clock.monotonic(), False

    def wait() -> None:
        nonlocal check_at, told
        if not told and clock.monotonic() >= check_at:
            check_at = clock.monotonic() + 2
            if nobody_drives(tools, run):
                told = True
                echo(
                    f"headway: the process that drove run {run.number} is gone; its jobs go on, and headway run "
                    "(on the same tree) takes it up",
                    err=True,
                )
        pause.wait(0.03)

    return wait


def _emit(tools: "Tools", look: "Look", chosen: "Sequence[Job]") -> None:
    from headway.wire.shapes import job_log_json, run_json

    wanted = {job.id for job in chosen}
    jobs = []
    for job in look.jobs:
        if job.id in wanted:
            with LogFile.open(tools.log(job, job.attempt)) as log:
                place, size = log.path, log.size
            steps = _steps(tools, job, job.attempt)
            jobs.append(job_log_json(job, steps, log=str(place) if place else None, size=size))
    emit_json({"run": run_json(look.run), "jobs": jobs})
