import asyncio
import functools
import subprocess
import sys
import threading
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from headway.base.errors import HeadwayError
from headway.store.counters import next_number
from headway.store.database import Database, Transaction, open_database
from headway.store.errors import DatabaseAddressWrong, Duplicate
from tests.support.writers import PAIRS, write_pair

CHECKOUT = Path(__file__).parents[2]


class Colour(StrEnum):
    RED = "red"


@pytest.fixture
def pairs(database: Database) -> Database:
    database.transact(lambda tx: tx.execute(PAIRS))
    return database


def count(database: Database) -> int:
    row = database.read(lambda tx: tx.one("SELECT COUNT(*) AS n FROM pairs"))
    assert row is not None
    return int(row["n"])


def start(mode: str, *arguments: str, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.writers", mode, *arguments]
    return subprocess.Popen(command, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, **more)  # type: ignore[call-overload,no-any-return]


def test_a_transaction_is_stored_whole_or_not_at_all(pairs: Database) -> None:
    def work(tx: Transaction) -> None:
        write_pair(tx, 1, "a")
        raise KeyError("half-way")

    with pytest.raises(KeyError):
        pairs.transact(work)
    assert count(pairs) == 0
    pairs.transact(lambda tx: (write_pair(tx, 1, "a"), write_pair(tx, 1, "b")))
    assert count(pairs) == 2


def test_rows_are_dicts_and_counts_are_numbers(pairs: Database) -> None:
    def work(tx: Transaction) -> None:
        write_pair(tx, 1, "a")
        write_pair(tx, 2, "a")
        assert tx.execute("UPDATE pairs SET half = 'b' WHERE n < :limit", limit=10) == 2
        assert tx.all("SELECT n, half FROM pairs ORDER BY n") == [
            {"n": 1, "half": "b"},
            {"n": 2, "half": "b"},
        ]
        assert tx.one("SELECT n FROM pairs WHERE n = :n", n=3) is None
        assert tx.all("DELETE FROM pairs WHERE n = 1 RETURNING n") == [{"n": 1}]
        total = tx.one("SELECT SUM(CAST(n AS BIGINT)) AS total FROM pairs")
        assert total == {"total": 2} and type(total["total"]) is int

    pairs.transact(work)


@pytest.mark.parametrize(
    ("given", "kind", "back"),
    [
        (True, "INTEGER", 1),
        (2**53 + 1, "BIGINT", 2**53 + 1),
        (0.1, "DOUBLE PRECISION", 0.1),
        (Colour.RED, "TEXT", "red"),
        ("100 % :done at 12:30", "TEXT", "100 % :done at 12:30"),
        ("zero\x00byte", "TEXT", "zero\ufffdbyte"),
        ("☃ 🚀", "TEXT", "☃ 🚀"),
        (None, "TEXT", None),
    ],
)
def test_values_come_back_the_same_from_both(
    database: Database, given: object, kind: str, back: object
) -> None:
    row = database.read(lambda tx: tx.one(f"SELECT CAST(:given AS {kind}) AS back", given=given))
    assert row == {"back": back}


def test_a_value_of_another_type_is_refused_by_name(database: Database) -> None:
    with pytest.raises(TypeError, match="'when' is a timedelta"):
        database.transact(lambda tx: tx.execute("SELECT :when", when=timedelta()))


def test_literals_with_colon_and_percent_mean_the_same(database: Database) -> None:
    row = database.read(
        lambda tx: tx.one("SELECT 'a:b 100% :' AS text, 7 % 4 AS rest, 'x' LIKE 'x%' AS alike")
    )
    assert row is not None and (row["text"], row["rest"], bool(row["alike"])) == ("a:b 100% :", 3, True)


def test_a_unique_index_says_duplicate_on_both(pairs: Database) -> None:
    pairs.transact(lambda tx: write_pair(tx, 1, "a"))
    with pytest.raises(Duplicate):
        pairs.transact(lambda tx: write_pair(tx, 1, "a"))
    pairs.transact(lambda tx: write_pair(tx, 1, "b"))
    assert count(pairs) == 2


def test_reading_cannot_write(pairs: Database) -> None:
    with pytest.raises((HeadwayError, Exception), match=r"(?i)read.?only|query_only"):
        pairs.read(lambda tx: write_pair(tx, 1, "a"))
    assert count(pairs) == 0


def test_a_reader_sees_one_picture_while_others_write(pairs: Database) -> None:
    def work(tx: Transaction) -> tuple[int, int]:
        before = len(tx.all("SELECT n FROM pairs"))
        writer = threading.Thread(target=lambda: pairs.transact(lambda own: write_pair(own, 1, "a")))
        writer.start()
        writer.join()
        return before, len(tx.all("SELECT n FROM pairs"))

    assert pairs.read(work) == (0, 0)
    assert count(pairs) == 1


def test_a_transaction_inside_another_is_a_bug_that_is_told(database: Database) -> None:
    with pytest.raises(RuntimeError, match="inside another"):
        database.transact(lambda tx: database.transact(lambda own: None))
    assert database.transact(lambda tx: 1) == 1


async def test_who_stands_at_the_door_is_served_first(pairs: Database) -> None:
    """All that is asked for while one transaction goes on."""
    order: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> None:
        begun.set()
        go_on.wait(10)

    tasks = [asyncio.create_task(pairs.perform(slow))]
    await asyncio.to_thread(begun.wait, 10)
    for name in ("a", "b", "urgent 1", "urgent 2"):
        work = functools.partial(lambda name, tx: order.append(name), name)
        asked = pairs.perform(work, first=name.startswith("urgent"))
        tasks.append(asyncio.create_task(asked))
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["urgent 1", "urgent 2", "b"]


async def test_perform_and_fetch_work_beside_the_loop(pairs: Database) -> None:
    await asyncio.gather(*(pairs.perform(lambda tx, n=n: write_pair(tx, n, "a")) for n in range(40)))  # type: ignore[misc]
    found = await asyncio.gather(*(pairs.fetch(lambda tx: tx.all("SELECT n FROM pairs")) for _ in range(8)))
    assert [len(rows) for rows in found] == [40] * 8


async def test_a_cancelled_caller_does_not_undo_what_has_begun(pairs: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        begun.set()
        assert go_on.wait(5)
        write_pair(tx, 1, "a")

    asked = asyncio.create_task(pairs.perform(work))
    await asyncio.to_thread(begun.wait, 5)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    go_on.set()
    await pairs.perform(lambda tx: None)
    assert count(pairs) == 1


def test_a_closed_database_says_so(database_url: str) -> None:
    database = open_database(database_url)
    database.close()
    database.close()
    with pytest.raises(RuntimeError, match="closed"):
        database.transact(lambda tx: None)
    with pytest.raises(RuntimeError, match="closed"):
        database.read(lambda tx: None)


@pytest.mark.slow
def test_several_processes_write_at_once(database_url: str) -> None:
    writers = [start("count", database_url, "60") for _ in range(3)]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with open_database(database_url) as database:
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 181


def test_a_killed_writer_leaves_whole_transactions(database_url: str) -> None:
    stored = 0
    for kill_after in (5, 11, 2):
        writer = start("pairs", database_url)
        assert writer.stdout is not None
        with writer:
            for _ in range(kill_after):
                stored = int(writer.stdout.readline())
            writer.kill()
        with open_database(database_url) as database:
            rows = database.read(
                lambda tx: tx.all("SELECT n, COUNT(*) AS halves FROM pairs GROUP BY n ORDER BY n")
            )
        # Everything that was told as stored is there, the next one at most besides, and no half.
        assert len(rows) >= stored
        assert [row["n"] for row in rows] == list(range(1, len(rows) + 1))
        assert {row["halves"] for row in rows} == {2}


def test_an_unknown_kind_of_database_is_wrong_use() -> None:
    with pytest.raises(DatabaseAddressWrong) as caught:
        open_database("mysql://me:secret@host/db")
    assert caught.value.exit_code == 2
    assert "secret" not in caught.value.message
