"""`headway backup`: the whole state in one file, while everything goes on."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.durations import format_size
from headway.base.errors import WrongUse
from headway.cli.output import echo, emit_json, json_option
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.engine.backup import Backup


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--no-artifacts", is_flag=True, help="Leave the bytes of releases and runs out.")
@click.option(
    "--with-key", is_flag=True, help="Put the key of the stored secrets, and the secrets folder, into it."
)
@local_option
@json_option
@click.pass_obj
def command(
    settings: Settings, *, file: Path | None, no_artifacts: bool, with_key: bool, local: bool, as_json: bool
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
    # On the machine of a server no other process is needed to read what lies there.
    server = server_for(settings, local=local)
    if server is not None and not server.is_local:
        from headway.cli.server_backup import fetch_backup

        if with_key:
            raise WrongUse("a server never sends its key", hint="make that backup on its own machine")
        made = fetch_backup(server, target.absolute(), artifacts=not no_artifacts)
    else:
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
        folder = "its " if server is not None and not server.is_local else f"{settings.data}/"
        echo(
            f"  not in it: {', '.join(folder + name for name in made.keys)}; keep a copy elsewhere, "
            "without the key the stored secrets cannot be read (--with-key puts all of it in)"
        )
    echo(f"  next: try it: headway restore {made.file.name} --into SOME_EMPTY_FOLDER")
    return 0


def _document(made: "Backup") -> dict[str, object]:
    return {"file": str(made.file), **made.told(), "missing": made.missing}
