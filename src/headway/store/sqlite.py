"""A connection to SQLite: WAL, foreign keys, every commit synced, and writers that queue fairly.

Nothing but SQLite opens a database's file, its -wal or its -shm: a process that closes any descriptor of a file loses
all its POSIX locks on it, those of its SQLite connections too, and others then take the log away under it.
"""

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from headway.base.clock import SystemClock
from headway.base.errors import HeadwayError, wants_room
from headway.store.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseUnavailable,
    DiskFull,
    Duplicate,
)

Row = Mapping[str, Any]

#: Seconds that a writer waits for its turn before it gives up.
WAIT = 10.0
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# A quota (EDQUOT) and a file size limit (EFBIG) reach us as a failed write, only ENOSPC as SQLITE_FULL.
_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}
_DUPLICATE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


def sqlite_path(url: str) -> Path:
    """`sqlite:///var/lib/headway.db` and `sqlite:////var/lib/headway.db` both name `/var/lib/headway.db`."""
    return Path("/" + url.removeprefix("sqlite://").lstrip("/"))


def create_file(path: Path) -> None:
    """The file and its folder, readable by nobody else. Does nothing where they are.

    SQLite gives its -wal and -shm files the mode of the database file. An empty file is a database; it is made under
    another name, so that one that somebody has open meanwhile is never opened here.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A link may lead to where no file is yet.
        file = path.resolve()
        if file.exists():
            return
        empty = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        os.close(os.open(empty, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with contextlib.suppress(FileExistsError):
                os.link(empty, file)
        finally:
            empty.unlink()
    except OSError as error:
        if wants_room(error):
            raise _disk_full(path) from error
        raise DatabaseUnavailable(
            f"the database {path} cannot be opened: {error.strerror}",
            hint="set HEADWAY_DATA to a folder that you may write, or HEADWAY_DATABASE_URL",
        ) from error


class SqliteConnection:
    """One connection; may be used by one thread at a time, any thread."""

    dialect: Literal["sqlite", "postgresql"] = "sqlite"

    def __init__(self, path: Path, *, writes: bool) -> None:
        self._path = path
        self._writes = writes
        self._clock = SystemClock()
        # A reader meets a lock for moments only (recovery after a crash), so SQLite's own waiting will do.
        # A writer under a busy writer starves with it: our own short random waits are fair (see `begin`).
        timeout = 0.0 if writes else WAIT
        try:
            self._sqlite = sqlite3.connect(
                path, timeout=timeout, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise _told(error, path) from error
        try:
            self._configure()
        except BaseException:
            self._sqlite.close()
            raise

    def _configure(self) -> None:
        if self._writes:
            mode = self._patiently("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise DatabaseUnavailable(
                    f"the database {self._path} cannot use SQLite's write-ahead log (it stays in mode '{mode}')",
                    hint="put HEADWAY_DATA on a local disk; network file systems cannot share it",
                )
        self._patiently("PRAGMA synchronous = FULL")
        self._patiently("PRAGMA foreign_keys = ON")
        if not self._writes:
            self._patiently("PRAGMA query_only = ON")

    def begin(self) -> None:
        """A writer takes the write lock here, so a transaction never fails for a lock later."""
        self._patiently("BEGIN IMMEDIATE" if self._writes else "BEGIN")

    def begin_reading(self) -> None:
        """One unchanging picture, also for a connection that writes."""
        self._patiently("BEGIN")

    def run(self, sql: str, parameters: Mapping[str, Any]) -> tuple[int, list[Row]]:
        """The number of rows changed, and the rows that came back."""
        try:
            cursor = self._sqlite.execute(sql, parameters)
            if cursor.description is None:
                return cursor.rowcount, []
            names = [column[0] for column in cursor.description]
            rows: list[Row] = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
            # With RETURNING, rowcount is set only after the last row was taken.
            return max(cursor.rowcount, 0), rows
        except sqlite3.Error as error:
            raise _told(error, self._path) from error

    def commit(self) -> None:
        self._patiently("COMMIT")

    def rollback(self) -> None:
        # A full disk has SQLite roll back by itself.
        if self._sqlite.in_transaction:
            self._sqlite.execute("ROLLBACK")

    def has_table(self, name: str) -> bool:
        found = self.run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name", {"name": name})
        return bool(found[1])

    def lock_schema(self) -> None:
        """Nothing to do: BEGIN IMMEDIATE holds off every other writer."""

    @property
    def place(self) -> str:
        return str(self._path)

    def close(self) -> None:
        self._sqlite.close()

    def _patiently(self, statement: str) -> sqlite3.Cursor:
        give_up_at = None
        while True:
            try:
                return self._sqlite.execute(statement)
            except sqlite3.Error as error:
                if _primary(error) not in _BUSY:
                    raise _told(error, self._path) from error
                now = self._clock.monotonic()
                give_up_at = give_up_at or now + WAIT
                if now >= give_up_at:
                    raise _told(error, self._path) from error
            # 0.5 to 3 ms: without chance in it, two waiting processes meet again and again.
            time.sleep(0.0005 + 0.0025 * os.urandom(1)[0] / 255)


def _primary(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _told(error: sqlite3.Error, path: Path) -> HeadwayError | sqlite3.Error:
    """The error as a person should read it; what only a bug of ours can cause stays as it is."""
    code = int(getattr(error, "sqlite_errorcode", 0))
    if code in _FULL:
        return _disk_full(path)
    if code in _DUPLICATE:
        return Duplicate(str(error))
    if _primary(error) in _BUSY:
        return DatabaseBusy(
            f"the database {path} was locked by another process for {WAIT:.0f} s",
            hint="see which other headway command is still working, then try again",
        )
    if _primary(error) in _DAMAGED:
        return DatabaseDamaged(
            f"the file {path} is not a whole Headway database ({error})",
            hint="move it away and put a backup in its place; `headway status --from-hosts` says what is live",
        )
    if _primary(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR):
        return DatabaseUnavailable(
            f"the database {path} cannot be used: {error}",
            hint="set HEADWAY_DATA to a folder that you may write, or HEADWAY_DATABASE_URL",
        )
    return error


def _disk_full(path: Path) -> DiskFull:
    return DiskFull(
        f"there is no room left to write the database {path}; nothing of this step was stored",
        hint=f"free space (or raise the quota) where {path.parent} lies, then run the command again",
    )
