"""One server a database: who is refused, who takes over, and who notices that it was taken over."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from headway.engine import ownership
from headway.engine.keeping.restore import NotEmpty, restore_backup
from headway.engine.server_lock import ServerRuns
from headway.engine.server_place import ID, KIND, LEASE, ServerPlace, alone_first
from headway.store import owners
from headway.store.database import Database
from tests.support.clocks import NOON, HandClock
from tests.support.databases import PostgresqlServer, opened
from tests.support.settings import settings_in

HERE = replace(ownership.this_process("headway@here"), pid=4711)
THERE = replace(HERE, machine="app-2:5f0c", user="headway@app-2", pid=815)


class Sleeper(HandClock):
    """While it sleeps, time passes and something else may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None
        self.slept = 0

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        assert self.slept < 1000
        self.pass_(timedelta(seconds=seconds))
        self.meanwhile()


def place(database: Database, owner: owners.Owner, alive: bool | None, clock: Sleeper) -> ServerPlace:
    return ServerPlace(database, clock, owner, f"http://{owner.pid}", is_alive=lambda _: alive)


@pytest.fixture
def clock() -> Sleeper:
    return Sleeper()


async def test_a_second_server_is_refused_with_the_first_ones_name(
    database: Database, clock: Sleeper
) -> None:
    await place(database, HERE, None, clock).take()
    with pytest.raises(ServerRuns, match=r"process 4711 of headway@here at http://4711"):
        await place(database, THERE, True, clock).take()
    assert clock.slept == 0


async def test_one_that_gave_its_place_back_or_died_is_followed_at_once(
    database: Database, clock: Sleeper
) -> None:
    first = place(database, HERE, None, clock)
    await first.take()
    await first.leave()
    await place(database, THERE, None, clock).take()
    await place(database, HERE, False, clock).take()
    assert clock.slept == 0
    claim = database.read(lambda tx: owners.holder(tx, KIND, ID))
    assert claim is not None and claim.owner == HERE


async def test_one_on_another_machine_that_beats_is_refused_and_one_that_does_not_is_followed(
    database: Database, clock: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect == "postgresql":
        # Its leases go by its own clock; the test has none to set.
        monkeypatch.setattr("headway.engine.server_place.LEASE", timedelta(seconds=0.3))
        monkeypatch.setattr("headway.engine.server_place._LOOK", 0.0)
    first = place(database, HERE, None, clock)
    await first.take()
    token = first._token
    assert token is not None
    clock.meanwhile = lambda: database.transact(
        lambda tx: owners.renew(tx, KIND, ID, token, clock.now(), LEASE)
    )
    with pytest.raises(ServerRuns, match="process 4711"):
        await place(database, THERE, None, clock).take()
    assert clock.slept == 1, "it beats: it lives"
    database.transact(lambda tx: owners.renew(tx, KIND, ID, token, clock.now(), timedelta(seconds=0.3)))
    clock.meanwhile = lambda: None
    if database.dialect == "postgresql":
        clock.meanwhile = lambda: database.read(lambda tx: tx.one("SELECT pg_sleep(0.05)"))
    second = place(database, THERE, None, clock)
    await second.take()

    # The first one wakes up.
    stopped: list[str] = []
    first.on_lost = lambda: stopped.append(first.lost)
    await first.beat(clock.now())
    assert stopped == [
        "process 815 of headway@app-2 at http://815 has taken this database over, as this server was not heard of for "
        "too long"
    ]
    await first.beat(clock.now())
    await first.leave()
    assert len(stopped) == 1
    await second.beat(clock.now())
    assert not second.lost


async def test_tables_are_not_changed_under_a_server_that_lives(database: Database, clock: Sleeper) -> None:
    changed: list[tuple[str, ...]] = []
    before = alone_first(lambda _, pending: changed.append(pending), clock)
    first = ServerPlace(database, clock, ownership.this_process("headway@here"), "http://first")
    await first.take()
    connection = database._connect(True)
    try:
        with pytest.raises(ServerRuns, match="http://first"):
            before(connection, ("0042_next",))
        await first.leave()
        before(connection, ("0042_next",))
    finally:
        connection.close()
    assert changed == [("0042_next",)]


async def test_nothing_is_restored_into_the_database_of_a_server_that_runs(
    postgresql_server: PostgresqlServer, clock: Sleeper, tmp_path: Path
) -> None:
    """Of SQLite its file is refused while anybody has it open: see `test_open_files`."""
    backup = tmp_path / "backup.tar.gz"
    backup.write_bytes(b"not even looked at")
    with postgresql_server.fresh_url() as url, opened(url) as database:
        await ServerPlace(database, clock, THERE, "http://there").take()
        with pytest.raises(NotEmpty, match="process 815 of headway@app-2 at http://there"):
            restore_backup(settings_in(tmp_path, url), backup, NOON, force=True)
