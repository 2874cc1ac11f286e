import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headway.store import sqlite
from headway.store.counters import next_number
from headway.store.database import Database, open_database
from headway.store.errors import DatabaseBusy, DatabaseDamaged, DatabaseUnavailable, DiskFull
from headway.store.sqlite import sqlite_path

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "headway.db"


@pytest.mark.parametrize("url", ["sqlite:///var/lib/headway.db", "sqlite:////var/lib/headway.db"])
def test_both_spellings_of_an_absolute_path(url: str) -> None:
    assert sqlite_path(url) == Path("/var/lib/headway.db")


def test_folder_and_files_are_for_their_user_only(path: Path) -> None:
    before = os.umask(0)
    try:
        with open_database(f"sqlite:///{path}") as database:
            database.transact(lambda tx: next_number(tx, "shop", "run"))
            modes = {
                item.name: stat.S_IMODE(item.stat().st_mode) for item in [path.parent, *path.parent.iterdir()]
            }
    finally:
        os.umask(before)
    assert modes == {"data": 0o700, "headway.db": 0o600, "headway.db-wal": 0o600, "headway.db-shm": 0o600}


def test_it_syncs_every_commit_and_keeps_foreign_keys(path: Path) -> None:
    with open_database(f"sqlite:///{path}") as database:
        asked = [
            database.transact(lambda tx, name=name: tx.one(f"PRAGMA {name}"))  # type: ignore[misc]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert asked == [{"journal_mode": "wal"}, {"synchronous": 2}, {"foreign_keys": 1}]


def test_opening_again_writes_nothing(path: Path) -> None:
    """So a command starts at once, whatever was stored: how quickly is measured by the benchmarks."""
    open_database(f"sqlite:///{path}").close()
    watcher = sqlite3.connect(path, isolation_level=None)
    before = watcher.execute("PRAGMA data_version").fetchone()
    open_database(f"sqlite:///{path}").close()
    assert watcher.execute("PRAGMA data_version").fetchone() == before
    watcher.close()


def test_a_full_disk_is_told_and_what_was_stored_stays(path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.writers", "fill", f"sqlite:///{path}", "2000000"]
    told = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    error, exit_code, stored, hint = told.split()
    assert (error, exit_code, hint) == ("DiskFull", "3", "True")
    assert int(stored) > 3
    with open_database(f"sqlite:///{path}") as database:
        rows = database.read(lambda tx: tx.all("SELECT service FROM counters"))
        assert len(rows) == int(stored)
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 1


@pytest.fixture
def small_disk(tmp_path: Path):  # type: ignore[no-untyped-def]
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting a small disk needs root; the limit on a file's size is tested beside it")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(database: Database) -> None:
    for number in range(1000):
        name = f"{number}-" + "x" * 3000
        database.transact(lambda tx, name=name: next_number(tx, name, "run"))  # type: ignore[misc]


def test_a_disk_without_any_room_is_told_when_opening_and_when_writing(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/data/headway.db"
    with open_database(url) as database:
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 1
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(3_000_000))
        with pytest.raises(DiskFull, match="no room left") as caught:
            fill(database)
        assert str(small_disk / "data") in str(caught.value.hint)
        filler.unlink()
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 2
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(3_000_000))
    with pytest.raises(DiskFull):
        open_database(f"sqlite:///{small_disk}/another/headway.db")


def test_sqlites_own_word_for_a_full_disk(path: Path) -> None:
    with open_database(f"sqlite:///{path}") as database:
        database.transact(lambda tx: tx.execute("PRAGMA max_page_count = 400"))
        with pytest.raises(Exception, match="no room left") as caught:
            database.transact(lambda tx: next_number(tx, "x" * 2_000_000, "run"))
        assert type(caught.value).__name__ == "DiskFull"
        database.transact(lambda tx: tx.execute("PRAGMA max_page_count = 10000"))
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 1


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be taken for one " * 40)
    with pytest.raises(DatabaseDamaged, match="not a whole Headway database"):
        open_database(f"sqlite:///{path}")


def test_a_folder_where_the_file_should_be_is_told(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(DatabaseUnavailable, match="unable to open database file") as caught:
        open_database(f"sqlite:///{path}")
    assert caught.value.exit_code == 3


def test_a_writer_waits_for_another_process_and_gives_up_in_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_database(f"sqlite:///{path}") as database:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        refused = threading.Event()
        monkeypatch.setattr(sqlite.time, "sleep", lambda seconds: refused.set())
        release = threading.Thread(target=lambda: (refused.wait(60), other.execute("COMMIT")))
        release.start()
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 1
        assert refused.is_set(), "it found the database locked, and tried again"
        release.join()
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(sqlite, "WAIT", 0.1)
        with pytest.raises(DatabaseBusy, match="locked by another process") as caught:
            database.transact(lambda tx: next_number(tx, "shop", "run"))
        assert caught.value.exit_code == 3
        other.close()
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 2


def test_a_writer_that_waits_asks_often_however_long_it_has_waited(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own busy handler sleeps longer and longer: the second of two busy writers got hardly anything."""
    with open_database(f"sqlite:///{path}") as database:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 500:
                other.execute("COMMIT")

        monkeypatch.setattr(sqlite.time, "sleep", sleep)
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 1
        other.close()
    assert len(waits) == 500
    assert all(0.0005 <= wait <= 0.003 for wait in waits)
    assert len(set(waits)) > 50, "with chance in it, so that two that wait do not meet again and again"
