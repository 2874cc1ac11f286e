"""Deployments while other commands open and close the same database all the time."""

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headway.store.database import open_database
from tests.support.deploying import Shop
from tests.support.headway_process import Headway
from tests.support.sshd import needs_sshd, start_sshd

pytestmark = [needs_sshd, pytest.mark.slow]

DEPLOYS = 20


class Loop:
    """Calls it again and again until it is told to end; what went wrong is kept."""

    def __init__(self, call: Callable[[], tuple[int, str, str]]) -> None:
        self._ended = threading.Event()
        self.calls = 0
        self.faults: list[tuple[int, str, str]] = []
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            answer = self._call()
            self.calls += 1
            if answer[0] != 0:
                self.faults.append(answer)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


def test_twenty_deployments_beside_two_readers_and_a_writer(tmp_path: Path) -> None:
    server = start_sshd(tmp_path / "host")
    (tmp_path / "data").mkdir()
    url = f"sqlite:///{tmp_path}/data/headway.db"
    with open_database(url) as database:
        headway = Headway(Shop(tmp_path, [server], database, "apps/shop"), url)
        release = headway.shop.release("one")

    def write() -> tuple[int, str, str]:
        done = subprocess.run(
            [*headway.words, "secret", "set", "TOKEN", "--service", "shop"],
            cwd=headway.folder,
            env=headway.environment,
            input="value-of-the-token\n",
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    # The vault is opened by each deployment then, and its database beside the deployment's own.
    assert write()[0] == 0
    loops = [
        Loop(lambda: headway.call("status", timeout=600)),
        Loop(lambda: headway.call("status", timeout=600)),
        Loop(write),
    ]
    try:
        answers = [
            headway.call("deploy", "production", "--release", release.id, "--force", timeout=600)
            for _ in range(DEPLOYS)
        ]
    finally:
        for loop in loops:
            loop.end()
        server.stop()
    assert [answer for answer in answers if answer[0] != 0] == []
    assert [loop.faults for loop in loops] == [[], [], []]
    assert all(loop.calls > DEPLOYS / 2 for loop in loops)
    with open_database(url) as database:
        assert database.read(lambda tx: tx.one("PRAGMA integrity_check")) == {"integrity_check": "ok"}
        (count,) = database.read(lambda tx: tx.all("SELECT COUNT(*) AS number FROM deployments"))
    assert count["number"] == DEPLOYS
