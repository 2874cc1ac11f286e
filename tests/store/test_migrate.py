import subprocess
import sys
from pathlib import Path

import pytest

from headway.store.counters import next_number
from headway.store.database import open_database
from headway.store.errors import DatabaseTooNew
from headway.store.migrate import FOLDER, known_migrations, migrate, statements
from headway.store.postgresql import PostgresqlConnection
from headway.store.sqlite import SqliteConnection, sqlite_path
from tests.support.databases import PostgresqlServer

DUMPS = Path(__file__).parent / "dumps"
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A database that Headway has never seen."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/headway.db"
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        with server.fresh_url(template="template0") as url:
            yield url


def connect(url: str) -> SqliteConnection | PostgresqlConnection:
    if url.startswith("sqlite"):
        return SqliteConnection(sqlite_path(url), writes=True)
    return PostgresqlConnection(url, writes=True)


def names(url: str) -> list[str]:
    with open_database(url) as database:
        return [
            row["name"]
            for row in database.read(lambda tx: tx.all("SELECT name FROM migrations ORDER BY name"))
        ]


def test_a_new_database_gets_every_migration_once(empty_url: str) -> None:
    assert names(empty_url) == list(known_migrations())
    assert names(empty_url) == list(known_migrations())


def test_migrations_are_numbered_each_with_its_own_number() -> None:
    numbers = [name.split("_")[0] for name in known_migrations()]
    assert all(len(number) == 4 and number.isdigit() for number in numbers)
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("dump", sorted(DUMPS.glob("*.sql")), ids=lambda dump: dump.stem)
def test_an_old_database_is_migrated_with_all_its_rows(empty_url: str, dump: Path) -> None:
    connection = connect(empty_url)
    connection.begin()
    for statement in statements(dump.read_text()):
        connection.run(statement, {})
    connection.commit()
    connection.close()
    assert names(empty_url) == list(known_migrations())
    with open_database(empty_url) as database:
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 42


def test_a_database_newer_than_the_program_is_refused_untouched(empty_url: str) -> None:
    with open_database(empty_url) as database:
        database.transact(
            lambda tx: tx.execute("INSERT INTO migrations (name, applied_at) VALUES ('9000_future', 1)")
        )
    with pytest.raises(DatabaseTooNew) as caught:
        open_database(empty_url)
    assert caught.value.exit_code == 2
    assert "9000_future" in caught.value.message
    assert known_migrations()[-1] in caught.value.message
    assert caught.value.hint


def test_a_migration_that_fails_leaves_nothing_of_itself(empty_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0000_first.sql").write_text("CREATE TABLE one (id BIGINT PRIMARY KEY);")
    (folder / "0001_bad.sql").write_text(
        "CREATE TABLE two (id BIGINT PRIMARY KEY); INSERT INTO nowhere VALUES (1);"
    )
    connection = connect(empty_url)
    with pytest.raises(Exception, match="nowhere"):
        migrate(connection, folder)
    connection.begin()
    assert connection.has_table("one")
    assert not connection.has_table("two")
    connection.rollback()
    connection.close()


def test_processes_that_open_a_new_database_at_once_all_succeed(empty_url: str) -> None:
    command = [sys.executable, "-m", "tests.support.writers", "open", empty_url]
    openers = [
        subprocess.Popen(command, cwd=CHECKOUT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    for opener in openers:
        opener.communicate(timeout=60)
        assert opener.returncode == 0
    assert names(empty_url) == list(known_migrations())


def test_comments_are_no_statements() -> None:
    assert statements("-- one; two\nCREATE x; -- three\n\nCREATE y;\n") == ["CREATE x", "CREATE y"]
    assert all(statements((FOLDER / f"{name}.sql").read_text()) for name in known_migrations())
