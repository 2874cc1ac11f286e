"""A run on the screen while it goes on: each job's lines behind its name, and below them what still runs.

Bytes are written as the jobs wrote them, filtered for the terminal, never decoded. With a single job there is no
prefix and nothing waits for a line's end.
"""

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import click

from headway.base.durations import format_duration
from headway.cli.output import STATE_STYLE, shown
from headway.cli.terminal import TerminalFilter
from headway.domain.run import Job
from headway.domain.states import State
from headway.engine.runs.watch import (
    AttemptEnded,
    Event,
    JobBegan,
    JobEnded,
    LogPiece,
    Watcher,
)

#: A line without an end is shown in parts of this many bytes.
_LONGEST_LINE = 8192
_WIDEST_NAME = 40
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_magenta")


class Output:
    """Standard output without Python's buffer: that has a lock, and a thread that waits with it for a reader who
    never comes would hold up the end of the whole process.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


class Screen:
    """Where the events of a run are shown, in the order in which they come."""

    def __init__(
        self, out: Output, *, colour: bool, status_line: bool, prefixed: bool, width: int = 0
    ) -> None:
        """`width` is that of the longest name; `status_line` needs a terminal that knows how to erase a line."""
        self._out = out
        self._colour = colour
        self._status_line = status_line and prefixed
        self._prefixed = prefixed
        self._width = min(width, _WIDEST_NAME)
        self._lanes: dict[str, _Lane] = {}
        self._status = b""

    def show(self, event: Event) -> None:
        match event:
            case JobBegan(job, attempt):
                if attempt > 1:
                    self._say(job, f"attempt {attempt}")
            case LogPiece(job, data):
                self._write(self._lane(job).feed(data))
            case AttemptEnded(job, attempt):
                self._write(self._lane(job).end())
                self._say(job, job.reason or f"attempt {attempt} ended")
            case JobEnded(job):
                self._write(self._lane(job).end())
                self._say(job, _ending(job, colour=self._colour))

    def status(self, jobs: tuple[Job, ...], now: datetime) -> None:
        """What runs and what waits, below everything; redrawn after each piece of output."""
        if not self._status_line:
            return
        running = [
            f"{job.name} {_since(job.started_at, now)}"
            for job in jobs
            if job.state is State.RUNNING and job.started_at is not None
        ]
        queued = sum(job.state is State.QUEUED for job in jobs)
        parts = ["running: " + ", ".join(running)] if running else []
        parts += [f"{queued} queued"] if queued else []
        self._set_status(shown(" · ".join(parts))[: max(20, _columns() - 1)].encode())

    def close(self) -> None:
        self._set_status(b"")

    def _set_status(self, text: bytes) -> None:
        if text != self._status:
            self._erase()
            self._status = text
            self._out.write(text)

    def _erase(self) -> None:
        if self._status:
            self._out.write(b"\r\x1b[2K")

    def _lane(self, job: Job) -> "_Lane":
        if job.id not in self._lanes:
            colour = _COLOURS[len(self._lanes) % len(_COLOURS)] if self._colour else None
            name = f"{_short(shown(job.name)):{self._width}} |"
            prefix = (click.style(name, fg=colour) if colour else name).encode() + b" "
            self._lanes[job.id] = _Lane(prefix if self._prefixed else None, colour=self._colour)
        return self._lanes[job.id]

    def _say(self, job: Job, text: str) -> None:
        """A line of ours about a job."""
        if self._prefixed:
            self._write(self._lane(job).prefix + b"==> " + shown(text).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        if data:
            self._erase()
            self._out.write(data)
            if self._status:
                self._out.write(self._status)


class _Lane:
    """One job's bytes: filtered, and (with a prefix) cut into lines."""

    def __init__(self, prefix: bytes | None, *, colour: bool) -> None:
        self.prefix = prefix or b""
        self._prefixed = prefix is not None
        self._filter = TerminalFilter(colour=colour)
        self._reset = b"\x1b[0m" if colour else b""
        self._rest = b""
        self._open_line = False

    def feed(self, data: bytes) -> bytes:
        data = self._filter.feed(data)
        if not self._prefixed:
            self._open_line = not data.endswith(b"\n") if data else self._open_line
            return data
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        if not end and len(data) < _LONGEST_LINE:
            self._rest = data
            return b""
        if len(data) - end >= _LONGEST_LINE:
            data += b"\n"
            end = len(data)
        self._rest = data[end:]
        return self._lines(data[: end - 1])

    def end(self) -> bytes:
        if not self._prefixed:
            # What comes next begins on a line of its own.
            return b"\n" if self._open_line else b""
        rest, self._rest = self._rest + self._filter.end(), b""
        return self._lines(rest) if rest else b""

    def _lines(self, data: bytes) -> bytes:
        if b"\r" in data:
            # Of a line that was written over and over (a progress bar) only what stood there last.
            data = b"\n".join(line.rpartition(b"\r")[2] for line in data.split(b"\n"))
        if b"\x1b" in data:
            # A colour that a line leaves on must not reach the next job's line.
            data = data.replace(b"\n", self._reset + b"\n") + self._reset
        return self.prefix + data.replace(b"\n", b"\n" + self.prefix) + b"\n"


def _short(name: str) -> str:
    return name if len(name) <= _WIDEST_NAME else name[: _WIDEST_NAME - 1] + "…"


def _ending(job: Job, *, colour: bool) -> str:
    state = click.style(str(job.state), fg=STATE_STYLE.get(job.state)) if colour else str(job.state)
    reason = f": {job.reason}" if job.reason else ""
    return f"{state}{reason}{took(job)}"


def took(job: Job) -> str:
    """` (12.3s)`, empty for what never ran."""
    if job.started_at is None or job.finished_at is None:
        return ""
    return f" ({format_duration(job.finished_at - job.started_at)})"


def _since(instant: datetime, now: datetime) -> str:
    seconds = max(0, int((now - instant).total_seconds()))
    return format_duration(timedelta(seconds=seconds)) if seconds else "0s"


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def screen_for(
    out: Output, *, is_terminal: bool, environment: dict[str, str], names: list[str], single: bool
) -> Screen:
    """The screen that suits this output: colours and a status line only where somebody looks."""
    plain = "NO_COLOR" in environment or environment.get("TERM") == "dumb"
    return Screen(
        out,
        colour=is_terminal and not plain,
        status_line=is_terminal and environment.get("TERM", "dumb") != "dumb",
        prefixed=not single,
        width=max(map(len, names), default=0),
    )


def show_events(
    watcher: Watcher,
    screen: Screen,
    *,
    wait: Callable[[], None],
    now: Callable[[], datetime],
    stopped: threading.Event | None = None,
) -> bool:
    """Show the run to its end (or until `stopped`, and then what is there). False when nobody reads any more."""
    try:
        while not watcher.ended:
            last = stopped is not None and stopped.is_set()
            moved = False
            for event in watcher.events():
                screen.show(event)
                moved = True
            if watcher.last is not None:
                screen.status(watcher.last.jobs, now())
            if last:
                break
            if not moved:
                wait()
        screen.close()
    except OSError:
        # The reader is gone, or the terminal. The run has no need of either.
        return False
    return True
