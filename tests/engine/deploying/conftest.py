"""Three real sshd, started once for a module; each test has a root of its own on them."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.store.database import Database
from tests.support.deploying import Shop
from tests.support.sshd import Sshd, start_sshd

_roots = itertools.count(1)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Sshd]]:
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
