"""A repository, a data folder, and a `headway` process to be killed. The product has no crash switches."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KILLED = -9
#: One call of headway, its restart included, takes a few seconds here; what takes this long hangs.
STUCK_AFTER = 90.0


@dataclass
class Tally:
    """What came of it all. Everything but `kills` has to stay 0."""

    kills: int = 0
    lost: int = 0
    repeated: int = 0
    stuck: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, kind: str, what: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        self.faults.append(f"{kind}: {what}")
        print(f"  {kind.upper()}: {what}", flush=True)

    def line(self) -> str:
        return f"kills={self.kills} lost={self.lost} repeated={self.repeated} stuck={self.stuck}"


@dataclass
class Workshop:
    """A service's repository on this machine, and the environment its commands run in."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def environment(self) -> dict[str, str]:
        base = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}
        return {**base, "HEADWAY_DATA": str(self.data), "PYTHONPATH": str(ROOT / "src"), **self.variables}

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Chaos", "-c", "user.email=chaos@example.org"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.repository, check=True, capture_output=True, text=True).stdout

    def begin(self, files: Mapping[str, str]) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.repository.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.commit(files)

    def commit(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.repository / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A headway process of its own session, its output in `last.txt`."""
        with (self.folder / "last.txt").open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "headway", *arguments],
                cwd=self.repository,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def said(self) -> str:
        return (self.folder / "last.txt").read_text(errors="replace")

    def call(self, *arguments: str) -> str:
        """What a headway command prints; it must succeed."""
        command = [sys.executable, "-m", "headway", *arguments]
        done = subprocess.run(
            command, cwd=self.repository, env=self.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"headway {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout


def kill_until_done(
    workshop: Workshop,
    arguments: tuple[str, ...],
    kills: Callable[["subprocess.Popen[bytes]"], bool],
    tally: Tally,
) -> int | None:
    """Start the command, let `kills` wait and say whether to kill it; start it again until it ends by itself.

    The exit code of the last one; None when it hung.
    """
    while True:
        process = workshop.start(*arguments)
        if kills(process) and process.poll() is None:
            process.kill()
            process.wait()
            tally.kills += 1
            continue
        try:
            return process.wait(STUCK_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            tally.fault("stuck", f"headway {' '.join(arguments)} did not end:\n{workshop.said()[-2000:]}")
            return None


def after_a_while(
    chance: random.Random, longest: float, times: int
) -> Callable[["subprocess.Popen[bytes]"], bool]:
    """Kill at a random instant, `times` times, then let it be."""
    left = [times]

    def kills(process: "subprocess.Popen[bytes]") -> bool:
        if left[0] == 0:
            return False
        left[0] -= 1
        until = time.monotonic() + chance.uniform(0.0, longest)
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.005)
        return process.poll() is None

    return kills


def at_each_boundary(count: Callable[[], int]) -> Callable[["subprocess.Popen[bytes]"], bool]:
    """Kill whenever the record, watched from outside, has grown by a line since the last kill."""
    seen = [count()]

    def kills(process: "subprocess.Popen[bytes]") -> bool:
        while process.poll() is None:
            now = count()
            if now > seen[0]:
                seen[0] = now
                return True
            time.sleep(0.002)
        return False

    return kills
