"""A look at a database that changes nothing: whether it is there, readable, and not of a newer Headway."""

from headway.store.database import open_database


def check_database(url: str) -> None:
    """Raises what `open_database` raises. A SQLite file that is not there yet is fine: the first start makes it."""
    if url.startswith("sqlite:///"):
        from headway.store.sqlite import sqlite_path

        if not sqlite_path(url).exists():
            return
    open_database(url, only=()).close()
