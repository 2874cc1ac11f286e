"""A guard over all tests: our code opens a SQLite database through SQLite, and its files in no other way."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

import headway

_SOURCE = str(Path(headway.__file__).parent)
_ENDINGS = (".db", ".db-wal", ".db-shm")


def guarded(path: object, callers: Iterable[str]) -> bool:
    """Whether code of ours is among the files of those who open a database's file. Tests may, to break it."""
    if not isinstance(path, str | bytes | os.PathLike) or not os.fsdecode(path).endswith(_ENDINGS):
        return False
    return any(caller.startswith(_SOURCE) for caller in callers)


def guard_database_files() -> None:
    """For the rest of the process: such an open raises, whoever asks for it. SQLite's own are not seen by this."""

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and guarded(arguments[0], _files(sys._getframe(1))):
            raise AssertionError(
                f"{arguments[0]!r} was opened without SQLite: its process's locks go with it"
            )

    sys.addaudithook(look)


def _files(frame: FrameType | None) -> Iterable[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back
