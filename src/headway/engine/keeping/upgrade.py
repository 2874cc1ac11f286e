"""Before a new version changes the database's tables: a copy of it as it is, and how to go back to it.

SQLite is copied beside itself; of PostgreSQL a backup without files is written into the data folder. The last three
stay. `HEADWAY_COPY_BEFORE_MIGRATION=no` goes without.
"""

import logging
import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from headway.engine.data_folder import open_data_folder
from headway.engine.settings import Settings
from headway.store.migrate import BeforeMigration, Connection

log = logging.getLogger("headway.upgrade")


def copy_first(settings: Settings, told: Callable[[str], None] | None = None) -> BeforeMigration:
    """For `open_database(…, before=copy_first(settings))`. `told` is given sentences for people; the log, if not said
    (which is standard error where nobody has set up another one)."""
    tell = told or log.warning

    def before(connection: Connection, pending: tuple[str, ...]) -> None:
        changes = f"the database {connection.place} gets the migration{'s' if len(pending) > 1 else ''} {', '.join(pending)}"
        if settings.environment.get("HEADWAY_COPY_BEFORE_MIGRATION", "").lower() in ("no", "0", "false"):
            tell(f"headway: {changes}; no copy is made, as HEADWAY_COPY_BEFORE_MIGRATION says")
            return
        # Imported when needed: every command that opens the database comes by here.
        from headway.store.copies import copy_before

        if connection.dialect == "sqlite":
            copy = copy_before(Path(connection.place), pending[0])
            back = _sqlite_back(Path(connection.place), copy) if copy else ""
        else:
            copy = _write_archive(connection, settings, pending[0])
            back = f"headway restore {shlex.quote(str(copy))} --database-only --force"
        if copy is not None:
            tell(
                f"headway: {changes}; a copy of before is {copy}\n"
                f"  to go back: stop Headway, install the version of before, and run: {back}"
            )

    return before


def _sqlite_back(path: Path, copy: Path) -> str:
    name = shlex.quote(str(path))
    return f"rm -f {name}-wal {name}-shm && cp {shlex.quote(str(copy))} {name}"


def _write_archive(connection: Connection, settings: Settings, migration: str) -> Path | None:
    """None when another process has applied the migration meanwhile: that one has written it."""
    import tempfile

    from headway.base.clock import SystemClock
    from headway.engine.keeping.archive import writing
    from headway.engine.keeping.backup import add_tables, dump, header
    from headway.store.database import Transaction

    open_data_folder(settings.data)
    target = settings.data / f"headway-before-{migration}.tar.gz"
    with tempfile.TemporaryDirectory(prefix=".headway-copy-", dir=settings.data) as staging:
        connection.begin_reading()
        try:
            migrations, counts = dump(Transaction(connection), Path(staging))
        finally:
            connection.rollback()
        if migration in migrations:
            return None
        now = SystemClock().now()
        with writing(target, header(settings, now, migrations, artifacts=False, keys=False)) as archive:
            add_tables(archive, Path(staging), counts)
    _keep_last(settings.data)
    return target


def _keep_last(folder: Path) -> None:
    from headway.store.copies import KEPT

    found = sorted(
        folder.glob("headway-before-*.tar.gz"), key=lambda path: path.stat().st_mtime_ns, reverse=True
    )
    for path in found[KEPT:]:
        with suppress(OSError):
            path.unlink()
