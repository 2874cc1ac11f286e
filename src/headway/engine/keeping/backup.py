"""A backup of the whole state while others write to it: the rows in one picture of the database, then the files.

Rows first: a file is there before the row that speaks of it, so whatever these rows speak of is copied after them,
unless retention let it go meanwhile; that is noted. SQLite and PostgreSQL are written the same way, so one can be
restored into the other. `engine.keeping.restore` is the way back.
"""

import base64
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from headway import __version__
from headway.base.errors import WrongUse
from headway.drivers.git.bare import Bare
from headway.drivers.git.bundle import write_bundle
from headway.drivers.log_packing import packed_path
from headway.engine.keeping.archive import ArchiveWriter, writing
from headway.engine.settings import Settings
from headway.store import whole
from headway.store.database import Transaction, open_database

#: Members of a table's rows: the first line names the columns, each other one is a row.
TABLES = "tables"
#: In memory up to here, then in a file without a name.
_SPOOLED = 8 << 20
#: What reads the secrets that are stored encrypted, and secrets that people wrote as files.
KEYS = ("secret.key", "secret.key.next")
SECRETS = "secrets"
#: Of the data folder's own top, always in a backup.
PLAIN_FILES = ("org.toml", "org.last-good.toml", "org.last-good.calendars.json")


@dataclass
class Backup:
    """What is in it."""

    file: Path
    created_at: datetime
    bytes: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    logs: int = 0
    artifacts: int = 0
    repositories: int = 0
    #: Files that were seen and went before they could be read.
    missing: list[str] = field(default_factory=list)
    #: Keys and secrets of the data folder, in it or not.
    keys: tuple[str, ...] = ()
    has_keys: bool = False
    has_artifacts: bool = True

    def told(self) -> dict[str, Any]:
        """All but where it lies, as JSON has it."""
        return {
            "bytes": self.bytes,
            "created_at": self.created_at,
            "rows": self.rows,
            "logs": self.logs,
            "artifacts": self.artifacts,
            "repositories": self.repositories,
            "missing": self.missing[:20],
            "keys": {"there": list(self.keys), "in_it": self.has_keys},
        }


def make_backup(
    settings: Settings,
    target: Path,
    now: datetime,
    *,
    artifacts: bool = True,
    keys: bool = False,
) -> Backup:
    """Write everything into the file `target`. Raises NoDatabase, WrongUse (the file stands already), DiskFull,
    Errored and the errors of the store."""
    if target.exists():
        raise WrongUse(f"{target} is there already", hint="name another file; a backup is never written over")
    backup = Backup(target, now, has_artifacts=artifacts, has_keys=keys)
    backup.keys = tuple(name for name in (*KEYS, SECRETS) if (settings.data / name).exists())
    with tempfile.TemporaryDirectory(prefix=".headway-backup-", dir=target.parent) as staging:
        # Nothing is migrated: a backup is of what there is.
        with open_database(settings.database_url, only=(), create=False) as database:
            migrations, backup.rows = database.read(lambda tx: dump(tx, Path(staging)))
        with writing(target, header(settings, now, migrations, artifacts=artifacts, keys=keys)) as archive:
            add_tables(archive, Path(staging), backup.rows)
            _Files(settings, archive, backup, Path(staging)).add()
    backup.bytes = target.stat().st_size
    return backup


def header(
    settings: Settings, now: datetime, migrations: tuple[str, ...], **more: object
) -> Mapping[str, object]:
    return {
        "headway": __version__,
        "created_at": now.isoformat(),
        "data": str(settings.data),
        "migrations": migrations,
        **more,
    }


