"""Connecting to real OpenSSH: keys are strict, the ssh config is honoured, starts are bounded, what is down is named."""

import asyncio
import dataclasses
import getpass
import os
import signal
import subprocess
from pathlib import Path

import pytest

from headway.domain.contract import HostSpec
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import (
    AuthenticationRefused,
    ChangedHostKey,
    CommandTimedOut,
    ConnectionLost,
    HostUnreachable,
    NoShell,
    SshConfigFault,
    UnknownHostKey,
)
from tests.support.servers import serving
from tests.support.sshd import Farm, Sshd, free_port, make_key, needs_sshd, start_sshd

pytestmark = needs_sshd


async def ask(server: Sshd, host: HostSpec | None = None, **settings: object) -> str:
    async with Connections(server.settings(**settings)) as connections:
        session = await connections.session(host or server.host())
        return (await session.call("echo $SSH_CONNECTION", timeout=60)).text


def shown_fingerprint(path: Path) -> str:
    return subprocess.run(
        ["ssh-keygen", "-lf", str(path)], check=True, capture_output=True, text=True
    ).stdout.split()[1]


async def test_an_unknown_key_is_refused_and_its_own_command_trusts_it(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    with pytest.raises(UnknownHostKey) as caught:
        await ask(sshd)
    error = caught.value
    assert error.fingerprint == shown_fingerprint(sshd.folder / "host_key.pub")
    assert error.fingerprint in error.message and "ssh-ed25519" in error.message
    assert error.hint is not None and error.trust in error.hint
    subprocess.run(["sh", "-c", error.trust], check=True)
    assert str(sshd.port) in await ask(sshd)


async def test_another_hosts_key_is_no_trust(sshd: Sshd) -> None:
    make_key(sshd.folder / "other")
    other = " ".join((sshd.folder / "other.pub").read_text().split()[:2])
    sshd.known_hosts.write_text(f"[127.0.0.1]:{sshd.port + 1} {other}\n127.0.0.1 {other}\n")
    with pytest.raises(UnknownHostKey):
        await ask(sshd)


async def test_a_changed_key_is_refused_with_both_fingerprints_and_the_place(sshd: Sshd) -> None:
    make_key(sshd.folder / "other")
    other = " ".join((sshd.folder / "other.pub").read_text().split()[:2])
    sshd.known_hosts.write_text(f"# by hand\n[127.0.0.1]:{sshd.port} {other}\n")
    with pytest.raises(ChangedHostKey) as caught:
        await ask(sshd)
    error = caught.value
    assert error.fingerprint == shown_fingerprint(sshd.folder / "host_key.pub")
    assert error.recorded == (shown_fingerprint(sshd.folder / "other.pub"),)
    assert error.places == (f"{sshd.known_hosts}:2",)
    for part in (error.fingerprint, *error.recorded, *error.places):
        assert part in error.message
    assert error.hint is not None and "ssh-keygen -R" in error.hint


async def test_a_key_of_another_kind_than_the_recorded_one_is_a_changed_key(sshd: Sshd) -> None:
    make_key(sshd.folder / "other", "ecdsa")
    other = " ".join((sshd.folder / "other.pub").read_text().split()[:2])
    sshd.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {other}\n")
    with pytest.raises(ChangedHostKey):
        await ask(sshd)


async def test_a_revoked_key_is_refused_though_it_is_trusted(sshd: Sshd) -> None:
    with sshd.known_hosts.open("a") as file:
        file.write(f"@revoked * {sshd.host_key}\n")
    with pytest.raises(ChangedHostKey, match="revoked"):
        await ask(sshd)


async def test_a_config_that_turns_checks_off_is_not_obeyed(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    config = sshd.config.read_text()
    sshd.config.write_text(f"StrictHostKeyChecking no\nUserKnownHostsFile none\n{config}")
    with pytest.raises(UnknownHostKey):
        await ask(sshd)


async def test_a_certificate_of_a_trusted_authority_is_enough(tmp_path: Path) -> None:
    server = start_sshd(tmp_path / "sshd")
    server.stop()
    folder = server.folder
    make_key(folder / "authority")
    sign = ["ssh-keygen", "-q", "-s", str(folder / "authority"), "-I", "x", "-h", "-n", "127.0.0.1"]
    subprocess.run([*sign, str(folder / "host_key.pub")], check=True)
    server = start_sshd(folder, extra=f"HostCertificate {folder}/host_key-cert.pub")
    try:
        assert await ask(server)  # the plain key is known, the authority is not
        authority = " ".join((folder / "authority.pub").read_text().split()[:2])
        server.known_hosts.write_text(f"@cert-authority [127.0.0.1]:* {authority}\n")
        assert await ask(server)
    finally:
        server.stop()


async def test_an_alias_of_the_ssh_config_leads_to_its_host(sshd: Sshd) -> None:
    assert str(sshd.port) in await ask(sshd, HostSpec(name="first", address="web-1"))


async def test_the_hosts_own_words_win_over_the_ssh_config(sshd: Sshd) -> None:
    sshd.config.write_text(f"Host *\n  Port 1\n  User nobody-at-all\n{sshd.config.read_text()}")
    assert str(sshd.port) in await ask(sshd)


async def test_key_files_that_are_not_there_are_passed_over(sshd: Sshd) -> None:
    sshd.config.write_text(f"IdentityFile {sshd.folder}/nothing\n{sshd.config.read_text()}")
    assert await ask(sshd)


async def test_default_keys_and_known_hosts_are_found_at_home(sshd: Sshd) -> None:
    home = sshd.folder / "person"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_bytes(sshd.client_key.read_bytes())
    (home / ".ssh" / "known_hosts").write_bytes(sshd.known_hosts.read_bytes())
    assert await ask(sshd, config=None)


async def test_the_agents_keys_are_used(sshd: Sshd, tmp_path: Path) -> None:
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            await asyncio.sleep(0.01)
        subprocess.run(
            ["ssh-add", "-q", str(sshd.client_key)],
            check=True,
            env={**os.environ, "SSH_AUTH_SOCK": str(socket)},
        )
        config = sshd.config.read_text()
        without = "\n".join(line for line in config.splitlines() if "Identit" not in line)
        sshd.config.write_text(without)
        assert await ask(sshd, agent=str(socket))
        with pytest.raises(AuthenticationRefused):
            await ask(sshd)
    finally:
        agent.terminate()
        agent.wait()


async def test_a_key_that_is_not_let_in_is_said_with_the_user(sshd: Sshd) -> None:
    (sshd.folder / "authorized_keys").write_text("")
    with pytest.raises(AuthenticationRefused) as caught:
        await ask(sshd)
    assert getpass.getuser() in caught.value.message
    assert "1 key from files" in caught.value.message
    assert caught.value.hint is not None and "authorized_keys" in caught.value.hint


async def test_a_jump_is_a_host_like_any_other(sshd_farm: Farm) -> None:
    jump, *targets = sshd_farm.start(3)
    settings = sshd_farm.settings()
    config = jump.config.read_text()
    ports = [target.port for target in targets]
    jump.config.write_text(
        f"Host gate\n  HostName 127.0.0.1\n  Port {jump.port}\n"
        f"Host inner-1\n  HostName 127.0.0.1\n  Port {ports[0]}\n  ProxyJump gate\n"
        f"Host inner-2\n  HostName 127.0.0.1\n  Port {ports[1]}\n  ProxyJump gate\n{config}"
    )
    async with Connections(settings) as connections:
        for number, target in enumerate(targets, start=1):
            session = await connections.session(HostSpec(name=f"i{number}", address=f"inner-{number}"))
            assert str(target.port) in (await session.call("echo $SSH_CONNECTION", timeout=60)).text
        assert jump.connections() == 1, "the connection to the jump is shared"
    # Its key counts as the target's does.
    known = [line for line in jump.known_hosts.read_text().splitlines() if f":{jump.port} " not in line]
    jump.known_hosts.write_text("\n".join(known))
    with pytest.raises(UnknownHostKey, match=str(jump.port)):
        async with Connections(settings) as connections:
            await connections.session(HostSpec(name="i1", address="inner-1"))


async def test_a_config_that_is_not_there_or_makes_no_sense_is_named(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(SshConfigFault, match="nothing"):
        await ask(sshd, config=tmp_path / "nothing")
    sshd.config.write_text("Port many\n")
    with pytest.raises(SshConfigFault, match="line 1: Bad port"):
        await ask(sshd, HostSpec(name="web-1", address="127.0.0.1"))
    sshd.config.write_text("Host *\n  ProxyJump a b c@@\n")
    with pytest.raises(SshConfigFault):
        await ask(sshd, HostSpec(name="web-1", address="127.0.0.1"))


async def test_a_host_that_is_down_is_tried_again_for_its_time_then_named(sshd: Sshd) -> None:
    host = dataclasses.replace(sshd.host(), port=free_port())
    with pytest.raises(HostUnreachable) as caught:
        await ask(sshd, host, connect_within=0.8)
    assert caught.value.attempts > 1
    assert f"127.0.0.1:{host.port}" in caught.value.message
    assert "refused" in caught.value.message.lower()


async def test_a_host_that_comes_up_in_time_is_reached(tmp_path: Path) -> None:
    server = start_sshd(tmp_path / "sshd")
    server.stop()
    asked = asyncio.ensure_future(ask(server, connect_within=10))
    await asyncio.sleep(0.3)
    again = await asyncio.to_thread(start_sshd, server.folder, port=server.port)
    try:
        assert str(server.port) in await asked
    finally:
        again.stop()


async def test_a_name_without_an_address_is_not_tried_again(sshd: Sshd) -> None:
    with pytest.raises(HostUnreachable, match="no address") as caught:
        await ask(sshd, HostSpec(name="x", address="no-such-host.invalid"), connect_within=30)
    assert caught.value.attempts == 1


async def test_what_accepts_and_says_nothing_is_given_up_in_time(sshd: Sshd) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        host = dataclasses.replace(sshd.host(), port=port)
        with pytest.raises(HostUnreachable, match=r"no answer within 0\.3s"):
            await ask(sshd, host, attempt_timeout=0.3, connect_within=0.5)


async def test_what_speaks_no_ssh_is_said(sshd: Sshd) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(web) as port:
        host = dataclasses.replace(sshd.host(), port=port)
        with pytest.raises(HostUnreachable):
            await ask(sshd, host, connect_within=0.3)


async def test_thirty_names_for_one_sshd_stay_below_its_limit(sshd: Sshd) -> None:
    hosts = [HostSpec(name=f"web-{number}", address=f"web-{number}") for number in range(30)]
    async with Connections(sshd.settings()) as connections:
        replies = await asyncio.gather(*(one(connections, host) for host in hosts))
    assert replies == [host.name for host in hosts]
    # Stock MaxStartups is 10:30:100; sshd writes each one that it drops into its log.
    assert "drop connection" not in sshd.log and "beginning MaxStartups" not in sshd.log


@pytest.mark.slow
async def test_refused_starts_are_tried_again_until_all_are_in(tmp_path: Path) -> None:
    server = start_sshd(tmp_path / "sshd", extra="MaxStartups 1:90:3")
    hosts = [HostSpec(name=f"web-{number}", address=f"web-{number}") for number in range(12)]
    try:
        async with Connections(server.settings(starts_per_server=12)) as connections:
            replies = await asyncio.gather(*(one(connections, host) for host in hosts))
        assert replies == [host.name for host in hosts]
        assert "MaxStartups" in server.log, "the server refused none, so this proves nothing"
    finally:
        server.stop()


async def one(connections: Connections, host: HostSpec) -> str:
    session = await connections.session(host)
    return (await session.call(f"echo {host.name}", timeout=60)).text.strip()


async def test_a_host_has_one_connection_whoever_asks(sshd: Sshd) -> None:
    async with Connections(sshd.settings()) as connections:
        await asyncio.gather(*(one(connections, sshd.host()) for _ in range(8)))
        assert sshd.connections() == 1


async def test_a_dropped_connection_is_said_and_the_next_call_makes_another(sshd: Sshd) -> None:
    async with Connections(sshd.settings()) as connections:
        session = await connections.session(sshd.host())
        call = asyncio.ensure_future(session.call("echo begun; sleep 20", timeout=30))
        await asyncio.sleep(0.3)
        for pid in sshd.child_pids():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(ConnectionLost):
            await call
        assert (await session.call("echo again", timeout=60)).text == "again\n"


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("/bin/echo This account is closed; exit 1; :", "This account is closed"),
        ("/bin/false", "runs no sh for us"),
    ],
)
async def test_an_account_without_a_shell_is_said_in_its_own_words(
    tmp_path: Path, shell: str, said: str
) -> None:
    server = start_sshd(tmp_path / "sshd", shell=shell)
    try:
        with pytest.raises(NoShell, match=said):
            await ask(server)
    finally:
        server.stop()


async def test_what_a_login_shell_prints_is_no_output(tmp_path: Path) -> None:
    noisy = tmp_path / "noisy"
    noisy.write_text('#!/bin/sh\necho Welcome; echo "Mail for you" >&2\nexec /bin/sh "$@"\n')
    noisy.chmod(0o755)
    server = start_sshd(tmp_path / "sshd", shell=str(noisy))
    try:
        async with Connections(server.settings()) as connections:
            session = await connections.session(server.host())
            assert (await session.call("echo mine", timeout=60)).output == b"mine\n"
            pieces: list[bytes] = []
            assert (await session.run(["echo", "mine"], on_output=pieces.append)).ok
            assert b"".join(pieces) == b"mine\n"
    finally:
        server.stop()


async def test_a_host_that_froze_is_given_up_and_connected_to_anew(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.drivers.ssh.session._KILL_TIMEOUT", 0.3)
    async with Connections(sshd.settings()) as connections:
        session = await connections.session(sshd.host())
        frozen = sshd.child_pids()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(CommandTimedOut) as caught:
                await session.call("echo never", timeout=0.3)
            assert caught.value.survivors is None, "nobody could look"
            assert (await session.call("echo again", timeout=60)).text == "again\n"
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)


async def test_more_commands_than_a_connection_may_carry_wait_for_their_turn(sshd: Sshd) -> None:
    async with Connections(sshd.settings()) as connections:
        session = await connections.session(sshd.host())
        pieces: list[bytes] = []
        runs = [session.run(["echo", str(number)], on_output=pieces.append) for number in range(25)]
        assert all(ended.ok for ended in await asyncio.gather(*runs))
        assert sorted(b"".join(pieces).split(), key=int) == [b"%d" % number for number in range(25)]


async def test_known_hosts_is_read_anew_and_a_key_taken_out_of_it_is_no_longer_trusted(sshd: Sshd) -> None:
    """Of a server, whose connections live for weeks."""
    line = sshd.known_hosts.read_text()
    async with Connections(sshd.settings()) as connections:
        session = await connections.session(sshd.host())
        before = (await session.call("echo $PPID", timeout=60)).text
        # Somebody adds another host: nothing is cut off.
        sshd.known_hosts.write_text(line + "other.example.org ssh-ed25519 AAAA\n")
        assert (await session.call("echo $PPID", timeout=60)).text == before
        sshd.known_hosts.write_text("# taken out\n")
        with pytest.raises(UnknownHostKey):
            await session.call("true", timeout=60)
        with pytest.raises(UnknownHostKey):
            await connections.session(sshd.host())
        sshd.known_hosts.write_text(line)
        assert (await session.call("echo $PPID", timeout=60)).text != before
        sshd.known_hosts.write_text(line + f"@revoked * {sshd.host_key}\n")
        with pytest.raises((UnknownHostKey, ChangedHostKey, HostUnreachable)):
            await session.call("true", timeout=60)
