"""`headway backup`: the whole state in one file, while everything goes on."""

import os
from getpass import getuser
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from headway.base.durations import format_size
from headway.base.errors import WrongUse
from headway.cli.output import echo, emit_json, json_option
from headway.cli.server_choice import local_option, server_for
from headway.cli.work_tree import goes_along_from, warn_of_work_tree
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.engine.keeping.backup import Backup


@click.command()
@click.argument("file", required=False)
@click.option("--no-artifacts", is_flag=True, help="Leave the bytes of releases and runs out.")
@click.option(
    "--with-key", is_flag=True, help="Put the key of the stored secrets, and the secrets folder, into it."
)
@local_option
@json_option
@click.pass_obj
def command(
    settings: Settings, *, file: str | None, no_artifacts: bool, with_key: bool, local: bool, as_json: bool
) -> int:
    """Write the whole state (rows, logs, artifacts, repositories) into one file, while the server goes on.

    FILE may be a folder, in which the backup gets a name by its time; if not said, the current one, unless that is a
    repository's. With a slash at its end it is a folder in any case, and is made if it is not there. The key of the
    stored secrets is in it only with --with-key. A backup of SQLite can be restored into PostgreSQL, and the other way
    round: headway restore FILE.
    """
    from headway.base.clock import SystemClock
    from headway.engine.keeping.backup import make_backup

    now = SystemClock().now()
    target = _target(file, f"headway-backup-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    if file is None and (top := goes_along_from(settings, target)) is not None:
        raise WrongUse(
            f"this folder lies in the working tree of {top}: the next headway run would take the backup along",
            hint="say where it is to go: headway backup ~/backups/",
        )
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
    warn_of_work_tree(settings, made.file)
    shown = made.file.name if made.file.parent == Path.cwd() else str(made.file)
    echo(f"  next: try it: headway restore {quote(shown)} --into SOME_EMPTY_FOLDER")
    return 0


def _target(typed: str | None, name: str) -> Path:
    """Where it goes, by what was typed. Raises WrongUse, naming that, where nothing can be written."""
    place = Path(typed or ".")
    if typed is not None and typed.endswith("/"):
        try:
            place.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise WrongUse(
                f"there is no folder {typed}, and it cannot be made: {(error.strerror or str(error)).lower()}",
                hint=f"make it, for the user who makes backups: sudo install -d -m 700 -o {getuser()} {quote(typed)}",
            ) from error
    is_folder = place.is_dir()
    folder = place if is_folder else place.parent
    if not folder.is_dir():
        raise WrongUse(
            f"{typed}: there is no folder {folder}",
            hint=f"make it: mkdir -p -m 700 {quote(str(folder))}",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WrongUse(
            f"{typed or folder.absolute()}: {getuser()} may not write into {folder}",
            hint=f"name a folder of yours, or see whose it is: ls -ld {quote(str(folder))}",
        )
    return place / name if is_folder else place


def _document(made: "Backup") -> dict[str, object]:
    return {"file": str(made.file), **made.told(), "missing": made.missing}
