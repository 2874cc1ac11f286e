"""The real `headway` command, typed by the demo's person: its words, its output line by line, its exit code."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.base.errors import Errored
from headway.demo.layout import Layout
from headway.demo.parts import uptime

#: No command of the story takes longer, in seconds; one that does is ended and the story with it.
LONGEST = 180.0


class CommandStuck(Errored):
    """A headway command of the story did not end."""


@dataclass(frozen=True, slots=True)
class Finished:
    words: tuple[str, ...]
    exit_code: int
    output: str
    #: Seconds.
    took: float

    @property
    def typed(self) -> str:
        return shlex.join(["headway", *self.words])


class Running:
    """A command under way. Its output goes to `tell`, a line at a time, from a thread of its own."""

    def __init__(
        self,
        layout: Layout,
        words: Sequence[str],
        tell: Callable[[str], None],
        variables: Mapping[str, str] = {},
    ) -> None:
        """`variables`: what stands in the environment of whoever types it, besides."""
        self.words = tuple(words)
        self._began = uptime()
        self._lines: list[str] = []
        # A session of its own: a Ctrl-C at the terminal is the demo's, and no terminal means no questions.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "headway", *words],
            cwd=_where(layout),
            env={**layout.environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(tell,), daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """As `kill -9`: the process has no chance to say or do anything."""
        os.kill(self.process.pid, signal.SIGKILL)

    def wait(self) -> Finished:
        """Raises CommandStuck after LONGEST seconds. Whatever happens here, the process is ended afterwards."""
        try:
            exit_code = self.process.wait(LONGEST)
        except subprocess.TimeoutExpired as late:
            raise CommandStuck(
                f"{shlex.join(['headway', *self.words])} did not end within {LONGEST:g} s"
            ) from late
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        return Finished(self.words, exit_code, "".join(self._lines), uptime() - self._began)

    def _read(self, tell: Callable[[str], None]) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for raw in output:
                line = raw.decode(errors="replace")
                self._lines.append(line)
                tell(line.rstrip("\r\n"))


def ask(layout: Layout, *words: str) -> Any:
    """A command with `--json`, not shown: its document. Raises CommandStuck, or ValueError when it printed none."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "headway", *words, "--json"],
            cwd=_where(layout),
            env=layout.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise CommandStuck(f"headway {shlex.join(words)} --json did not end within {LONGEST:g} s") from late
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        told = done.stderr.decode(errors="replace").strip()
        raise ValueError(f"headway {shlex.join(words)} --json printed no JSON: {told[-500:]}") from error


def _where(layout: Layout) -> Path:
    """In the repository, once there is one."""
    return layout.repository if layout.repository.exists() else layout.folder
