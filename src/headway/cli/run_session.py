"""One call of `headway run`: drive the run or look on, show it, heed signals, sum it up.

The run is driven in the main thread, where the signals arrive; a thread of its own shows it, so that whoever reads
slowly, or not at all, holds nothing up.
"""

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable

from headway.base.errors import HeadwayError
from headway.cli.output import echo
from headway.cli.run_screen import Output, Screen, screen_for, show_events
from headway.cli.run_summary import EXIT_CODES, show_summary
from headway.domain.run import Run
from headway.drivers.runner.local import LocalRunner
from headway.engine.janitor.retention import tidy
from headway.engine.projects import Project
from headway.engine.runs.drive import Detached, Drive, ready
from headway.engine.runs.runs import Begun, How, Tools, attach, give_back, look_at, nobody_drives, orphans
from headway.engine.runs.watch import Look, Watcher

#: Seconds between two looks at somebody else's run.
_LOOK_EVERY = 0.04
#: Seconds between two looks whether its process still lives.
_CHECK_EVERY = 1.0
#: Jobs yield to the services of the machine, and to whoever works at it, but not to idle work.
_NICENESS = 5
#: Of 1,000: far enough above what services have for the kernel to end a job before them.
_OOM_SCORE_ADJUST = 300


class Session:
    def __init__(
        self,
        tools: Tools,
        begun: Begun,
        project: Project | None,
        *,
        limit: int,
        as_json: bool,
        quiet: bool,
        cancels: bool = False,
    ) -> None:
        """`quiet`: no live output; `cancels`: the run was asked to stop by this very call."""
        self._tools = tools
        self._begun = begun
        self._project = project
        self._limit = limit
        self._as_json = as_json
        self._quiet = quiet
        self._cancels = cancels
        self._left_by: int | None = None
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._watcher = Watcher(self._look, tools.log)
        self._screen: Screen | None = None

    def play(self) -> int:
        """To the run's end, or until we are told to go; the exit code."""
        self._announce()
        self._tell_of_orphans()
        run = self._look_on() if self._begun.token is None else self._drive()
        if run is None:
            return self._left()
        show_summary(self._tools, run, self._project, as_json=self._as_json)
        self._tidy()
        return EXIT_CODES[run.state]

    def _say(self, text: str) -> None:
        """To whoever looks; a terminal that is gone is no reason to stop."""
        with contextlib.suppress(OSError):
            echo(text, err=True)

    def _announce(self) -> None:
        run, owner = self._begun.run, self._begun.owner
        self._say(f"run {run.number} of {run.service} ({_where(run)})")
        if self._begun.how is How.ATTACHED:
            self._say(
                "  its process is gone; this one goes on with it, and starts nothing anew that was started"
            )
        elif self._begun.how is How.WATCHING:
            who = "another process"
            if owner is not None:
                who = f"process {owner.pid} of {owner.user} on {owner.machine.split(':')[0]}"
            if self._cancels:
                self._say(f"  {who} drives it and was told to stop it")
            else:
                self._say(f"  {who} drives it; this one looks on (Ctrl-C stops looking, the run goes on)")

    def _tell_of_orphans(self) -> None:
        run = self._begun.run
        for other in orphans(self._tools, run.service, but=run.id):
            self._say(
                f"  run {other.number} ({_where(other)}) was left unfinished by a process that is gone: "
                f"headway run --cancel {other.number} ends it"
            )

    # Driving

    def _drive(self) -> Run | None:
        """The run as it ended; None when we were told to leave it."""
        runner = LocalRunner(clock=self._tools.clock, niceness=_NICENESS, oom_score_adjust=_OOM_SCORE_ADJUST)
        drive = ready(self._tools, runner, self._begun, limit=self._limit, on_change=self._changed.set)
        self._watcher.look = lambda: drive.look
        self._stopped.clear()
        viewer = threading.Thread(target=self._show, args=[drive], name="headway-screen", daemon=True)
        viewer.start()
        try:
            return asyncio.run(self._driven(drive))
        except Detached:
            assert self._begun.token is not None
            give_back(self._tools, self._begun.run, self._begun.token)
            return None
        finally:
            self._stopped.set()
            self._changed.set()
            # Whoever told us to go does not wait for a reader.
            if self._left_by is None:
                viewer.join()

    async def _driven(self, drive: Drive) -> Run:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` has SIGHUP ignored for us: so it stays.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._told, drive, number)
        return await drive.run()

    def _told(self, drive: Drive, number: signal.Signals) -> None:
        if number is signal.SIGINT and not drive.is_cancelled:
            self._say(f"\ncancelling run {self._begun.run.number} …  (Ctrl-C again leaves it to itself)")
            drive.cancel(f"cancelled by {self._tools.settings.user}")
        else:
            self._left_by = number
            drive.detach()

    def _left(self) -> int:
        run = self._begun.run
        # At a terminal a line of progress may stand there, which nobody will end.
        self._say(f"\nrun {run.number} goes on without this process: what runs was left running")
        self._say(
            f"  next: headway run (on the same tree) takes it up; headway logs {run.number} --follow looks on"
        )
        return 128 + (self._left_by or signal.SIGINT)

    def _show(self, drive: Drive) -> None:
        def wait() -> None:
            self._changed.wait(0.5)
            self._changed.clear()

        self._follow(wait, drive)

    # Looking on

    def _look(self) -> Look:
        return look_at(self._tools.database, self._begun.run.id)

    def _look_on(self) -> Run | None:
        """The run as it ended under another process; if that dies, we take its place."""
        pause, clock = threading.Event(), self._tools.clock
        checked_at = clock.monotonic()

        def wait() -> None:
            nonlocal checked_at
            pause.wait(_LOOK_EVERY)
            if clock.monotonic() - checked_at > _CHECK_EVERY:
                checked_at = clock.monotonic()
                if nobody_drives(self._tools, self._begun.run):
                    self._stopped.set()

        try:
            while True:
                self._stopped.clear()
                self._follow(wait, None)
                run = self._look().run
                if run.state.is_final:
                    return run
                begun = attach(self._tools, run)
                if begun.token is not None:
                    self._begun = begun
                    self._announce()
                    return self._drive()
                pause.wait(_CHECK_EVERY)
        except KeyboardInterrupt:
            self._left_by = signal.SIGINT
            return None

    def _follow(self, wait: Callable[[], None], drive: Drive | None) -> None:
        """Show what happens until the run ends, or `stopped` is set and all that is there was shown."""
        if self._quiet:
            while drive is None and not (self._stopped.is_set() or self._watcher.ended):
                for _ in self._watcher.events():
                    pass
                wait()
            return
        if self._screen is None:
            self._screen = self._new_screen([job.name for job in self._watcher.look().jobs])
        now = drive.now if drive is not None else self._tools.clock.now
        if not show_events(self._watcher, self._screen, wait=wait, now=now, stopped=self._stopped):
            self._quiet = True
            self._follow(wait, drive)

    def _new_screen(self, names: list[str]) -> Screen:
        sys.stdout.flush()
        return screen_for(
            Output(),
            is_terminal=sys.stdout.isatty(),
            environment=self._tools.settings.environment,
            names=names,
            single=len(names) == 1,
        )

    def _tidy(self) -> None:
        """Once in a while old logs and releases go. What goes wrong there says nothing of this run."""
        try:
            tidy(self._tools.database, self._tools.settings, self._tools.clock.now())
        except HeadwayError as error:
            self._say(f"headway: tidying up did not work: {error.message}")


def _where(run: Run) -> str:
    return f"{run.branch or 'detached'}@{run.commit[:10]}" + (", dirty" if run.dirty else "")
