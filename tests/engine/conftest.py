"""Fixtures of the engine's tests."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.store.database import Database
from tests.support.deploying import Shop
from tests.support.serving import Serving
from tests.support.sshd import Sshd, start_sshd
from tests.support.workshop import Workshop

_roots = itertools.count(1)


@pytest.fixture
def workshop(tmp_path: Path, database_url: str) -> Iterator[Workshop]:
    """A repository, a data folder and an empty database, on both databases."""
    workshop = Workshop(tmp_path, database_url)
    yield workshop
    workshop.close()


@pytest.fixture
def serving(tmp_path: Path, database_url: str) -> Iterator[Serving]:
    """A server's parts, on both databases."""
    serving = Serving(tmp_path, database_url)
    yield serving
    serving.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Sshd]]:
    """Three real sshd, started once for a module; each test has a root of its own on them."""
    folder = tmp_path_factory.mktemp("hosts")
    started = [start_sshd(folder / "1")]
    started += [start_sshd(folder / str(n), client_key=started[0].client_key) for n in (2, 3)]
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def sqlite() -> Iterator[Database]:
    from tests.support.databases import fresh_sqlite_url, opened

    with fresh_sqlite_url() as url, opened(url) as database:
        yield database


@pytest.fixture
def shop(servers: list[Sshd], sqlite: Database, tmp_path: Path) -> Shop:
    return Shop(tmp_path, servers, sqlite, f"apps/shop {next(_roots)}")
