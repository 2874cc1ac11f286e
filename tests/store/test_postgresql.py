import builtins
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from headway.store import postgresql
from headway.store.counters import next_number
from headway.store.database import Database, Transaction, open_database
from headway.store.errors import DatabaseAddressWrong, DatabaseUnavailable, DriverMissing
from headway.store.postgresql import pyformat
from tests.support.databases import PostgresqlServer

KILL_OTHERS = (
    "SELECT COUNT(pg_terminate_backend(pid)) AS killed FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    with postgresql_server.fresh_url() as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with open_database(url) as database:
        yield database


def kill_connections(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(KILL_OTHERS)


@pytest.mark.parametrize(
    ("ours", "psycopgs"),
    [
        ("SELECT :a, :b_2", "SELECT %(a)s, %(b_2)s"),
        ("x LIKE 'a%' AND y = :y", "x LIKE 'a%%' AND y = %(y)s"),
        ("a::text, '12:30'", "a::text, '12:30'"),
    ],
)
def test_named_parameters_become_pyformat(ours: str, psycopgs: str) -> None:
    assert pyformat(ours) == psycopgs


@pytest.mark.parametrize("what", ["write", "read"])
def test_a_dropped_connection_is_opened_again_on_the_next_call(
    database: Database, url: str, what: str
) -> None:
    def call() -> object:
        if what == "write":
            return database.transact(lambda tx: next_number(tx, "shop", "run"))
        return database.read(lambda tx: tx.one("SELECT 1 AS one"))

    call()
    kill_connections(url)
    assert call() == (2 if what == "write" else {"one": 1})


def test_a_process_that_is_frozen_amid_its_transaction_holds_others_up_for_a_while_only(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "IDLE_MILLISECONDS", 200)
    tries: list[int] = []
    with open_database(url) as frozen, open_database(url) as other, ThreadPoolExecutor(1) as beside:

        def work(tx: Transaction) -> int:
            number = next_number(tx, "shop", "run")
            tries.append(number)
            if len(tries) == 1:
                # Frozen until another one has got what we hold.
                waits = beside.submit(other.transact, lambda tx: next_number(tx, "shop", "run"))
                assert waits.result(timeout=60) == 1
            tx.one("SELECT 1 AS one")
            return number

        assert frozen.transact(work) == 2
    assert tries == [1, 2]


def test_limits_of_ours_hold_unless_the_address_sets_its_own(url: str) -> None:
    for said, told in (("", "30000"), ("&tcp_user_timeout=1234", "1234")):
        connection = postgresql.PostgresqlConnection(f"{url}{said}", writes=False)
        assert connection._psycopg.info.get_parameters()["tcp_user_timeout"] == told
        connection.close()


def test_a_transaction_whose_connection_drops_is_run_again(database: Database, url: str) -> None:
    tries = []

    def work(tx: Transaction) -> int:
        number = next_number(tx, "shop", "run")
        tries.append(number)
        if len(tries) == 1:
            kill_connections(url)
        tx.one("SELECT 1 AS one")
        return number

    assert database.transact(work) == 1
    assert tries == [1, 1]


def test_a_connection_lost_at_commit_says_that_it_does_not_know(database: Database, url: str) -> None:
    def work(tx: Transaction) -> None:
        next_number(tx, "shop", "run")
        kill_connections(url)

    with pytest.raises(DatabaseUnavailable, match="not known"):
        database.transact(work)
    assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 1


def test_a_deadlock_is_run_again(url: str) -> None:
    """Two writers take two rows in opposite order, again and again; every increment must count."""

    def writer(order: tuple[str, str]) -> None:
        with open_database(url) as mine:
            for _ in range(4):
                mine.transact(lambda tx: [next_number(tx, service, "run") for service in order])

    with open_database(url) as database:
        import psycopg

        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(
                "ALTER ROLE postgres IN DATABASE " + admin.info.dbname + " SET deadlock_timeout = '10ms'"
            )
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(writer, [("a", "b"), ("b", "a")]))
        assert database.transact(lambda tx: [next_number(tx, s, "run") for s in "ab"]) == [9, 9]


def test_a_refused_server_is_told_with_its_host_and_never_the_password() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DatabaseUnavailable) as caught:
        open_database(f"postgresql://ana:hunter2@127.0.0.1:{port}/headway")
    assert caught.value.exit_code == 3
    assert f"127.0.0.1:{port}/headway" in caught.value.message
    assert "hunter2" not in caught.value.message + str(caught.value.hint)


def test_an_address_that_cannot_be_read_is_told_without_its_password() -> None:
    with pytest.raises(DatabaseAddressWrong) as caught:
        open_database("postgresql://ana:hunter2@[::1/headway")
    assert caught.value.exit_code == 2
    assert "hunter2" not in caught.value.message + str(caught.value.hint)


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: object, **more: object) -> object:
        if name.partition(".")[0] == "psycopg":
            raise ImportError(name)
        return real(name, *arguments, **more)  # type: ignore[arg-type]

    for name in [name for name in sys.modules if name.split(".")[0] == "psycopg"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DriverMissing) as caught:
        open_database("postgresql://host/name")
    assert caught.value.exit_code == 2
    assert "headway[postgresql]" in str(caught.value.hint)


def test_a_full_server_is_told(database: Database) -> None:
    """PostgreSQL's own word, 53100, raised by the server."""
    with pytest.raises(Exception, match="no room left") as caught:
        database.transact(
            lambda tx: tx.execute(
                "DO $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$"
            )
        )
    assert type(caught.value).__name__ == "DiskFull"


def test_a_user_who_may_not_write_is_told(database: Database, url: str) -> None:
    database.transact(lambda tx: tx.execute("CREATE ROLE guest LOGIN"))
    try:
        with pytest.raises(DatabaseUnavailable, match="refuses") as caught:
            open_database(url.replace("postgres:@", "guest:@"))
        assert caught.value.exit_code == 3
    finally:
        database.transact(lambda tx: tx.execute("DROP ROLE guest"))
