"""Headway's own SSH driver against both kinds of demo hosts."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headway.domain.contract import HostSpec
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import CommandTimedOut
from headway.drivers.ssh.session import HostSession
from headway.drivers.ssh.settings import SshSettings
from tests.demo.hosts import started
from tests.demo.test_hosts import KINDS


@pytest.fixture(params=KINDS)
async def session(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[HostSession]:
    async with started(tmp_path, request.param) as host:
        ssh = tmp_path / ".ssh"
        ssh.mkdir()
        (tmp_path / "key").rename(ssh / "id_ed25519")
        (tmp_path / "known_hosts").rename(ssh / "known_hosts")
        async with Connections(SshSettings(home=tmp_path)) as connections:
            yield await connections.session(HostSpec("web1", "127.0.0.1", port=host.port))


async def test_a_hundred_calls_go_through_one_shell(session: HostSession) -> None:
    for number in range(100):
        reply = await session.call(f"echo {number}; exit {number % 7}", timeout=30)
        assert (reply.exit_code, reply.output) == (number % 7, f"{number}\n".encode())


async def test_a_large_file_is_uploaded_once(session: HostSession, tmp_path: Path) -> None:
    source = tmp_path / "big"
    source.write_bytes(os.urandom(20 * 2**20))
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    assert await session.upload(source, sha256, "uploads/big") is True
    assert await session.upload(source, sha256, "uploads/big") is False
    reply = await session.call("sha256sum < uploads/big", timeout=60)
    assert reply.output.split()[0].decode() == sha256


@pytest.mark.slow
@pytest.mark.parametrize("pty", [False, True])
async def test_a_command_that_takes_too_long_is_ended_with_its_children(
    session: HostSession, pty: bool
) -> None:
    said: list[bytes] = []
    with pytest.raises(CommandTimedOut):
        await session.run("sleep 61 & echo $!; sleep 62", on_output=said.append, pty=pty, timeout=0.6)
    child = b"".join(said).split()[0].decode()
    # Gone, or a zombie where nobody adopts orphans.
    reply = await session.call(f"sed -n 's/^State:.//p' /proc/{child}/status 2>/dev/null", timeout=30)
    assert reply.output[:1] in (b"", b"Z")


async def test_commands_run_beside_the_shell(session: HostSession) -> None:
    said: list[bytes] = []
    ends, reply = await asyncio.gather(
        session.run(["printf", "%s", "a 'b' $c"], on_output=said.append, env={"X": "1"}),
        session.call("echo meanwhile", timeout=30),
    )
    assert ends.exit_code == 0
    assert b"".join(said) == b"a 'b' $c"
    assert reply.output == b"meanwhile\n"
