"""Whom a command speaks to: the server that HEADWAY_SERVER names, the one that has this data folder, or nobody.

NoServer     2   one is needed, and there is none
TokenOpen    2   a token file that others could read
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headway.base.errors import WrongUse
from headway.engine.server_lock import running_server
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.client.http import HeadwayClient

F = TypeVar("F", bound=Callable[..., Any])


class NoServer(WrongUse):
    pass


class TokenOpen(WrongUse):
    pass


def local_option(function: F) -> F:
    return click.option("--local", is_flag=True, help="On this machine, even if there is a server.")(function)


def server_for(settings: Settings, *, local: bool = False) -> "HeadwayClient | None":
    """None: the command acts on this machine. What speaks to servers is imported only when there is one.

    Raises the errors above, AddressUnsafe and SocketNotOurs.
    """
    if local:
        return None
    if address := settings.environment.get("HEADWAY_SERVER"):
        from headway.client.http import HeadwayClient

        return HeadwayClient.at(address, _token(settings))
    running = running_server(settings.data)
    if running is None:
        return None
    from headway.client.http import HeadwayClient

    return HeadwayClient.here(running.socket, running.url)


def needed_server(settings: Settings) -> "HeadwayClient":
    """Raises NoServer."""
    found = server_for(settings)
    if found is None:
        raise NoServer(
            "this needs a server, and there is none",
            hint="export HEADWAY_SERVER=https://headway.example.org HEADWAY_TOKEN=hw_…; or start one: headway up",
        )
    return found


def _token(settings: Settings) -> str | None:
    if token := settings.environment.get("HEADWAY_TOKEN"):
        return token.strip()
    if name := settings.environment.get("HEADWAY_TOKEN_FILE"):
        return _read_private(Path(name).expanduser())
    return None


def _read_private(file: Path) -> str:
    """Raises TokenOpen."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
                raise TokenOpen(f"{file} can be read by others", hint=f"chmod 600 {file}")
            return opened.read(4096).decode(errors="replace").strip()
    except OSError as error:
        raise TokenOpen(
            f"the token file {file} cannot be read: {error.strerror}",
            hint="HEADWAY_TOKEN_FILE names a file that holds the token alone",
        ) from error
