"""What happens to a server: its process is killed, or frozen and woken later; the builder of a job dies; its database
goes away for a moment."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

from headway.drivers.runner.frames import parse_owner
from tests.chaos.world import Tally
from tests.support.databases import PostgresqlServer
from tests.support.running_server import RunningServer

#: Seconds between two strikes.
_PAUSE = (0.1, 2.0)
_FREEZE = (0.5, 3.0)
_DATABASE_AWAY = (0.0, 1.5)


class Strikes:
    def __init__(
        self, server: RunningServer, chance: random.Random, tally: Tally, postgresql: PostgresqlServer | None
    ) -> None:
        self._server = server
        self._chance = chance
        self._tally = tally
        self._postgresql = postgresql
        self._jobs = server.data / "jobs"
        #: Directories of the attempts whose builders we killed.
        self.orphaned: set[str] = set()
        self.restarts = 0

    def all(self, kills: int) -> None:
        """So many kills and freezes; builders that die, and a database that goes away, come on top."""
        every = max(1, kills // 5)
        for number in range(1, kills + 1):
            time.sleep(self._chance.uniform(*_PAUSE))
            if self._chance.random() < 0.6:
                self._kill()
            else:
                self._freeze()
            self._tally.kills += 1
            if self._chance.random() < 0.3:
                self._kill_builder()
            if self._postgresql is not None and number % every == 0 and self.restarts < 5:
                self._restart_database(self._postgresql)

    def _kill(self) -> None:
        self._server.kill()
        self._server.start(within=300)

    def _freeze(self) -> None:
        process = self._server.process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        time.sleep(self._chance.uniform(*_FREEZE))
        process.send_signal(signal.SIGCONT)

    def _kill_builder(self) -> None:
        """Of a job that runs right now, within two seconds."""
        until = time.monotonic() + 2
        while time.monotonic() < until:
            for directory in sorted(self._jobs.glob("*.1")):
                if _builds(directory) and self._kill_one(directory):
                    return
            time.sleep(0.02)

    def _kill_one(self, directory: Path) -> bool:
        with contextlib.suppress(OSError, ProcessLookupError):
            owner = parse_owner((directory / "owner").read_bytes())
            if owner is not None:
                self.orphaned.add(directory.name)
                os.kill(owner.pid, signal.SIGKILL)
                return True
        return False

    def _restart_database(self, postgresql: PostgresqlServer) -> None:
        postgresql.stop()
        time.sleep(self._chance.uniform(*_DATABASE_AWAY))
        postgresql.start()
        self.restarts += 1


def _builds(directory: Path) -> bool:
    return (directory / "owner").exists() and not (directory / "result").exists()