def dump(tx: Transaction, folder: Path) -> tuple[tuple[str, ...], dict[str, int]]:
    """All rows into files of `folder`, one a table; the migrations, and the number of rows by table. May be repeated."""
    counts = {}
    for table in whole.tables(tx):
        counts[table.name] = 0
        with (folder / table.name).open("w", encoding="utf-8") as file:
            file.write(json.dumps(table.columns) + "\n")
            for portion in whole.rows_of(tx, table):
                counts[table.name] += len(portion)
                for row in portion:
                    values = [row[column] for column in table.columns]
                    file.write(json.dumps(values, default=_bytes, ensure_ascii=False) + "\n")
    return whole.applied_migrations(tx), counts


def add_tables(archive: ArchiveWriter, folder: Path, counts: Mapping[str, int]) -> None:
    """In the order of `counts`, in which they can be stored again."""
    for name in counts:
        with (folder / name).open("rb") as file:
            archive.add(f"{TABLES}/{name}.jsonl", file, os.fstat(file.fileno()).st_size)
        (folder / name).unlink()


def _bytes(value: object) -> object:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"a {type(value).__name__} is no value of a row")


class _Files:
    """What lies in the data folder beside the database."""

    def __init__(self, settings: Settings, archive: ArchiveWriter, backup: Backup, staging: Path) -> None:
        self._settings = settings
        self._archive = archive
        self._backup = backup
        self._staging = staging

    def add(self) -> None:
        data = self._settings.data
        for name in (*PLAIN_FILES, *(KEYS if self._backup.has_keys else ())):
            if (data / name).is_file():
                self._file(data / name)
        if self._backup.has_keys:
            for path in _files(data / SECRETS):
                self._file(path)
        self._logs()
        for folder in sorted(data.glob("repositories/*.git")):
            self._repository(folder)
        if self._backup.has_artifacts:
            for path in _files(self._settings.artifacts / "sha256"):
                self._backup.artifacts += self._file(path)

    def _logs(self) -> None:
        for path in _files(self._settings.logs):
            if path.suffix == ".gz":
                # Unless its plain form was taken, just before it was packed.
                if self._name(path.with_suffix("")) not in self._archive.members:
                    self._backup.logs += self._file(path)
            elif path.suffix == ".log":
                self._backup.logs += self._log(path)

    def _log(self, path: Path) -> bool:
        """A plain one may grow, be cut, or be packed while it is read: what is read at one go is one picture of it."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            packed = packed_path(path)
            return self._name(packed) not in self._archive.members and self._file(packed)
        with file, tempfile.SpooledTemporaryFile(_SPOOLED, dir=str(self._staging)) as copy:
            left = os.fstat(file.fileno()).st_size
            while left > 0 and (data := file.read(min(left, 1 << 20))):
                copy.write(data)
                left -= len(data)
            size = copy.tell()
            copy.seek(0)
            changed_at = os.fstat(file.fileno()).st_mtime
            self._archive.add(self._name(path), copy, size, changed_at=changed_at)
        return True

    def _repository(self, folder: Path) -> None:
        """As a bundle, git's own file of a repository: consistent whoever pushes meanwhile."""
        bare, bundle = Bare(folder, self._settings.environment), self._staging / "bundle"
        name = f"repositories/{folder.stem}"
        if write_bundle(bare, bundle):
            with bundle.open("rb") as file:
                self._archive.add(f"{name}.bundle", file, os.fstat(file.fileno()).st_size)
        bundle.unlink(missing_ok=True)
        self._archive.add_bytes(f"{name}.head", bare.default_branch.encode())
        self._backup.repositories += 1

    def _file(self, path: Path) -> bool:
        """One that is never changed, only replaced or removed."""
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                self._archive.add(self._name(path), file, status.st_size, changed_at=status.st_mtime)
        except FileNotFoundError:
            self._backup.missing.append(self._name(path))
            return False
        return True

    def _name(self, path: Path) -> str:
        return path.relative_to(self._settings.data).as_posix()


def _files(folder: Path) -> Iterator[Path]:
    """Regular files below it, in order of their paths; links are not followed."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            if path.is_file() and not path.is_symlink():
                yield path
