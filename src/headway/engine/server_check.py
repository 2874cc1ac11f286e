"""`headway up --check`: what a start would find out, one thing after the other, all faults at once."""

import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from headway.base.errors import Errored, HeadwayError, WrongUse
from headway.engine.data_folder import require_own
from headway.engine.server_lock import running_server
from headway.engine.server_settings import ServerSettings
from headway.engine.settings import Settings
from headway.engine.vault import open_vault
from headway.store.inspect import check_database

Finding = tuple[str, HeadwayError | None]


def check_server(settings: Settings, options: ServerSettings) -> list[Finding]:
    """Each thing and what is wrong with it. Changes nothing: an old database is not migrated, no key is made."""
    checks: list[tuple[str, Callable[[], object]]] = [
        (f"the data folder {settings.data}", lambda: _folder(settings.data)),
        ("no other server on it", lambda: _alone(settings.data)),
        (f"the address {options.host}:{options.port}", lambda: _address(options, settings)),
        ("the database", lambda: check_database(settings.database_url)),
        ("the key of secrets", lambda: open_vault(settings)),
        (f"the organisation's file {options.org_file}", lambda: _org(options.org_file)),
        ("git", lambda: _program("git")),
    ]
    return [(what, _caught(check)) for what, check in checks]


def _caught(check: Callable[[], object]) -> HeadwayError | None:
    try:
        check()
    except HeadwayError as error:
        return error
    return None


def _folder(data: Path) -> None:
    place = data
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        raise Errored(f"{place} may not be written to", hint=f"see: ls -ld {place}")
    if not place.is_dir():
        raise WrongUse(f"{place} is no folder", hint="name another: --data DIR")
    if place == data:
        require_own(data)


def _alone(data: Path) -> None:
    running = running_server(data)
    if running is not None:
        raise WrongUse(
            f"process {running.pid} serves it at {running.url}", hint="stop it first, or leave it be"
        )


def _address(options: ServerSettings, settings: Settings) -> None:
    if running_server(settings.data) is not None:
        return
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((options.host, options.port))
        except OSError as error:
            raise WrongUse(
                f"it cannot be listened at: {(error.strerror or str(error)).lower()}",
                hint="take another: --listen 127.0.0.1:8081",
            ) from error


def _org(file: Path) -> None:
    from headway.engine.org import read_org_file

    if file.exists():
        read_org_file(file)


def _program(name: str) -> None:
    import shutil

    if shutil.which(name) is None:
        raise Errored(f"there is no {name} on this machine", hint=f"sudo apt install {name}")
