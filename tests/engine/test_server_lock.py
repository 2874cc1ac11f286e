"""One server a data folder."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from headway.engine.server_lock import LOCK, ServerLock, ServerRuns, running_server


def test_the_second_server_is_told_of_the_first(tmp_path: Path) -> None:
    first, second = ServerLock(tmp_path), ServerLock(tmp_path)
    first.take()
    with pytest.raises(ServerRuns):
        second.take()
    first.tell("http://127.0.0.1:8080")
    with pytest.raises(ServerRuns, match=f"process {os.getpid()} at http://127"):
        second.take()
    first.release()
    assert running_server(tmp_path) is None
    second.take()
    second.release()


def test_a_command_that_asks_at_this_moment_keeps_no_server_from_its_start(tmp_path: Path) -> None:
    asking = os.open(tmp_path / LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(asking, fcntl.LOCK_SH)
    answered = threading.Timer(0.05, os.close, [asking])
    answered.start()
    lock = ServerLock(tmp_path)
    lock.take()
    lock.release()
    answered.join()
