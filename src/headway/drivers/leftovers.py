"""Folders that finished work left in our data folder: what there is, how old and how large, and away with it."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from headway.base.clock import EPOCH


@dataclass(frozen=True, slots=True)
class Leftover:
    path: Path
    changed_at: datetime
    #: Bytes of the files right in it.
    size: int

    @property
    def name(self) -> str:
        return self.path.name


def leftovers(folder: Path) -> list[Leftover]:
    """The folders in `folder`, the longest unchanged first."""
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    found.append(_measured(Path(entry.path)))
    return sorted(found, key=lambda leftover: leftover.changed_at)


def remove_leftover(path: Path) -> None:
    """Removes the folder; what cannot be removed (a file a container made as root) stays."""
    # A job may have taken the write bit from its own folders, as Go's module cache does.
    # Top-down, so that a folder is open before it is walked into; links are not, they would lead elsewhere.
    for where, folders, _ in os.walk(path):
        for folder in (where, *(os.path.join(where, name) for name in folders)):
            with suppress(OSError):
                if not os.path.islink(folder):
                    os.chmod(folder, 0o700)
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def taking_turns(marker: Path, *, now: datetime, every: timedelta) -> Iterator[bool]:
    """True when it is our turn: nobody is at it, and the last turn, noted in the file's time, is `every` ago.

    A time that lies ahead of `now` (the clock was put back) counts as long ago.
    """
    marker.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with marker.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        status = os.fstat(held.fileno())
        last = EPOCH + timedelta(seconds=status.st_mtime)
        due = status.st_size == 0 or not now - every < last <= now
        yield due
        if due:
            held.write("" if status.st_size else "when Headway last tidied up\n")
            held.flush()
            os.utime(held.fileno(), (now.timestamp(), now.timestamp()))


def _measured(path: Path) -> Leftover:
    changed, size = path.stat().st_mtime, 0
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                size += status.st_size
                changed = max(changed, status.st_mtime)
    return Leftover(path, EPOCH + timedelta(seconds=changed), size)
