"""A backup's way back: into an empty data folder and an empty database, each checksum compared, all or nothing.

The data folder is made beside its place and renamed to it at the end. Rows go into a database that has the backup's
own schema, which is then brought to this program's.

NotEmpty   2   something is there already
"""

import base64
import fcntl
import glob
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from headway.base.errors import DiskFull, Errored, WrongUse, wants_room
from headway.drivers.git.bundle import restore_bundle
from headway.engine.keeping.archive import ArchiveInvalid, ArchiveReader, Member, copied, reading
from headway.engine.keeping.backup import KEYS, PLAIN_FILES, SECRETS, TABLES
from headway.engine.server_lock import running_server
from headway.engine.server_place import KIND, name, other_server
from headway.engine.settings import Settings
from headway.store import whole
from headway.store.copies import fold_log
from headway.store.database import Database, Transaction, open_database
from headway.store.migrate import known_migrations
from headway.store.sqlite import sqlite_path

#: Columns that hold places in the data folder, which may be another one now.
_PLACES = ("repository", "directory")
#: Folders and files of a data folder that a backup may bring.
_TOPS = {TABLES, "logs", "artifacts", "repositories", SECRETS, *PLAIN_FILES, *KEYS}
#: Rows of one statement. SQLite looks each named value up among all of them: 15 rows are stored 7 times as fast as 200.
_ROWS = 15


class NotEmpty(WrongUse):
    pass


@dataclass
class Restored:
    data: Path
    database_url: str
    #: When the backup was made, and by which version.
    created_at: str
    version: str
    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    repositories: int = 0
    has_keys: bool = False
    has_artifacts: bool = True
    #: Where what stood there before is now.
    moved: list[str] = field(default_factory=list)


