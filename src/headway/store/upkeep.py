"""What a database needs from time to time, and how large it is."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from headway.store.database import Database, Transaction

#: Rows of an index that SQLite looks at to renew its statistics: a few milliseconds whatever its size.
_ANALYZED = 400


def database_size(tx: Transaction) -> int:
    """Bytes: of SQLite's file and its write-ahead log, or as PostgreSQL counts its own."""
    if tx.dialect == "postgresql":
        row = tx.one("SELECT pg_database_size(current_database()) AS size")
        return 0 if row is None else int(row["size"])
    path = _sqlite_file(tx)
    size = 0
    for file in (path, Path(f"{path}-wal")):
        with suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


def tend(database: Database) -> None:
    """Renew the planner's statistics and give the room of a grown write-ahead log back (SQLite; PostgreSQL does both
    by itself). Waits for nobody: where somebody is at work, the next time will do."""
    if database.dialect != "sqlite":
        return
    path = database.read(_sqlite_file)
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA analysis_limit = {_ANALYZED}")
        for statement in ("PRAGMA optimize", "PRAGMA wal_checkpoint(TRUNCATE)"):
            with suppress(sqlite3.OperationalError):
                connection.execute(statement).fetchall()


def _sqlite_file(tx: Transaction) -> Path:
    row = tx.one("SELECT file FROM pragma_database_list WHERE name = 'main'")
    assert row is not None
    return Path(row["file"])
