"""One `headway up` under a stream of pushes and webhooks, killed and frozen at random, on SQLite and on PostgreSQL.

Three services: one that it hosts, one that it is told of, and one whose green pushes go to three hosts by themselves.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from headway.store.database import open_database
from tests.chaos.deployments import ROOT, delivered, judge_host, judge_journal
from tests.chaos.stream import Book, Pusher, Sender, Teller, contract
from tests.chaos.strikes import Strikes
from tests.chaos.verdict import Verdict
from tests.chaos.viewer import Viewer
from tests.chaos.world import STUCK_AFTER, Tally
from tests.support.databases import PostgresqlServer, running_postgresql
from tests.support.repositories import Repository
from tests.support.running_server import RunningServer
from tests.support.serving_account import make_account
from tests.support.sshd import Farm

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


HOSTS = 3


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
        self.farm = Farm(folder / "hosts")
        self.server = RunningServer(folder, database_url)
        self.database_url = database_url or f"sqlite:///{self.server.data / 'headway.db'}"
        self.postgresql = postgresql
        self.account = make_account(self.server.data, database_url)

    def all(self, kills: int) -> None:
        strikes = Strikes(self.server, self.chance, self.tally, self.postgresql)
        try:
            self.farm.start(HOSTS)
            self.farm.settings()
            self.server.environment["HEADWAY_SSH_CONFIG"] = str(self.farm.servers[0].config)
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
            self.farm.stop()
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
        for name in ("hosted", "delivered"):
            self.server.add_repository(name)
        shipped = contract("delivered", "collapse", self.record) + delivered(self.farm)

        def release(number: int) -> dict[str, str]:
            """Each third one is not healthy on the last host."""
            health = f'test "$1" != web-{HOSTS}\n' if number % 3 == 0 else "exit 0\n"
            return {"headway.toml": shipped, "version": f"{number}\n", "health.sh": health}

        def plain(superseded: str) -> dict[str, str]:
            return {"headway.toml": contract("hosted", superseded, self.record)}

        return [
            self._pusher("hosted", "main", lambda _: plain("collapse")),
            self._pusher("hosted", "topic/keep", lambda _: plain("keep")),
            self._pusher("delivered", "main", release, longest_pause=6.0),
        ]

    def _pusher(
        self,
        service: str,
        branch: str,
        files: Callable[[int], dict[str, str]],
        longest_pause: float = 1.5,
    ) -> Pusher:
        address = self.server.url.replace("http://", f"http://x:{self.account.token}@")
        return Pusher(
            self.folder / f"{service}-{branch.replace('/', '-')}",
            f"{address}/git/{service}.git",
            service,
            branch,
            files,
            random.Random(self.chance.random()),
            self.book,
            longest_pause,
        )

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
            if not any(numbers[name] for name in _AT_REST) and self._is_done():
                return
            time.sleep(0.2)
        self.tally.fault("stuck", f"it does not come to rest: { {name: numbers[name] for name in _AT_REST} }")

    def _is_done(self) -> bool:
        """Every push has its run, every request its deployment, and all of them have ended."""
        with open_database(self.database_url) as database:
            ended = database.read(
                lambda tx: tx.one("SELECT COUNT(*) AS ended FROM runs WHERE finished_at IS NOT NULL")
            )
            under_way = database.read(
                lambda tx: tx.one(
                    """
                    SELECT 1 AS found FROM requests WHERE due_at IS NOT NULL
                    UNION ALL SELECT 1 FROM deployments WHERE finished_at IS NULL
                    UNION ALL SELECT 1 FROM runs WHERE state = 'succeeded' AND release_id IS NOT NULL
                        AND followed_at IS NULL
                    """
                )
            )
        return under_way is None and ended is not None and int(ended["ended"]) >= len(self.book.accepted)

    def _judge(self, viewer: Viewer, strikes: Strikes) -> None:
        with open_database(self.database_url) as database:
            verdict = Verdict(database, self.server.data, self.tally)
            verdict.pushes(self.book)
            verdict.record(self.record.read_text().splitlines(), strikes.orphaned)
            verdict.logs()
            verdict.rows()
            verdict.events(viewer)
            live, deployments = verdict.live("delivered"), verdict.deployments("delivered")
        for host in self.farm.servers:
            root = host.home / ROOT.replace("chaos", "delivered")
            if root.exists():
                judge_host(root, live, self.tally)
                judge_journal(root, self.tally)
        print(
            f"  server on {self.folder.name}: {len(self.book.accepted)} pushes, {deployments.total()} deployments "
            f"({deployments['rolled_back']} rolled back), "
            f"{len(strikes.orphaned)} builders killed, {strikes.restarts} restarts of the database, "
            f"{viewer.connections} connections of a viewer: {self.tally.line()}",
            flush=True,
        )
