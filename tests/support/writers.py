"""Processes that write to a database, to be killed or starved. Run as `python -m tests.support.writers MODE URL …`.

pairs:  for ever, one transaction a pair of rows (n, 'a') and (n, 'b'); prints n once it is stored.
count:  take NUMBER numbers from the counter, then end.
open:   open the database when a line arrives on standard input, then end.
fill:   with files limited to BYTES, write until it fails; prints the name of the error and its exit code.
"""

import resource
import signal
import sys

from headway.base.errors import HeadwayError
from headway.store.counters import next_number
from headway.store.database import Transaction, open_database

PAIRS = "CREATE TABLE IF NOT EXISTS pairs (n BIGINT NOT NULL, half TEXT NOT NULL, PRIMARY KEY (n, half))"


def write_pair(tx: Transaction, n: int, half: str) -> None:
    tx.execute("INSERT INTO pairs (n, half) VALUES (:n, :half)", n=n, half=half)


def pairs(url: str) -> None:
    database = open_database(url)
    database.transact(lambda tx: tx.execute(PAIRS))

    def work(tx: Transaction) -> int:
        row = tx.one("SELECT COALESCE(MAX(n), 0) + 1 AS n FROM pairs")
        assert row is not None
        write_pair(tx, row["n"], "a")
        write_pair(tx, row["n"], "b")
        return int(row["n"])

    while True:
        print(database.transact(work), flush=True)


def count(url: str, number: str) -> None:
    with open_database(url) as database:
        for _ in range(int(number)):
            database.transact(lambda tx: next_number(tx, "shop", "run"))


def fill(url: str, limit: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open_database(url) as database:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
        try:
            for number in range(10_000):
                name = f"{number}-" + "x" * 5000
                database.transact(lambda tx, name=name: next_number(tx, name, "run"))  # type: ignore[misc]
        except HeadwayError as error:
            print(type(error).__name__, error.exit_code, number, error.hint is not None, flush=True)


def open_on_signal(url: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    open_database(url).close()


if __name__ == "__main__":
    modes = {"pairs": pairs, "count": count, "fill": fill, "open": open_on_signal}
    modes[sys.argv[1]](*sys.argv[2:])
