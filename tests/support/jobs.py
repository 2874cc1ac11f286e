"""Short ways to run a job in a test and to see all of it."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from headway.domain.job import JobResult, JobSpec, StepMark, StepSpec
from headway.drivers.runner.verbs import Runner


@dataclass(frozen=True)
class Seen:
    items: tuple[bytes | StepMark, ...]
    result: JobResult
    offset: int

    @property
    def output(self) -> bytes:
        return b"".join(item for item in self.items if isinstance(item, bytes))

    @property
    def marks(self) -> list[tuple[int, int | None]]:
        return [(item.index, item.exit_code) for item in self.items if isinstance(item, StepMark)]


def job(place: Path, *scripts: str | StepSpec, **values: Any) -> JobSpec:
    """A job in `place`/job; its steps run in `place`."""
    steps = [
        script if isinstance(script, StepSpec) else StepSpec(name=f"step {number}", script=script)
        for number, script in enumerate(scripts, 1)
    ]
    values.setdefault("stop_within", timedelta(seconds=0.3))
    values.setdefault("working_directory", str(place))
    values.setdefault("directory", str(place / "job"))
    return JobSpec(steps=tuple(steps), **values)


async def follow(runner: Runner, directory: str, offset: int = 0, within: float = 60) -> Seen:
    """To the end."""
    items: list[bytes | StepMark] = []
    async with asyncio.timeout(within):
        while True:
            piece = await runner.follow(directory, offset, wait=1)
            assert piece.offset >= offset
            offset = piece.offset
            items += piece.items
            if piece.result is not None:
                return Seen(tuple(items), piece.result, offset)


async def run(runner: Runner, spec: JobSpec, within: float = 60) -> Seen:
    await runner.start(spec)
    return await follow(runner, spec.directory, within=within)


async def until(condition: Callable[[], Any], within: float = 60) -> Any:
    """Wait for something that another process does."""
    end = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)
    return found


def unmistakable_minute() -> str:
    """An argument of `sleep` that no other process has."""
    return f"60.{secrets.randbelow(10**15):015d}"


def processes_with(text: str) -> Sequence[int]:
    """Living processes whose arguments hold `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words, stat = (entry / "cmdline").read_bytes(), (entry / "stat").read_text()
            except OSError:
                continue
            if text.encode() in words and stat.rpartition(") ")[2][0] not in "ZX":
                found.append(int(entry.name))
    return found
