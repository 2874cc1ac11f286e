"""What this machine's database knows of a service's hosts, for commands that do without one as well."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from headway.base.errors import HeadwayError
from headway.cli.output import echo
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.store.database import Transaction

T = TypeVar("T")


def known_here(settings: Settings, read: "Callable[[Transaction], T]", nothing: T, *, without: str) -> T:
    """What `read` finds, or `nothing` where there is no database: looking makes none, and needs none. Where it cannot be
    read, that is said, and `without`: what the command does then."""
    from headway.engine.keeping.upgrade import copy_first
    from headway.store.database import open_database
    from headway.store.sqlite import sqlite_path

    url = settings.database_url
    if url.startswith("sqlite:") and not sqlite_path(url).exists():
        return nothing
    try:
        with open_database(url, before=copy_first(settings)) as database:
            return database.read(read)
    except HeadwayError as error:
        echo(f"{error.message}: {without}", err=True)
        return nothing
