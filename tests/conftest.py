"""Fixtures of every test. `database` runs a test on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from headway.store.database import Database
from tests.support.databases import PostgresqlServer, fresh_sqlite_url, opened, running_postgresql


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """One server for the session (for each xdist worker); about 1.5 s, only when a test asks for it."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database of this test's own, on both databases."""
    if request.param == "sqlite":
        with fresh_sqlite_url() as url:
            yield url
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        with server.fresh_url() as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open, migrated, empty database; the test runs on both kinds."""
    with opened(database_url) as database:
        yield database
