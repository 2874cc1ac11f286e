"""How asyncssh signs in to a host, by what the ssh config says of it: keys, agent, algorithms, a command in between."""

import getpass
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.options import CIPHERS
from tests.support.ssh_configs import needs_openssh, resolved
from tests.support.sshd import Sshd, make_key, needs_sshd, start_sshd

pytestmark = needs_openssh


async def test_tokens_are_put_into_names_paths_and_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYS", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/sh")
    make_key(tmp_path / "web.example.org_key")
    found = await resolved(
        tmp_path,
        "Host *\n HostName %h.example.org\n User u\n IdentityFile ${KEYS}/%h_key\n IdentityAgent /run/%n.agent\n"
        ' UserKnownHostsFile /k/%n\n ProxyCommand nc "%h" %p # %%\n',
    )
    assert found.address == "web.example.org"
    assert len(found.options.client_keys or ()) == 1
    assert found.options.agent_path == "/run/web.agent"
    assert found.known_hosts[0] == Path("/k/web")
    assert found.options.proxy_command == ("/bin/sh", "-c", 'exec nc "web.example.org" 22 # %')


async def test_none_takes_back_what_stands_below(tmp_path: Path) -> None:
    below = "Host *\n ProxyJump gate\n ProxyCommand nc x 1\n IdentityAgent /other\n"
    found = await resolved(
        tmp_path, f"Host web\n ProxyJump none\n ProxyCommand none\n IdentityAgent none\n{below}"
    )
    assert (found.jumps, found.options.proxy_command, found.options.agent_path) == ((), None, "")


async def test_where_nothing_is_written_our_own_choice_holds(tmp_path: Path) -> None:
    found = await resolved(tmp_path, "")
    assert [name.decode() for name in found.options.encryption_algs] == list(CIPHERS)
    assert found.options.agent_path == "/run/agent"
    assert found.known_hosts[0] == tmp_path / ".ssh" / "known_hosts"
    named = await resolved(tmp_path, "Ciphers aes256-ctr\nAddressFamily inet6\nBindAddress ::1\n")
    assert list(named.options.encryption_algs) == [b"aes256-ctr"]
    assert named.options.family == socket.AF_INET6


@needs_sshd
async def test_a_proxy_command_carries_the_connection(sshd: Sshd, tmp_path: Path) -> None:
    copy = tmp_path / "copy.py"
    copy.write_text(
        "import os, socket, sys, threading\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): s.sendall(data)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536): os.write(1, data)\n"
    )
    sshd.config.write_text(f"ProxyCommand {sys.executable} {copy} %h %p\n{sshd.config.read_text()}")
    async with Connections(sshd.settings()) as connections:
        session = await connections.session(sshd.host())
        assert (await session.call("echo through", timeout=30)).text == "through\n"


@needs_sshd
async def test_a_certificate_that_the_config_names_lets_in(tmp_path: Path) -> None:
    make_key(tmp_path / "authority")
    server = start_sshd(tmp_path / "sshd", extra=f"TrustedUserCAKeys {tmp_path}/authority.pub")
    try:
        (server.folder / "authorized_keys").write_text("")
        sign = ["ssh-keygen", "-q", "-s", str(tmp_path / "authority"), "-I", "x", "-n", getpass.getuser()]
        subprocess.run([*sign, f"{server.client_key}.pub"], check=True)
        (server.folder / "client_key-cert.pub").rename(tmp_path / "cert.pub")
        server.config.write_text(f"CertificateFile {tmp_path}/cert.pub\n{server.config.read_text()}")
        async with Connections(server.settings()) as connections:
            session = await connections.session(server.host())
            assert (await session.call("echo in", timeout=30)).text == "in\n"
    finally:
        server.stop()
