"""Everything in open formats: a file of JSON lines for each noun, and a README that says what its fields mean.

All rows are of one picture of the database. What could let somebody in (passwords, tokens, sessions, secrets) is
never in it.
"""

import json
import os
import re
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from headway import __version__
from headway.base.clock import from_milliseconds
from headway.base.errors import DiskFull, Errored, WrongUse, wants_room
from headway.drivers.logfile import LogFile
from headway.engine.keeping.export_fields import FIELDS, FLAGS, NOUNS, RENAMED, Noun
from headway.engine.settings import Settings
from headway.store import whole
from headway.store.database import Transaction, open_database

_CHUNK = 1 << 20
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")


@dataclass
class Export:
    place: Path
    #: File -> lines.
    files: dict[str, int] = field(default_factory=dict)
    logs: int = 0


def export(settings: Settings, target: Path, now: datetime, *, logs: bool = False) -> Export:
    """Into the folder `target`, which must be empty or not be there, or into a file NAME.tar.gz that is not there.

    It is there whole or not at all. Raises WrongUse, DiskFull, Errored and the errors of the store.
    """
    packed = target.name.endswith((".tar.gz", ".tgz"))
    if target.is_file() or (target.is_dir() and (packed or any(target.iterdir()))):
        raise WrongUse(f"{target} is there already", hint="name an empty folder, or a new file NAME.tar.gz")
    made = Export(target)
    try:
        with tempfile.TemporaryDirectory(prefix=".headway-export-", dir=target.parent) as staging:
            folder = Path(staging, "headway-export")
            folder.mkdir()
            with open_database(settings.database_url, only=(), create=False) as database:
                made.files, described = database.read(lambda tx: _write_rows(tx, folder))
            if logs:
                made.logs = _write_logs(settings.logs, folder / "logs")
            (folder / "README.md").write_text(_readme(described, made, now), encoding="utf-8")
            if packed:
                archive = Path(staging, target.name)
                with tarfile.open(archive, "w:gz") as tar:
                    tar.add(folder, folder.name)
                archive.rename(target)
            else:
                if target.is_dir():
                    target.rmdir()
                folder.rename(target)
    except OSError as error:
        if wants_room(error):
            raise DiskFull(
                f"there is no room for the export {target}", hint="name a place with more room"
            ) from error
        place = f"{error.filename}: " if error.filename else ""
        raise Errored(f"{target} could not be written: {place}{error.strerror or error}") from error
    return made


def _write_rows(tx: Transaction, folder: Path) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    """Lines by file, and the fields of each noun. May be repeated."""
    counts: dict[str, int] = {}
    described: dict[str, tuple[str, ...]] = {}
    tables = {table.name: table for table in whole.tables(tx)}
    for noun in NOUNS:
        if noun.table not in tables:
            # Of a version before.
            continue
        columns = tuple(column for column in tables[noun.table].columns if noun.has(column))
        described[noun.file] = columns
        counts[noun.file] = 0
        with (folder / noun.file).open("w", encoding="utf-8") as file:
            for portion in whole.rows_of(tx, whole.Table(noun.table, columns)):
                for row in portion:
                    file.write(json.dumps(_line(noun, row), ensure_ascii=False) + "\n")
                counts[noun.file] += len(portion)
    return counts, described


def _line(noun: Noun, row: Mapping[str, Any]) -> dict[str, Any]:
    return {RENAMED.get(name, name): _value(noun, name, value) for name, value in row.items()}


def _value(noun: Noun, name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "at" or name.endswith("_at"):
        return from_milliseconds(value).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if name in FLAGS:
        return bool(value)
    if noun.is_json(name):
        return json.loads(value) if value else None
    if name in ("url", "web_url"):
        return _CREDENTIALS.sub("", value)
    return value


def _write_logs(logs: Path, target: Path) -> int:
    """As plain text, however they are stored."""
    count = 0
    for where, _, names in os.walk(logs):
        for name in sorted(
            {name.removesuffix(".gz") for name in names if name.endswith((".log", ".log.gz"))}
        ):
            path = Path(where, name)
            place = target / path.relative_to(logs)
            place.parent.mkdir(parents=True, exist_ok=True)
            with LogFile.open(path) as log, place.open("wb") as file:
                offset, size = 0, log.size
                while offset < size and (data := log.read(offset, min(_CHUNK, size - offset))):
                    file.write(data)
                    offset += len(data)
            count += 1
    return count


def _readme(described: Mapping[str, tuple[str, ...]], made: Export, now: datetime) -> str:
    lines = [
        "# An export of Headway",
        "",
        f"Made at {now:%Y-%m-%d %H:%M:%S} UTC by Headway {__version__}. Each file holds one JSON object a line, in UTF-8.",
        "Instants are ISO 8601 in UTC, durations seconds, sizes bytes; `null` is what is not known or has not happened.",
        "Passwords, sessions, tokens and secrets are not in it.",
        "",
    ]
    if made.logs:
        lines += ["`logs/RUN/JOB.ATTEMPT.log` are the jobs' masked logs as plain text.", ""]
    for noun in NOUNS:
        if noun.file in described:
            lines += _section(noun, described[noun.file], made.files[noun.file])
    return "\n".join(lines)


def _section(noun: Noun, columns: tuple[str, ...], count: int) -> list[str]:
    rows = [
        f"| `{RENAMED.get(column, column)}` | {_kind(noun, column)} | {FIELDS.get(column, '')} |"
        for column in columns
    ]
    return [
        f"## {noun.file}",
        "",
        f"{noun.sentence} {count:,} lines.",
        "",
        "| field | | |",
        "|---|---|---|",
        *rows,
        "",
    ]


def _kind(noun: Noun, column: str) -> str:
    if column == "at" or column.endswith("_at"):
        return "instant"
    if column in FLAGS:
        return "true or false"
    return "JSON" if noun.is_json(column) else "text or number"
