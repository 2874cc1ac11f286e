"""A look at a database that changes nothing: whether it is there, readable, and not of a newer Headway."""

from collections.abc import Callable

from headway.base.errors import HeadwayError
from headway.store import whole
from headway.store.database import Transaction, open_database
from headway.store.errors import NoDatabase
from headway.store.migrate import known_migrations


def pending_migrations(url: str) -> tuple[str, ...]:
    """What a start would apply; empty where no database is yet, which the first start makes. Raises what
    `open_database` raises."""
    try:
        with open_database(url, only=(), create=False) as database:
            applied = database.read(whole.applied_migrations)
    except NoDatabase:
        return ()
    return tuple(name for name in known_migrations() if name not in applied)


def look(url: str, work: Callable[[Transaction], object]) -> object:
    """The answer of a database as it is, whose tables may be older than this program's; None where none can be opened, of
    which `pending_migrations` tells."""
    try:
        database = open_database(url, only=(), create=False)
    except HeadwayError:
        return None
    with database:
        return database.read(work)
