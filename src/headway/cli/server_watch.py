"""A run on a server as this terminal looks on at it: its rows and logs by the API, drawn by the code that draws runs here."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from headway.base.clock import SystemClock
from headway.cli.output import echo, emit_json
from headway.cli.run_screen import Output, screen_for, show_events
from headway.cli.run_summary import EXIT_CODES, present
from headway.client.decode import case_of, job_of, run_of, typed
from headway.client.http import HeadwayClient, segment
from headway.domain.run import Job, Run
from headway.engine.projects import Project
from headway.engine.runs.watch import Look, Watcher
from headway.engine.settings import Settings
from headway.wire.shapes import RunSummaryDocument

#: Seconds between two looks.
_LOOK_EVERY = 0.2


class RemoteLog:
    """One attempt's log. What does not come today comes with the next look, from the same byte on."""

    def __init__(self, server: HeadwayClient, job: str, attempt: int) -> None:
        self._server, self._job, self._attempt = server, job, attempt

    def read(self, offset: int, length: int, /) -> bytes:
        return self._server.log_piece(self._job, self._attempt, offset, length)[0]

    def close(self) -> None:
        """Nothing is open."""


def summary_of(server: HeadwayClient, run: str) -> Any:
    return server.get(f"/api/runs/{segment(run)}")


def look_at(server: HeadwayClient, run: str) -> Look:
    document = summary_of(server, run)
    found = run_of(document["run"])
    return Look(found, tuple(job_of(job, found.id) for job in document["jobs"]))


def bridging(
    server: HeadwayClient, run: Run, before: Callable[[], None] = lambda: None
) -> AbstractContextManager[None]:
    """A server that is away is waited for: the run goes on without us. `before` is called before that is said."""

    def say(text: str) -> None:
        before()
        echo(text, err=True)

    return server.watching(f"run {run.number} goes on; headway logs {run.number} --follow looks on", say)


def watch(
    server: HeadwayClient,
    settings: Settings,
    look: Look,
    *,
    quiet: bool,
    wanted: Callable[[Job], bool] = lambda _: True,
) -> bool:
    """Until the run has ended and all of it was shown. False when nobody reads any more."""
    run = look.run
    watcher = Watcher(
        lambda: look_at(server, run.id),
        lambda job, attempt: RemoteLog(server, job.id, attempt),
        wanted=wanted,
    )

    def wait() -> None:
        time.sleep(_LOOK_EVERY)

    try:
        if quiet:
            with bridging(server, run):
                while not look_at(server, run.id).run.state.is_final:
                    wait()
            return True
        sys.stdout.flush()
        names = [job.name for job in look.jobs if wanted(job)]
        screen = screen_for(
            Output(),
            is_terminal=sys.stdout.isatty(),
            environment=settings.environment,
            names=names,
            single=len(names) == 1,
        )
        with bridging(server, run, screen.close):
            return show_events(watcher, screen, wait=wait, now=SystemClock().now)
    finally:
        watcher.close()


def end_of(server: HeadwayClient, run: str, project: Project | None, *, as_json: bool) -> int:
    """What came of it, and the exit code."""
    document = summary_of(server, run)
    found = run_of(document["run"])
    if as_json:
        emit_json(typed(document, RunSummaryDocument))
    else:
        jobs: Sequence[Job] = [job_of(job, found.id) for job in document["jobs"]]
        present(found, jobs, [case_of(case) for case in document["failed_tests"]], project)
    return EXIT_CODES[found.state]


def where(run: Run) -> str:
    return f"{run.branch or 'detached'}@{run.commit[:10]}" + (", dirty" if run.dirty else "")
