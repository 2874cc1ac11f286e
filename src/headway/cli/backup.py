"""`headway backup`: the whole state in one file, while everything goes on."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.durations import format_size
from headway.cli.output import echo, emit_json, json_option
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.engine.backup import Backup


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--no-artifacts", is_flag=True, help="Leave the bytes of releases and runs out.")
@click.option(
    "--with-key", is_flag=True, help="Put the key of the stored secrets, and the secrets folder, into it."
)
@json_option
@click.pass_obj
def command(
    settings: Settings, *, file: Path | None, no_artifacts: bool, with_key: bool, as_json: bool
) -> int:
    """Write the whole state (rows, logs, artifacts, repositories) into one file, while the server goes on.

    FILE may be a folder, in which the backup gets a name by its time; if not said, the current one. A backup of
    SQLite can be restored into PostgreSQL, and the other way round: headway restore FILE.
    """
    from headway.base.clock import SystemClock
    from headway.engine.backup import make_backup

    now = SystemClock().now()
    target = file or Path.cwd()
    if target.is_dir():
        target = target / f"headway-backup-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    made = make_backup(settings, target.absolute(), now, artifacts=not no_artifacts, keys=with_key)
    if as_json:
        emit_json(_document(made))
        return 0
    parts = [f"{sum(made.rows.values()):,} rows", f"{made.logs:,} logs"]
    parts += [f"{made.artifacts:,} artifacts" if made.has_artifacts else "no artifacts"]
    echo(f"{made.file}  {format_size(made.bytes)}: {', '.join(parts)}, {made.repositories} repositories")
    for name in made.missing:
        echo(f"  {name} went while the backup was made")
    if made.keys and not made.has_keys:
        echo(
            f"  not in it: {', '.join(str(settings.data / name) for name in made.keys)}; keep a copy elsewhere, "
            "without the key the stored secrets cannot be read (--with-key puts all of it in)"
        )
    echo(f"  next: try it: headway restore {made.file.name} --into SOME_EMPTY_FOLDER")
    return 0


def _document(made: "Backup") -> dict[str, object]:
    return {
        "file": str(made.file),
        "bytes": made.bytes,
        "created_at": made.created_at,
        "rows": made.rows,
        "logs": made.logs,
        "artifacts": made.artifacts,
        "repositories": made.repositories,
        "missing": made.missing,
        "keys": {"there": list(made.keys), "in_it": made.has_keys},
    }
