"""Copies of a SQLite database, whole and consistent while others write to it."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from headway.base.errors import wants_room
from headway.store.errors import DatabaseBusy, DatabaseUnavailable, DiskFull

#: Copies from before a migration that are kept.
KEPT = 3


def copy_before(path: Path, migration: str) -> Path | None:
    """A copy of the database as it is before this migration, beside it; the oldest such copies go.

    None when somebody else has applied the migration meanwhile: that one has made the copy. Raises DiskFull,
    DatabaseUnavailable.
    """
    target = path.with_name(f"{path.name}.before-{migration}")
    partial = path.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        _copy(path, partial)
        if _has_applied(partial, migration):
            return None
        _sync(partial)
        partial.rename(target)
        _sync(path.parent)
    except (OSError, sqlite3.Error) as error:
        full = isinstance(error, OSError) and wants_room(error)
        if full or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            raise DiskFull(
                f"there is no room for a copy of {path}, which is made before its tables are changed",
                hint="free some space, or go without: export HEADWAY_COPY_BEFORE_MIGRATION=no",
            ) from error
        raise DatabaseUnavailable(
            f"the database {path} could not be copied before its tables are changed: {error}",
            hint="see its owner and mode, or go without: export HEADWAY_COPY_BEFORE_MIGRATION=no",
        ) from error
    finally:
        for leftover in (partial, Path(f"{partial}-wal"), Path(f"{partial}-shm"), Path(f"{partial}-journal")):
            leftover.unlink(missing_ok=True)
    _keep_last(path)
    return target


def fold_log(path: Path) -> None:
    """Bring the write-ahead log into the file, which may be moved then. Does nothing to one that is not there or damaged.

    Raises DatabaseBusy when somebody has it open: moved under them, what they write would be lost to both.
    """
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise DatabaseBusy(
                f"the database {path} is in use by another process",
                hint="see which headway command is still working (ps -ef | grep headway), let it end, then try again",
            ) from error
    except sqlite3.DatabaseError:
        # It is moved as it is, with the log that lies beside it.
        return


def _copy(source: Path, target: Path) -> None:
    # In one go: the picture is that of its begin, and writers of a write-ahead log need not wait for it.
    with closing(sqlite3.connect(source, timeout=10)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new, pages=-1)
        # A file of its own: it may be moved without its log.
        new.execute("PRAGMA journal_mode = DELETE").fetchone()


def _has_applied(path: Path, migration: str) -> bool:
    with closing(sqlite3.connect(path)) as copy:
        return copy.execute("SELECT 1 FROM migrations WHERE name = ?", (migration,)).fetchone() is not None


def _keep_last(path: Path) -> None:
    copies = [copy for copy in path.parent.glob(f"{path.name}.before-*") if copy.suffix != ".partial"]
    for copy in sorted(copies, key=lambda copy: copy.stat().st_mtime_ns, reverse=True)[KEPT:]:
        with suppress(OSError):
            copy.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
