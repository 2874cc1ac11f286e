"""Fixtures of every test. `database` runs a test on SQLite and on PostgreSQL."""

import os
import time
from collections.abc import Callable, Iterator

import pytest

from headway.store.database import Database
from tests.support.database_files import guard_database_files
from tests.support.databases import PostgresqlServer, fresh_sqlite_url, opened, running_postgresql

guard_database_files()


pytest_plugins = ["tests.support.surroundings"]


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


@pytest.fixture
def standing_still(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Called with seconds: as if this process had been stopped for so long, while all others went on."""
    skipped, real = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + skipped[0])

    def stand_still(seconds: float) -> None:
        skipped[0] += seconds

    return stand_still


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where nothing may be skipped (`HEADWAY_TESTS_SKIP_NOTHING`, set by CI), a skipped test fails the session."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("HEADWAY_TESTS_SKIP_NOTHING") and skipped and exitstatus == 0:
        reporter.write_line(f"{len(skipped)} tests were skipped, and nothing may be skipped here", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
