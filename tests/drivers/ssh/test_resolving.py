"""An ssh config means what OpenSSH makes of it: Include, Match, tokens, what comes first, none; and no way leads in a circle."""

import asyncio
import getpass
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from headway.domain.contract import HostSpec
from headway.drivers.ssh import openssh_config
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import SshConfigFault
from headway.drivers.ssh.resolving import CIPHERS, Resolver, Target
from headway.drivers.ssh.settings import SshSettings
from tests.support.sshd import Sshd, make_key, needs_sshd, start_sshd

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client here")


async def resolved(folder: Path, config: str, address: str = "web", **host: object) -> Target:
    (folder / "config").write_text(config)
    settings = SshSettings(home=folder, config=folder / "config", agent="/run/agent")
    return await Resolver(settings).resolve(HostSpec(name="web-1", address=address, **host))  # type: ignore[arg-type]


USERS = [
    ("the first value wins", "Host web\n User first\nHost *\n User second\n", "first"),
    ("a pattern that is taken out", "Host * !web\n User other\nHost *\n User right\n", "right"),
    ("words in quotes and an equals sign", 'Host=web\n User = "right"\n', "right"),
    ("exec with words in quotes", 'Match originalhost web exec "test 1 = 1"\n User right\n', "right"),
    ("exec that fails", 'Match exec "test 1 = 2"\n User wrong\nHost *\n User right\n', "right"),
    ("exec with a token", "Match exec \"test %n = 'web'\"\n User right\n", "right"),
    ("not exec", "Match !exec false\n User right\n", "right"),
    ("host is the new name", "Host web\n HostName inner\nMatch host inner\n User right\n", "right"),
    ("the old name", "Host web\n HostName inner\nMatch originalhost web\n User right\n", "right"),
    ("the user here", f"Match localuser {getpass.getuser()}\n User right\n", "right"),
    ("at the end", "Match final host web\n User right\nHost *\n Port 22\n", "right"),
    ("not canonical", "Match canonical\n User wrong\nMatch all\n User right\n", "right"),
    ("a file that holds a Host of its own", "Include part\nHost *\n User outer\n", "inner"),
    ("a file for another host", "Host db\n Include part\nHost *\n User outer\n", "outer"),
    ("a Match behind a file", "Include part\nMatch host db\n User wrong\n", "inner"),
]


@pytest.mark.parametrize(("config", "user"), [row[1:] for row in USERS], ids=[row[0] for row in USERS])
async def test_a_config_means_what_openssh_makes_of_it(tmp_path: Path, config: str, user: str) -> None:
    (tmp_path / "part").write_text("Host web\n User inner\n")
    found = await resolved(tmp_path, config.replace("Include part", f"Include {tmp_path}/part"))
    assert found.user == user


async def test_match_user_is_the_user_that_the_host_itself_names(tmp_path: Path) -> None:
    found = await resolved(tmp_path, "Match user deploy\n Port 2222\nHost *\n User other\n", user="deploy")
    assert (found.user, found.port) == ("deploy", 2222)


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


async def test_a_path_with_a_blank_is_one_path(tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("")
    found = await resolved(tmp_path, f'UserKnownHostsFile "{tmp_path}/a b" {tmp_path}/c\n')
    assert found.known_hosts[:2] == (tmp_path / "a b", tmp_path / "c")


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


async def test_a_list_of_jumps_keeps_its_order_ports_and_users(tmp_path: Path) -> None:
    found = await resolved(tmp_path, "ProxyJump ops@gate:2222,[::1]:22\n")
    assert [(jump.address, jump.port, jump.user) for jump in found.jumps] == [
        ("gate", 2222, "ops"),
        ("::1", 22, None),
    ]


@pytest.mark.parametrize(
    "config",
    [
        "Host *\n ProxyJump gate\n",
        "Host gate\n ProxyJump web\nHost web\n ProxyJump gate\n",
        "Host gate\n ProxyJump gate:23\nHost *\n ProxyJump gate\n",
        "Host *\n ProxyJump x%h\n",
    ],
    ids=["to itself", "to one another", "to itself by another port", "without end"],
)
async def test_a_way_that_never_arrives_is_said_at_once(tmp_path: Path, config: str) -> None:
    (tmp_path / "config").write_text(config)
    hosts = [HostSpec(name=name, address=name) for name in ("web", "gate")]
    async with (
        Connections(SshSettings(home=tmp_path, config=tmp_path / "config")) as connections,
        asyncio.timeout(60),
    ):
        # At the same time: each would wait for the other's connection.
        found = await asyncio.gather(
            *(connections.connection(host) for host in hosts), return_exceptions=True
        )
    assert isinstance(found[0], SshConfigFault)
    assert isinstance(found[1], SshConfigFault)
    assert "web is reached through" in found[0].message
    assert "ProxyJump none" in (found[0].hint or "")


async def test_a_config_that_waits_is_given_up_and_its_command_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openssh_config, "_WITHIN", 0.5)
    with pytest.raises(SshConfigFault, match="did not say"):
        await resolved(tmp_path, f'Match exec "echo $$ >{tmp_path}/pid; exec sleep 600"\n User x\n')
    if (tmp_path / "pid").exists():
        assert not _lives(int((tmp_path / "pid").read_text()))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("address", ["$(touch made)", "-oProxyCommand=touch made", "a;b", "a`b`", "a b"])
async def test_a_name_that_a_shell_would_read_reaches_no_command(tmp_path: Path, address: str) -> None:
    with pytest.raises(SshConfigFault, match="no address"):
        await resolved(tmp_path, 'Match exec "true %h"\n User x\n', address)
    with pytest.raises(SshConfigFault, match="no user"):
        await resolved(tmp_path, "", user=address)


async def test_what_would_make_it_stricter_is_refused_where_we_cannot_do_it(tmp_path: Path) -> None:
    with pytest.raises(SshConfigFault, match="RevokedHostKeys"):
        await resolved(tmp_path, "RevokedHostKeys /etc/revoked\n")


async def test_without_openssh_a_config_is_refused_and_no_config_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(openssh_config, "_MACHINE_CONFIG", tmp_path / "none")
    with pytest.raises(SshConfigFault, match="OpenSSH's client is not on this machine"):
        await resolved(tmp_path, "User x\n")
    (tmp_path / ".ssh").mkdir()
    make_key(tmp_path / ".ssh" / "id_ed25519")
    plain = await Resolver(SshSettings(home=tmp_path)).resolve(HostSpec(name="a", address="web", port=23))
    assert len(plain.options.client_keys or ()) == 1
    assert (plain.address, plain.port, plain.user) == ("web", 23, getpass.getuser())
    assert plain.known_hosts[0] == tmp_path / ".ssh" / "known_hosts"


async def test_the_config_at_home_counts_wherever_home_is(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host web\n User at-home\n IdentityFile ~/key\n")
    make_key(tmp_path / "key")
    found = await Resolver(SshSettings(home=tmp_path)).resolve(HostSpec(name="a", address="web"))
    assert found.user == "at-home"
    assert len(found.options.client_keys or ()) == 1


async def test_a_changed_config_counts_for_the_next_connection(tmp_path: Path) -> None:
    resolver = Resolver(SshSettings(home=tmp_path, config=tmp_path / "config"))
    for user in ("one", "two"):
        (tmp_path / "config").write_text(f"User {user}\n")
        assert (await resolver.resolve(HostSpec(name="a", address="web"))).user == user


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
