"""One server a data folder, and the way to it."""

import os
import socket
from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.engine.server_lock import ServerLock, ServerRuns, private_folder, running_server, socket_path


def test_a_second_server_is_told_who_has_the_folder(tmp_path: Path) -> None:
    assert running_server(tmp_path) is None
    first = ServerLock(tmp_path)
    first.take()
    first.tell("http://127.0.0.1:8080")
    found = running_server(tmp_path)
    assert found is not None
    assert (found.pid, found.url) == (os.getpid(), "http://127.0.0.1:8080")
    with pytest.raises(ServerRuns, match=r"process \d+ at http://127"):
        ServerLock(tmp_path).take()
    first.release()
    assert running_server(tmp_path) is None
    ServerLock(tmp_path).take()


def test_a_socket_fits_whatever_the_folder_is_called(tmp_path: Path) -> None:
    assert socket_path(Path("/srv/headway")) == Path("/srv/headway/headway.sock")
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    elsewhere = socket_path(deep)
    assert elsewhere == socket_path(deep) != socket_path(deep / "z")
    assert len(os.fsencode(elsewhere)) < 107
    with socket.socket(socket.AF_UNIX) as listening:
        private_folder(elsewhere.parent)
        listening.bind(str(elsewhere))
    elsewhere.unlink()


def test_a_folder_that_others_may_write_to_is_no_place_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    private_folder(folder)
    private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(WrongUse, match="not this user's alone"):
        private_folder(folder)
    link = tmp_path / "link"
    folder.chmod(0o700)
    link.symlink_to(folder)
    with pytest.raises(WrongUse, match="not this user's alone"):
        private_folder(link)
