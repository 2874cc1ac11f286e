"""Room: whether the disk of the data folder has enough of it for new runs, and what takes how much of it.

The decision is pure (`judge`), with a gap between pausing and resuming so that a disk at its mark does not flicker.
Runs and deployments under way are never stopped for it: they have to end to give room back.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from headway.base.clock import Clock, SystemClock
from headway.base.durations import format_size, parse_size
from headway.base.errors import WrongUse
from headway.engine.settings import Settings
from headway.engine.troubles import Trouble
from headway.store.database import Database
from headway.store.upkeep import database_size

#: How long all folders together are measured at most; what was not seen by then is said to be missing.
_MEASURING = timedelta(seconds=5)
#: How long measured sizes are good enough for a page.
_FRESH = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Watermark:
    """New runs wait while less than the larger of both is free."""

    bytes: int = 2**30
    share: float = 0.05
    #: Times the mark that must be free before they begin again.
    resume: float = 1.5

    def mark(self, total: int) -> int:
        return max(self.bytes, int(total * self.share))


@dataclass(frozen=True, slots=True)
class DiskState:
    free: int
    total: int
    #: New runs wait; nothing else does.
    paused: bool
    #: For every page while it is paused; empty when there is room.
    sentence: str


@dataclass(frozen=True, slots=True)
class FolderSize:
    bytes: int
    #: False: there was more than could be seen in the time that was given.
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Sizes:
    measured_at: datetime
    #: Of the SQLite file with its log, or of the PostgreSQL database.
    database: int
    #: `logs`, `artifacts`, `repositories`, `jobs`, `mirrors`.
    folders: dict[str, FolderSize] = field(default_factory=dict)


def judge(free: int, total: int, mark: Watermark, *, was_paused: bool, place: str) -> DiskState:
    """Pauses below the mark, and once paused until 1.5 times the mark is free."""
    needed = mark.mark(total)
    enough = int(needed * mark.resume) if was_paused else needed
    if free >= enough:
        return DiskState(free, total, False, "")
    sentence = (
        f"only {format_size(free)} of {format_size(total)} are free where {place} lies: no new run begins "
        f"until {format_size(int(needed * mark.resume))} are; what runs goes on"
    )
    return DiskState(free, total, True, sentence)


def watermark_from(settings: Settings) -> Watermark:
    """HEADWAY_KEEP_FREE is a size (20GiB) or a share of the disk (2%). Raises WrongUse."""
    text = settings.environment.get("HEADWAY_KEEP_FREE")
    if not text:
        return Watermark()
    try:
        if text.endswith("%"):
            share = float(text.removesuffix("%")) / 100
            if not 0 <= share < 0.9:
                raise ValueError("a share from 0% to 90%")
            return Watermark(bytes=0, share=share)
        return Watermark(bytes=parse_size(text), share=0)
    except ValueError as error:
        raise WrongUse(
            f"HEADWAY_KEEP_FREE is '{text}', which is neither a size nor a share of the disk",
            hint="write it as 20GiB or 2%: export HEADWAY_KEEP_FREE=20GiB",
        ) from error


class DiskWatch:
    """The state of the data folder's disk, as it was when somebody last looked."""

    def __init__(
        self,
        settings: Settings,
        *,
        mark: Watermark | None = None,
        usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage,
    ) -> None:
        """`usage` answers with total, used and free bytes; it is replaced in tests. Raises WrongUse."""
        self._data = settings.data
        self._mark = mark or watermark_from(settings)
        self._usage = usage
        self._sizes: Sizes | None = None
        self.state = DiskState(0, 0, False, "")
        self.look()

    def look(self) -> DiskState:
        """One call to the kernel (a few microseconds on a local disk): for each tick that would begin a run."""
        try:
            total, _, free = self._usage(self._data)
        except OSError as error:
            sentence = f"the disk of {self._data} cannot be looked at ({error.strerror}): no new run begins"
            self.state = DiskState(0, 0, True, sentence)
        else:
            was = self.state.paused
            self.state = judge(free, total, self._mark, was_paused=was, place=str(self._data))
        return self.state

    def troubles(self, _: datetime) -> list[Trouble]:
        """Of a disk that keeps new runs from beginning. How much is free where is for those who signed in."""
        if not self.state.paused:
            return []
        why = (
            "the disk of its data is full" if self.state.total else "the disk of its data cannot be looked at"
        )
        hint = "No new run begins, what is under way goes on. Make room: what takes how much stands below."
        return [Trouble(why, public=f"{why}: no new run begins", hint=hint)]

    async def sizes(self, database: Database, now: datetime) -> Sizes:
        """What takes how much: measured in a thread, at most every five minutes and for five seconds."""
        if self._sizes is None or not now - _FRESH < self._sizes.measured_at <= now:
            bytes_of_database = await database.fetch(database_size)
            folders = await asyncio.to_thread(_measure, self._data)
            self._sizes = Sizes(now, bytes_of_database, folders)
        return self._sizes


def folder_size(folder: Path, enough: Callable[[], bool]) -> FolderSize:
    """Bytes that the files below `folder` take on the disk, each once; stops early when `enough` says so."""
    size, folders, seen = 0, [str(folder)], set()
    while folders:
        if enough():
            return FolderSize(size, False)
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                        continue
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink > 1:
                        if status.st_ino in seen:
                            continue
                        seen.add(status.st_ino)
                    size += status.st_blocks * 512
        except OSError:
            # It went meanwhile, or is not ours to look into.
            continue
    return FolderSize(size, True)


def _measure(data: Path, clock: Clock | None = None) -> dict[str, FolderSize]:
    clock = clock or SystemClock()
    until = clock.monotonic() + _MEASURING.total_seconds()
    names = ("logs", "artifacts", "repositories", "jobs", "mirrors")
    return {name: folder_size(data / name, lambda: clock.monotonic() > until) for name in names}
