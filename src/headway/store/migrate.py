"""The schema's history: numbered files, forward only, each in one transaction, remembered by name."""

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from headway.base.clock import SystemClock, to_milliseconds
from headway.store.errors import DatabaseTooNew

FOLDER = Path(__file__).parent / "migrations"
_COMMENT = re.compile(r"--.*$", re.MULTILINE)


class Connection(Protocol):
    """What both databases can do: see `sqlite.py` and `postgresql.py`."""

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]: ...
    @property
    def place(self) -> str: ...
    def begin(self) -> None: ...
    def begin_reading(self) -> None: ...
    def run(self, sql: str, parameters: Mapping[str, Any]) -> tuple[int, list[Mapping[str, Any]]]: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def has_table(self, name: str) -> bool: ...
    def lock_schema(self) -> None: ...
    def close(self) -> None: ...


#: Called with the migrations that are about to be applied to a database which has rows to lose. What it raises
#: keeps them from being applied.
BeforeMigration = Callable[[Connection, tuple[str, ...]], None]


@cache
def known_migrations(folder: Path = FOLDER) -> tuple[str, ...]:
    """Their names, in the order in which they are applied."""
    return tuple(sorted(path.stem for path in folder.iterdir() if path.suffix == ".sql"))


def statements(text: str) -> list[str]:
    """The statements of a migration file. Comments begin with `--`; no statement holds a `;` or `--` in a string."""
    return [part.strip() for part in _COMMENT.sub("", text).split(";") if part.strip()]


def migrate(
    connection: Connection,
    folder: Path = FOLDER,
    *,
    before: BeforeMigration | None = None,
    only: Collection[str] | None = None,
    newer: bool = False,
) -> None:
    """Bring the database to what this program knows. Safe when several processes do it at once.

    `only`: apply just these, for a restore; none at all, for a backup. Raises DatabaseTooNew, having changed
    nothing, when a newer Headway was here, if not `newer`.
    """
    known = known_migrations(folder)
    connection.begin()
    try:
        applied = _applied(connection)
    finally:
        connection.rollback()
    if not newer:
        _refuse_newer(connection, applied, known)
    missing = tuple(name for name in known if name not in applied and (only is None or name in only))
    if before is not None and applied and missing:
        before(connection, missing)
    for name in missing:
        _apply(connection, name, folder)


def _applied(connection: Connection) -> set[str]:
    if not connection.has_table("migrations"):
        return set()
    return {row["name"] for row in connection.run("SELECT name FROM migrations", {})[1]}


def _refuse_newer(connection: Connection, applied: set[str], known: tuple[str, ...]) -> None:
    if newer := sorted(applied.difference(known)):
        raise DatabaseTooNew(
            f"the database {connection.place} was written by a newer Headway (it has '{newer[-1]}', "
            f"this program knows up to '{known[-1]}')",
            hint="install the newer Headway again, or point HEADWAY_DATA at another folder",
        )


def _apply(connection: Connection, name: str, folder: Path) -> None:
    connection.begin()
    try:
        connection.lock_schema()
        connection.run(
            "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)", {}
        )
        # Looked at again under the lock: another process may have been first.
        if name not in _applied(connection):
            for statement in statements((folder / f"{name}.sql").read_text()):
                connection.run(statement, {})
            connection.run(
                "INSERT INTO migrations (name, applied_at) VALUES (:name, :applied_at)",
                {"name": name, "applied_at": to_milliseconds(SystemClock().now())},
            )
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
