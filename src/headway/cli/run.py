"""`headway run`: the pipeline of this commit, or of the tree as it is."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.errors import HeadwayError, WrongUse
from headway.cli.output import json_option
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.cli.run_screen import Screen
    from headway.domain.run import Run
    from headway.engine.projects import Project
    from headway.engine.run_drive import Drive
    from headway.engine.runs import Begun, Tools

EXIT_CODES = {"succeeded": 0, "skipped": 0, "failed": 1, "errored": 3, "cancelled": 130}


@click.command()
@click.option(
    "--job", "only", multiple=True, metavar="NAME", help="Only this job and what it needs; may be repeated."
)
@click.option("--fail-fast", is_flag=True, help="The first job that fails stops the others.")
@click.option(
    "--jobs",
    "-j",
    "limit",
    type=click.IntRange(1, 1000),
    help="Jobs at the same time; the number of cores if not said.",
)
@click.option(
    "--cancel", "cancelled", metavar="RUN", help="Stop this run (a number, an id, or 'last') and run nothing."
)
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    only: tuple[str, ...],
    fail_fast: bool,
    limit: int | None,
    cancelled: str | None,
    as_json: bool,
) -> int:
    """Run the pipeline of this commit, or of the tree as it is.

    A tree with uncommitted changes is run as it stands now, is marked dirty, and makes no release. Called again on
    the same tree while a run of it goes on, it looks on; if that run's process is gone, it goes on in its place.

    Ctrl-C cancels the run. SIGTERM, SIGHUP and a closed terminal leave it as it is: its jobs go on, and the next
    `headway run` here takes it up.
    """
    # All imports come before the run is begun: it is timed from there.
    from headway.drivers.runner import local  # noqa: F401
    from headway.engine import run_drive  # noqa: F401
    from headway.engine.runs import Wish, begin, open_tools

    if cancelled is not None:
        if only or fail_fast:
            raise WrongUse("--cancel stops a run; it goes with no --job and no --fail-fast")
        return _cancel(settings, cancelled, as_json=as_json)
    from headway.engine.projects import find_project

    project = find_project(Path.cwd())
    tools = open_tools(settings)
    try:
        source = tools.git.inspect(project.root)
        begun = begin(tools, project.contract, source, Wish(only, fail_fast))
        return _Session(tools, begun, project, limit=limit, as_json=as_json).play()
    finally:
        tools.database.close()


def _cancel(settings: Settings, text: str, *, as_json: bool) -> int:
    from headway.engine.runs import find_run, open_tools, request_cancel

    tools = open_tools(settings)
    try:
        run = find_run(tools.database, text, service_here())
        if run.state.is_final:
            raise WrongUse(
                f"run {run.number} of {run.service} has ended already: it {run.state}",
                hint=f"headway logs {run.number} shows it",
            )
        begun = request_cancel(tools, run)
        code = _Session(tools, begun, None, limit=None, as_json=as_json).play()
        return 0 if code == EXIT_CODES["cancelled"] else code
    finally:
        tools.database.close()


def service_here() -> str | None:
    """The service of the folder where we stand; None outside of any."""
    from headway.engine.projects import service_name

    try:
        return service_name(Path.cwd())
    except HeadwayError:
        return None


class _Session:
    """One call of the command: drive the run or look on, show it, sum it up."""

    def __init__(
        self, tools: "Tools", begun: "Begun", project: "Project | None", *, limit: int | None, as_json: bool
    ) -> None:
        self.tools = tools
        self.begun = begun
        self.project = project
        self.limit = limit or _cores()
        self.as_json = as_json
        self.left_by: int | None = None
        self.changed = threading.Event()
        self.stopped = threading.Event()

    def play(self) -> int:
        self._announce()
        run = self._look_on() if self.begun.token is None else self._drive()
        if run is None:
            return self._left()
        from headway.cli.run_summary import show_summary

        show_summary(self.tools, run, self.project, as_json=self.as_json)
        self._tidy()
        return EXIT_CODES[run.state]

    def say(self, text: str) -> None:
        """To whoever looks; a terminal that is gone is no reason to stop."""
        try:
            click.echo(text, err=True)
        except OSError:
            pass

    def _announce(self) -> None:
        from headway.engine.runs import How, orphans

        run, owner = self.begun.run, self.begun.owner
        where = f"{run.branch or 'detached'}@{run.commit[:10]}" + (", dirty" if run.dirty else "")
        self.say(f"run {run.number} of {run.service} ({where})")
        if self.begun.how is How.ATTACHED:
            self.say(
                "  its process is gone; this one goes on with it, and starts nothing anew that was started"
            )
        elif self.begun.how is How.WATCHING:
            who = (
                f"process {owner.pid} of {owner.user} on {owner.machine.split(':')[0]}"
                if owner
                else "another process"
            )
            self.say(f"  {who} drives it; this one looks on (Ctrl-C stops looking, the run goes on)")
        for other in orphans(self.tools, run.service, but=run.id):
            self.say(
                f"  run {other.number} ({other.branch or 'detached'}@{other.commit[:10]}) was left unfinished by a "
                f"process that is gone: headway run --cancel {other.number} ends it"
            )

    # Driving

    def _drive(self) -> "Run | None":
        """The run as it ended; None when we were told to leave it."""
        import asyncio

        from headway.drivers.runner.local import LocalRunner
        from headway.engine.run_drive import Detached, ready
        from headway.engine.runs import give_back

        drive = ready(self.tools, LocalRunner(), self.begun, limit=self.limit, on_change=self.changed.set)
        viewer = threading.Thread(target=self._show, args=[drive], name="headway-screen", daemon=True)
        viewer.start()
        try:
            run = asyncio.run(self._driven(drive))
        except Detached:
            assert self.begun.token is not None
            give_back(self.tools, self.begun.run, self.begun.token)
            return None
        finally:
            self.stopped.set()
            self.changed.set()
            if self.left_by is None:
                viewer.join()
        return run

    async def _driven(self, drive: "Drive") -> "Run":
        import asyncio

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` ignores SIGHUP for us: so it stays.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._told, drive, number)
        return await drive.run()

    def _told(self, drive: "Drive", number: signal.Signals) -> None:
        if number is signal.SIGINT and not drive.is_cancelled:
            self.say(f"\ncancelling run {self.begun.run.number} …  (Ctrl-C again leaves it to itself)")
            drive.cancel(f"cancelled by {self.tools.settings.user}")
        else:
            self.left_by = number
            drive.detach()

    def _left(self) -> int:
        run = self.begun.run
        self.say(f"run {run.number} goes on without this process: its jobs run, nothing was stopped")
        self.say(
            f"  next: headway run (here, on the same tree) takes it up; headway logs {run.number} --follow looks on"
        )
        return 128 + (self.left_by or signal.SIGINT)

    def _show(self, drive: "Drive") -> None:
        from headway.cli.run_screen import show_events
        from headway.engine.run_watch import Watcher

        if self.as_json:
            return
        screen = self._screen([job.name for job in drive.look.jobs])

        def wait() -> None:
            self.changed.wait(0.5)
            self.changed.clear()

        watcher = Watcher(lambda: drive.look, self.tools.log)
        show_events(watcher, screen, wait=wait, now=drive.now, stopped=self.stopped)

    # Looking on

    def _look_on(self) -> "Run | None":
        from headway.cli.run_screen import show_events
        from headway.engine.run_watch import Watcher
        from headway.engine.runs import look_at

        run = self.begun.run
        first = look_at(self.tools.database, run.id)
        watcher = Watcher(lambda: look_at(self.tools.database, run.id), self.tools.log)
        pause = threading.Event()
        try:
            if self.as_json:
                while not watcher.ended:
                    list(watcher.events())
                    pause.wait(0.1)
            else:
                screen = self._screen([job.name for job in first.jobs])
                show_events(watcher, screen, wait=lambda: _pause(pause), now=self.tools.clock.now)
        except KeyboardInterrupt:
            self.left_by = signal.SIGINT
            return None
        return look_at(self.tools.database, run.id).run

    def _screen(self, names: list[str]) -> "Screen":
        from headway.cli.run_screen import Output, screen_for

        sys.stdout.flush()
        return screen_for(
            Output(),
            is_terminal=sys.stdout.isatty(),
            environment=self.tools.settings.environment,
            names=names,
            single=len(names) == 1,
        )

    def _tidy(self) -> None:
        """Once in a while old logs and releases go. What goes wrong there says nothing of this run."""
        from headway.engine.retention import tidy

        try:
            tidy(self.tools.database, self.tools.settings, self.tools.clock.now())
        except HeadwayError as error:
            self.say(f"headway: tidying up did not work: {error.message}")


def _pause(event: threading.Event) -> None:
    event.wait(0.04)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)
