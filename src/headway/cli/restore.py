"""`headway restore`: a backup's way back."""

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from headway.cli.output import echo, emit_json, json_option
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.engine.keeping.restore import Restored


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The data folder to make; HEADWAY_DATA if not said.",
)
@click.option("--database", metavar="URL", help="The database to fill; HEADWAY_DATABASE_URL if not said.")
@click.option("--database-only", is_flag=True, help="Only the rows; the data folder stays as it is.")
@click.option("--force", is_flag=True, help="Move what stands there aside first. Nothing is removed.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    file: Path,
    into: Path | None,
    database: str | None,
    database_only: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Restore a backup into an empty data folder and an empty database.

    Every checksum is compared first, and either all of it is restored or nothing. No server may run on the folder.
    """
    from headway.base.clock import SystemClock
    from headway.engine.keeping.restore import restore_backup

    meant = _meant(settings, into, database)
    restored = restore_backup(
        meant,
        file.absolute(),
        SystemClock().now(),
        force=force,
        only_database=database_only,
    )
    if as_json:
        emit_json(_document(restored))
        return 0
    echo(
        f"{restored.data}: {sum(restored.rows.values()):,} rows, {restored.files:,} files, "
        f"{restored.repositories} repositories, as they were at {restored.created_at} (Headway {restored.version})"
    )
    for place in restored.moved:
        echo(f"  what stood there before is {place}")
    if not restored.has_artifacts:
        echo("  without artifacts: releases of then can be shown, not deployed; run their commits again")
    if not restored.has_keys:
        echo(
            f"  next: put secret.key (and secrets/) into {restored.data}, or headway up does not start: the stored secrets could not be read"
        )
    for line in _next(settings, meant):
        echo(f"  {line}")
    return 0


def _next(settings: Settings, meant: Settings) -> list[str]:
    """Commands act on what was restored, also where that is not what they act on else."""
    up, prefix = "headway up", ""
    if meant.data != settings.data:
        up += f" --data {quote(str(meant.data))}"
        prefix += f"HEADWAY_DATA={quote(str(meant.data))} "
    if meant.database_url not in (settings.database_url, f"sqlite:///{meant.data / 'headway.db'}"):
        # Not as it was typed: it may hold a password.
        up += " --database URL"
        prefix += "HEADWAY_DATABASE_URL=URL "
    return [
        f"next: {up}, or {prefix}headway status; then see what ran at the time of the backup: {prefix}headway logs",
        f"only to look at it, beside a server that goes on: {up} --duties web (nothing is run or sent)",
    ]


def _meant(settings: Settings, into: Path | None, database: str | None) -> Settings:
    """The database goes with the data folder, unless it was said to be elsewhere."""
    usual = f"sqlite:///{settings.data / 'headway.db'}"
    data = into.absolute() if into else settings.data
    url = database or (
        f"sqlite:///{data / 'headway.db'}" if settings.database_url == usual else settings.database_url
    )
    return replace(settings, data=data, database_url=url)


def _document(restored: "Restored") -> dict[str, object]:
    return {
        "data": str(restored.data),
        "created_at": restored.created_at,
        "version": restored.version,
        "rows": restored.rows,
        "files": restored.files,
        "repositories": restored.repositories,
        "has_keys": restored.has_keys,
        "has_artifacts": restored.has_artifacts,
        "moved": restored.moved,
    }
