"""`headway up --check`: what a start would find out, one thing after the other, all faults at once."""

import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from headway.base.clock import SystemClock
from headway.base.errors import Errored, HeadwayError, WrongUse
from headway.engine.data_folder import require_own
from headway.engine.janitor.retention import rules_from
from headway.engine.keeping.disk import watermark_from
from headway.engine.ownership import is_alive
from headway.engine.secrets.keys import KeySource
from headway.engine.secrets.lost_keys import require_keys
from headway.engine.server_lock import running_server
from headway.engine.server_place import LEASE, name, other_server, refusal
from headway.engine.server_settings import ServerSettings
from headway.engine.settings import Settings
from headway.store import whole
from headway.store.database import Transaction
from headway.store.inspect import look, pending_migrations

Finding = tuple[str, HeadwayError | None]


def check_server(settings: Settings, options: ServerSettings) -> list[Finding]:
    """Each thing and what is wrong with it. Changes nothing: an old database is not migrated, no key is made."""
    checks: list[tuple[str, Callable[[], object]]] = [
        (f"the data folder {settings.data}", lambda: _folder(settings.data)),
        ("no other server on it", lambda: _alone(settings.data)),
        (f"the address {options.host}:{options.port}", lambda: _address(options, settings)),
        ("the database", lambda: _pending(settings.database_url)),
        ("no other server on the database", lambda: look(settings.database_url, _alone_there)),
        ("the key of secrets", lambda: _key(settings)),
        (f"the organisation's file {options.org_file}", lambda: require_org(options)),
        ("what is kept free: HEADWAY_KEEP_FREE", lambda: watermark_from(settings)),
        ("what is kept how long: HEADWAY_KEEP_RELEASES, HEADWAY_KEEP_LOGS", lambda: rules_from(settings)),
        ("git", lambda: _program("git")),
    ]
    found = []
    for what, check in checks:
        error, said = _caught(check)
        found.append((f"{what} ({said})" if said else what, error))
    return found


def _caught(check: Callable[[], object]) -> tuple[HeadwayError | None, str]:
    """What is wrong, and what a check has to say where nothing is."""
    try:
        said = check()
    except HeadwayError as error:
        return error, ""
    return None, said if isinstance(said, str) else ""


def _pending(url: str) -> str:
    pending = pending_migrations(url)
    many = "s" if len(pending) > 1 else ""
    return f"the start copies it, then applies the migration{many} {', '.join(pending)}" if pending else ""


def _alone_there(tx: Transaction) -> str:
    """As the start judges it: refused by one that lives; for one that may be gone it waits."""
    found = other_server(tx, SystemClock().now())
    if found is None:
        return ""
    if is_alive(found.owner):
        raise refusal(found)
    return f"{name(found)} has not given it back: the start waits up to {LEASE.seconds} s to see whether it is gone"


def _key(settings: Settings) -> None:
    source = KeySource.of(settings)
    source.read()

    def fits(tx: Transaction) -> None:
        if "secrets" in {table.name for table in whole.tables(tx)}:
            require_keys(tx, source)

    look(settings.database_url, fits)


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


def require_org(options: ServerSettings) -> None:
    """Raises WrongUse for one that was named and is not there, OrgInvalid for its faults."""
    from headway.engine.repositories.org import read_org_file

    if options.org_file.exists():
        read_org_file(options.org_file)
    elif options.org_is_named:
        raise WrongUse(
            f"there is no file {options.org_file}",
            hint="see --org; without it org.toml in the data folder counts",
        )


def _program(name: str) -> None:
    import shutil

    if shutil.which(name) is None:
        raise Errored(f"there is no {name} on this machine", hint=f"sudo apt install {name}")