def restore_backup(
    settings: Settings, source: Path, now: datetime, *, force: bool = False, only_database: bool = False
) -> Restored:
    """Into the data folder and the database of these settings; with `force` what stands there is moved aside first.

    `only_database` leaves the data folder alone. Raises NotEmpty, ArchiveInvalid, DiskFull, Errored and the errors
    of the store; then everything stands as it did before.
    """
    if not source.is_file():
        raise WrongUse(f"there is no file {source}", hint="name the file that headway backup wrote")
    place = _Place(settings, now, force=force, only_database=only_database)
    place.require_empty()
    staging = settings.data.with_name(f".{settings.data.name}.restoring-{secrets.token_hex(4)}")
    held: int | None = None
    try:
        staging.mkdir(mode=0o700, parents=True)
        held = _hold(staging)
        _remove_left(settings.data)
        with reading(source) as archive:
            restored = _unpack(archive, settings, staging)
        if not only_database:
            _repositories(settings, staging, restored)
        try:
            place.make_room(restored)
            with place.database(staging, archive.header["migrations"]) as database:
                _load(database, staging, archive.header, settings.data, restored)
            shutil.rmtree(staging / TABLES, ignore_errors=True)
            place.settle(staging)
        except BaseException:
            place.put_back()
            raise
    except OSError as error:
        if wants_room(error):
            raise DiskFull(
                f"there is no room to restore into {settings.data}", hint="free some space"
            ) from error
        raise Errored(
            f"{settings.data} could not be restored: {error}", hint="see its owner and mode"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if held is not None:
            os.close(held)
    # Brings the rows to this program's schema.
    open_database(settings.database_url).close()
    return restored


def _hold(staging: Path) -> int:
    """A lock on the folder, for as long as the descriptor is open: whoever is killed holds none any more."""
    held = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return held


def _remove_left(data: Path) -> None:
    """What a restore that was killed has left beside the place: a whole copy, and nobody else's."""
    for left in data.parent.glob(f".{glob.escape(data.name)}.restoring-*"):
        try:
            held = _hold(left)
        except OSError:
            # Of a restore that goes on, or not ours.
            continue
        try:
            shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(held)


class _Place:
    """Where it goes: what is there, and how it is moved out of the way."""

    def __init__(self, settings: Settings, now: datetime, *, force: bool, only_database: bool) -> None:
        self._data = settings.data
        self._only_database = only_database
        self._url = settings.database_url
        self._now = now
        self._suffix = f"before-restore-{now:%Y%m%dT%H%M%SZ}"
        self._force = force
        self._sqlite = sqlite_path(self._url) if self._url.startswith("sqlite:///") else None
        #: What was moved aside: from where, to where.
        self._moved: list[tuple[Path, Path]] = []
        self._schema = ""

    @property
    def _is_inside(self) -> bool:
        """Whether the database's file comes with the data folder."""
        return (
            not self._only_database and self._sqlite is not None and self._sqlite.is_relative_to(self._data)
        )

    def require_empty(self) -> None:
        if (running := running_server(self._data)) is not None:
            raise NotEmpty(
                f"a server runs on {self._data}" + (f" (process {running.pid})" if running.pid else ""),
                hint="stop it first, or restore into another folder: --into DIR",
            )
        if self._sqlite is None:
            with open_database(self._url, only=(), newer=True) as database:
                database.read(self._require_no_server)
        if self._force:
            return
        if not self._only_database and self._data.is_dir() and any(self._data.iterdir()):
            raise NotEmpty(
                f"{self._data} is not empty",
                hint="restore into another folder (--into DIR), or have it moved aside: --force",
            )
        if self._sqlite is not None:
            if self._sqlite.exists():
                raise NotEmpty(f"there is a database {self._sqlite}", hint="have it moved aside: --force")
        else:
            with open_database(self._url, only=(), newer=True) as database:
                if database.read(whole.has_rows):
                    raise NotEmpty(
                        "the database has rows already",
                        hint="name an empty one (--database URL), or have its tables moved aside: --force",
                    )

    def _require_no_server(self, tx: Transaction) -> None:
        """One that runs elsewhere; SQLite itself tells of whoever has its file open."""
        found = other_server(tx, self._now) if whole.applied_migrations(tx) else None
        if found is not None:
            raise NotEmpty(f"a server has this database: {name(found)}", hint="stop it first")

    def make_room(self, restored: Restored) -> None:
        """Nothing is lost: what stands there gets another name. Raises DatabaseBusy when somebody works with it."""
        if self._sqlite is not None:
            fold_log(self._sqlite)
        if self._data.exists() and not self._only_database:
            if any(self._data.iterdir()):
                self._move(self._data)
            else:
                self._data.rmdir()
        if self._sqlite is not None:
            for path in (self._sqlite, Path(f"{self._sqlite}-wal"), Path(f"{self._sqlite}-shm")):
                if path.exists():
                    self._move(path, ending=path.name.removeprefix(self._sqlite.name))
            restored.moved += [str(there) for _, there in self._moved]
            return
        with open_database(self._url, only=(), newer=True) as database:
            if not database.read(whole.has_rows):
                database.transact(whole.drop)
            else:
                self._schema = self._suffix.replace("-", "_").lower()
                database.transact(lambda tx: whole.move_aside(tx, self._schema))
                restored.moved.append(f"the schema {self._schema} of the database")
        restored.moved += [str(there) for _, there in self._moved]

    def put_back(self) -> None:
        """As it was: nothing was restored."""
        if self._sqlite is not None and not self._is_inside:
            for ending in ("", "-wal", "-shm"):
                Path(f"{self._sqlite}{ending}").unlink(missing_ok=True)
        for path, aside in reversed(self._moved):
            aside.rename(path)
        if self._schema:
            with open_database(self._url, only=(), newer=True) as database:
                database.transact(lambda tx: whole.move_back(tx, self._schema))

    def _move(self, path: Path, ending: str = "") -> None:
        aside = path.with_name(f"{path.name.removesuffix(ending)}.{self._suffix}{ending}")
        path.rename(aside)
        self._moved.append((path, aside))

    def database(self, staging: Path, migrations: list[str]) -> Database:
        """An empty one with these migrations; a SQLite file of the data folder is made where that is being made."""
        url = self._url
        if self._sqlite is not None and self._is_inside:
            url = f"sqlite:///{staging / self._sqlite.relative_to(self._data)}"
        return open_database(url, only=migrations)

    def settle(self, staging: Path) -> None:
        if self._only_database:
            return
        # One for all files: each of its own would take milliseconds.
        os.sync()
        staging.rename(self._data)
        descriptor = os.open(self._data.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unpack(archive: ArchiveReader, settings: Settings, staging: Path) -> Restored:
    header = archive.header
    migrations = header.get("migrations")
    if not isinstance(migrations, list) or not all(isinstance(name, str) for name in migrations):
        raise ArchiveInvalid("the backup does not say which schema it is of", hint="take another backup")
    if newer := sorted(set(migrations) - set(known_migrations())):
        raise ArchiveInvalid(
            f"the backup was made by a newer Headway (it has '{newer[-1]}')",
            hint="install that version, or a newer one",
        )
    restored = Restored(
        settings.data,
        settings.database_url,
        created_at=str(header.get("created_at")),
        version=str(header.get("headway")),
        has_keys=bool(header.get("keys")),
        has_artifacts=bool(header.get("artifacts", True)),
    )
    for member in archive.members():
        if member.name.split("/")[0] not in _TOPS:
            raise ArchiveInvalid(
                f"the backup has '{member.name}', which no backup has", hint="take another one"
            )
        if member.name.startswith(f"{TABLES}/"):
            restored.rows[member.name.removeprefix(f"{TABLES}/").removesuffix(".jsonl")] = 0
        else:
            restored.files += 1
        _write(member, staging / member.name)
    return restored


def _write(member: Member, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(target, "xb", opener=lambda path, flags: os.open(path, flags | os.O_CLOEXEC, 0o600)) as file:
        copied(member.content, file.write)
    # By its time things go one day.
    os.utime(target, (member.changed_at, member.changed_at))


def _repositories(settings: Settings, staging: Path, restored: Restored) -> None:
    folder = staging / "repositories"
    for head in sorted(folder.glob("*.head")):
        bundle = head.with_suffix(".bundle")
        restore_bundle(
            head.with_suffix(".git"),
            bundle if bundle.exists() else None,
            head.read_text().strip() or "main",
            settings.environment,
        )
        bundle.unlink(missing_ok=True)
        head.unlink()
        restored.repositories += 1


def _load(database: Database, staging: Path, header: dict[str, Any], data: Path, restored: Restored) -> None:
    """All rows, in one transaction."""
    old, new = f"{header.get('data')}/", f"{data}/"

    def work(tx: Transaction) -> None:
        whole.clear(tx)
        known = {table.name: set(table.columns) for table in whole.tables(tx)}
        for table in restored.rows:
            restored.rows[table] = 0
            for portion in _portions(staging / TABLES / f"{table}.jsonl"):
                # Names become part of statements, so only those that are names of ours.
                if not portion[0].keys() <= known.get(table, set()):
                    raise ArchiveInvalid(
                        f"the backup's table '{table}' is not as its schema says", hint="take another backup"
                    )
                for row in portion:
                    # Whoever serves what the backup was made of does not serve what comes of it.
                    if table == "claims" and row["kind"] == KIND:
                        row["owner"] = None
                    for column in _PLACES:
                        value = row.get(column)
                        if isinstance(value, str) and value.startswith(old):
                            row[column] = new + value.removeprefix(old)
                whole.put_rows(tx, table, portion)
                restored.rows[table] += len(portion)

    database.transact(work)


def _portions(path: Path) -> Iterator[list[dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        columns = json.loads(next(file))
        portion: list[dict[str, Any]] = []
        for line in file:
            values = [_value(value) for value in json.loads(line)]
            portion.append(dict(zip(columns, values, strict=True)))
            if len(portion) == _ROWS:
                yield portion
                portion = []
        if portion:
            yield portion


def _value(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value
