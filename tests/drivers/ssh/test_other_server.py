"""The driver with a server that is not OpenSSH: the demo's, made of asyncssh. Runs where no sshd is installed."""

import asyncio
import getpass
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from headway.demo.sshserver import serve
from headway.domain.contract import HostSpec
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import CommandTimedOut, UnknownHostKey
from headway.drivers.ssh.session import HostSession
from headway.drivers.ssh.settings import SshSettings
from tests.support.sshd import free_port


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[HostSession]:
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    for name in ("host_key", "client_key"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(tmp_path / name)
        key.write_public_key(tmp_path / f"{name}.pub")
    (tmp_path / "authorized_keys").write_bytes((tmp_path / "client_key.pub").read_bytes())
    (tmp_path / "config").write_text(
        f"IdentityFile {tmp_path}/client_key\nUserKnownHostsFile {tmp_path}/known_hosts\nGlobalKnownHostsFile none\n"
    )
    public = (tmp_path / "host_key.pub").read_text()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    host = HostSpec("web-1", "127.0.0.1", port, getpass.getuser())
    settings = SshSettings(home=tmp_path / "person", config=tmp_path / "config")
    async with serve(tmp_path, home, port):
        async with Connections(settings) as connections:
            yield await connections.session(host)
        # The server's ends of the connections: their shells are reaped before the loop is gone.
        if going := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(going, timeout=60)


async def test_calls(session: HostSession) -> None:
    reply = await session.call("printf 'a\\0\\377'; cat; exit 7", timeout=60)
    assert (reply.exit_code, reply.output) == (7, b"a\0\xff")
    with pytest.raises(CommandTimedOut) as caught:
        await session.call("sleep 61 & timeout 62 sleep 63", timeout=0.4)
    assert caught.value.survivors == 0
    assert (await session.call("echo on", timeout=60)).text == "on\n"


@pytest.mark.parametrize("pty", [False, True], ids=["pipes", "pty"])
async def test_runs(session: HostSession, pty: bool) -> None:
    pieces: list[bytes] = []
    words = ["printf", "<%s>", "a b", "it's", "two\nlines", "$HOME"]
    assert (await session.run(words, on_output=pieces.append, pty=pty)).ok
    assert b"".join(pieces).replace(b"\r\n", b"\n") == b"<a b><it's><two\nlines><$HOME>"
    with pytest.raises(CommandTimedOut) as caught:
        await session.run("sleep 64 & sleep 65", on_output=pieces.append, pty=pty, timeout=0.4)
    assert caught.value.survivors == 0
    assert str(await session.run("kill -9 $$", on_output=pieces.append)) == "killed by SIGKILL"


async def test_uploads(session: HostSession, tmp_path: Path) -> None:
    data = random.Random(3).randbytes(1_500_000)
    source = tmp_path / "source"
    source.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    assert await session.upload(source, sha256, "a/b")
    assert (tmp_path / "home" / "a" / "b").read_bytes() == data
    assert not await session.upload(source, sha256, "a/b")


async def test_keys_are_strict(session: HostSession) -> None:
    known = session.connections.settings.config
    assert known is not None
    (known.parent / "known_hosts").write_text("")
    async with Connections(session.connections.settings) as connections:
        with pytest.raises(UnknownHostKey):
            await connections.session(session.host)
