"""The processes of the world: hosts, balancer, traffic. Each ends when its standard input is closed."""

import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from headway.base.clock import SystemClock
from headway.base.errors import Errored
from headway.demo.lifeline import READY

#: Seconds for a part to start and to end.
START_WITHIN, END_WITHIN = 20.0, 15.0


class PartFailed(Errored):
    """A part of the demo's world did not start."""


class Part:
    """`python -m MODULE ARGUMENTS` in a session of its own, so that a Ctrl-C at the terminal is ours alone."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], folder: Path) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Raises PartFailed with the end of its log."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            ready = bool(selector.select(START_WITHIN)) and self.process.stdout.readline()
        if not ready or ready.decode().strip() != READY:
            lines = self._log.read_text(errors="replace").strip().splitlines()
            why = lines[-1] if lines else f"no sign of life for {START_WITHIN:g} s"
            raise PartFailed(f"{self.name} did not start: {why}", hint=f"see {self._log}")

    def release(self) -> None:
        """Let it go; `join` waits for it."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def join(self) -> None:
        try:
            self.process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def start_all(parts: Sequence[Part]) -> None:
    """Wait for all of them; when one fails, all are ended before the error goes on."""
    try:
        for part in parts:
            part.wait_until_ready()
    except BaseException:
        end_all(parts)
        raise


def end_all(parts: Sequence[Part]) -> None:
    """A Ctrl-C while cleaning up would leave things behind, so it waits until we are done."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for part in parts:
            part.release()
        for part in parts:
            part.join()
    finally:
        signal.signal(signal.SIGINT, before)


def uptime() -> float:
    """Seconds on the clock that all processes of this machine share."""
    return SystemClock().monotonic()
