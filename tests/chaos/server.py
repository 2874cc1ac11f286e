"""One `headway up` under a stream of pushes and webhooks, killed and frozen at random, on SQLite and on PostgreSQL."""

import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

from headway.store.database import open_database
from tests.chaos.stream import Book, Pusher, Sender, Teller, contract
from tests.chaos.strikes import Strikes
from tests.chaos.verdict import Verdict
from tests.chaos.viewer import Viewer
from tests.chaos.world import STUCK_AFTER, Tally
from tests.support.databases import PostgresqlServer, running_postgresql
from tests.support.repositories import Repository
from tests.support.running_server import RunningServer
from tests.support.serving_account import make_account

#: What the metrics say of a server at rest.
_AT_REST = (
    "headway_arrivals_waiting",
    "headway_outbox_waiting",
    "headway_runs_unfinished",
    "headway_jobs_running",
    "headway_jobs_waiting",
)


#: What was being sent when the process was killed is sent again after so long.
_LEASE = 120.0


def attack(folder: Path, kills: int, seed: int, tally: Tally) -> None:
    """Half of them on each of the two databases."""
    Attack(folder / "sqlite", None, None, tally, random.Random(seed)).all((kills + 1) // 2)
    with running_postgresql() as postgresql, postgresql.fresh_url() as url:
        Attack(folder / "postgresql", url, postgresql, tally, random.Random(seed + 1)).all(kills // 2)


class Attack:
    def __init__(
        self,
        folder: Path,
        database_url: str | None,
        postgresql: PostgresqlServer | None,
        tally: Tally,
        chance: random.Random,
    ) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.tally, self.chance = tally, chance
        self.record = folder / "record"
        self.record.touch()
        self.book = Book()
        self.server = RunningServer(folder, database_url)
        self.database_url = database_url or f"sqlite:///{self.server.data / 'headway.db'}"
        self.postgresql = postgresql
        self.account = make_account(self.server.data, database_url)

    def all(self, kills: int) -> None:
        strikes = Strikes(self.server, self.chance, self.tally, self.postgresql)
        try:
            self.server.start()
            viewer = Viewer(self.server, self.account.session)
            viewer.start()
            with self._senders():
                strikes.all(kills)
            self._wait_for_rest()
            time.sleep(0.5)
            viewer.stop()
            self.server.stop()
        finally:
            self.server.close()
        self._judge(viewer, strikes)

    @contextlib.contextmanager
    def _senders(self) -> Iterator[None]:
        senders = [*self._pushers(), *self._tellers()]
        for sender in senders:
            sender.start()
        yield
        for sender in senders:
            sender.stop()
        for sender in senders:
            sender.finish()

    def _pushers(self) -> list[Sender]:
        self.server.add_repository("hosted")
        return [
            Pusher(
                self.folder / branch.replace("/", "-"),
                self.server,
                self.account.token,
                branch,
                {"headway.toml": contract("hosted", superseded, self.record)},
                random.Random(self.chance.random()),
                self.book,
            )
            for branch, superseded in {"main": "collapse", "topic/keep": "keep"}.items()
        ]

    def _tellers(self) -> list[Sender]:
        working = Repository(self.folder / "elsewhere")
        added = self.server.add_repository("told", url=str(working.folder), forge="github")
        address = f"{self.server.url}/hooks/{added['repository']['id']}"
        files = {"headway.toml": contract("told", "keep", self.record)}
        chance = random.Random(self.chance.random())
        return [Teller(working, address, added["webhook_secret"], "main", files, chance, self.book)]

    def _wait_for_rest(self) -> None:
        """Until nothing is under way, and every push has its run."""
        until = time.monotonic() + STUCK_AFTER + _LEASE
        while time.monotonic() < until:
            numbers = self.server.metrics()
            if not any(numbers[name] for name in _AT_REST) and self._ended() >= len(self.book.accepted):
                return
            time.sleep(0.2)
        self.tally.fault("stuck", f"it does not come to rest: { {name: numbers[name] for name in _AT_REST} }")

    def _ended(self) -> int:
        with open_database(self.database_url) as database:
            row = database.read(
                lambda tx: tx.one("SELECT COUNT(*) AS ended FROM runs WHERE finished_at IS NOT NULL")
            )
        return 0 if row is None else int(row["ended"])

    def _judge(self, viewer: Viewer, strikes: Strikes) -> None:
        with open_database(self.database_url) as database:
            verdict = Verdict(database, self.server.data, self.tally)
            verdict.pushes(self.book)
            verdict.record(self.record.read_text().splitlines(), strikes.orphaned)
            verdict.logs()
            verdict.rows()
            verdict.events(viewer)
        print(
            f"  server on {self.folder.name}: {len(self.book.accepted)} pushes, "
            f"{len(strikes.orphaned)} builders killed, {strikes.restarts} restarts of the database, "
            f"{viewer.connections} connections of a viewer: {self.tally.line()}",
            flush=True,
        )
