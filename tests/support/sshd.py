"""Real OpenSSH servers on loopback, as the user who runs the tests, each in a folder of its own.

An sshd here is stock in what matters (MaxStartups, session spawn, framing of its protocol). Its users' home is
faked: SetEnv, because bash as a login shell reads ~/.bashrc before every command (with a few version managers
in it that alone costs 0.1 s a session), and ForceCommand, which runs the command there by any shell we like.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headway.demo.ports import free_ports
from headway.domain.contract import HostSpec
from headway.drivers.ssh.settings import SshSettings

SSHD = next((path for path in ("/usr/sbin/sshd", shutil.which("sshd")) if path and Path(path).exists()), None)

#: What `scp` speaks to.
SFTP_SERVER = next(
    (
        path
        for path in (
            "/usr/lib/openssh/sftp-server",
            "/usr/lib/ssh/sftp-server",
            "/usr/libexec/openssh/sftp-server",
        )
        if Path(path).exists()
    ),
    "internal-sftp",
)

#: For a module or a test: skipped, and says why, where there is no OpenSSH server.
needs_sshd = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh-keygen") is None,
    reason="no OpenSSH server here (Debian: apt install openssh-server); the SSH driver is untested",
)

#: An unprivileged sshd ends the connection when a terminal is asked for: it may not write login records.
needs_terminals = pytest.mark.skipif(
    os.geteuid() != 0, reason="an OpenSSH server that is not root's gives no terminals"
)


@dataclass
class Sshd:
    """A running server. `settings()` trusts its key and holds the key that it lets in."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"
    #: Names in the ssh config that lead here.
    names: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def client_key(self) -> Path:
        return self.folder / "client_key"

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def log(self) -> str:
        return (self.folder / "sshd.log").read_text()

    @property
    def host_key(self) -> str:
        """`ssh-ed25519 AAAA…`"""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def host(self, name: str = "web-1", **labels: str) -> HostSpec:
        """A host of headway.toml that is this server."""
        return HostSpec(name=name, address="127.0.0.1", port=self.port, user=getpass.getuser(), labels=labels)

    def settings(self, **changes: object) -> SshSettings:
        values: dict[str, object] = {"home": self.folder / "person", "config": self.config, **changes}
        return SshSettings(**values)  # type: ignore[arg-type]

    def trust(self) -> None:
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self.host_key}\n")

    def child_pids(self) -> list[int]:
        """The sshd processes of its open connections: one each for root, with privileges separated two."""
        found: list[int] = []
        wanted = [self.process.pid]
        while wanted:
            parent = wanted.pop()
            for pid in _children(parent):
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                        found.append(pid)
                        wanted.append(pid)
        return found

    def connections(self) -> int:
        """How many are open."""
        return len(_children(self.process.pid))

    def stop(self) -> None:
        """Ends the server and the connections that it serves, by their pids."""
        pids = self.child_pids() if self.process.poll() is None else []
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def free_port() -> int:
    return free_ports(1)[0]


def make_key(path: Path, kind: str = "ed25519") -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)], check=True)


def start_sshd(
    folder: Path,
    *,
    shell: str = "/bin/sh",
    port: int | None = None,
    extra: str = "",
    client_key: Path | None = None,
    fake_home: bool = True,
    program: Sequence[str] = (),
) -> Sshd:
    """Starts a server in the folder and waits until it answers. A folder that has keys keeps them.

    `program` are words to put before the server's own, such as those of `powers.bound_program`.
    """
    assert SSHD is not None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "home").mkdir(exist_ok=True)
    if not (folder / "host_key").exists():
        make_key(folder / "host_key")
    if not (folder / "client_key").exists():
        if client_key is None:
            make_key(folder / "client_key")
        else:
            shutil.copy(client_key, folder / "client_key")
            shutil.copy(f"{client_key}.pub", folder / "client_key.pub")
    shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    login = folder / "login"
    login.write_text(
        f'#!/bin/sh\ncd "{folder}/home" || exit 1\nHOME="{folder}/home"; export HOME\n'
        f'exec {shell} -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    login.chmod(0o755)
    port = port or free_port()
    (folder / "sshd_config").write_text(
        f"""\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
{f"ForceCommand {login}" if fake_home else ""}
{f"SetEnv HOME={folder}/home" if fake_home else ""}
Subsystem sftp {SFTP_SERVER}
{extra}
"""
    )
    (folder / "ssh_config").write_text(
        f"""\
Host web-*
  HostName 127.0.0.1
  Port {port}
Host *
  User {getpass.getuser()}
  IdentityFile {folder}/client_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
"""
    )
    log = (folder / "sshd.log").open("ab")
    process = subprocess.Popen(
        [*program, SSHD, "-D", "-e", "-f", str(folder / "sshd_config")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    log.close()
    server = Sshd(folder, port, process)
    _wait_for(server)
    server.trust()
    return server


def _wait_for(server: Sshd) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1):
            return
        time.sleep(0.02)
    server.stop()
    raise RuntimeError(f"sshd does not answer: {server.log}")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """One server for one test."""
    server = start_sshd(tmp_path / "sshd")
    yield server
    server.stop()


@pytest.fixture
def sshd_farm(tmp_path: Path) -> "Iterator[Farm]":
    """As many servers as a test asks for; all let the same client key in."""
    farm = Farm(tmp_path / "farm")
    yield farm
    farm.stop()


@dataclass
class Farm:
    folder: Path
    servers: list[Sshd] = field(default_factory=list)

    def start(self, count: int, **options: object) -> list[Sshd]:
        key = self.servers[0].client_key if self.servers else None
        for _ in range(count):
            server = start_sshd(self.folder / str(len(self.servers)), client_key=key, **options)  # type: ignore[arg-type]
            key = key or server.client_key
            self.servers.append(server)
        return self.servers[-count:]

    def settings(self, **changes: object) -> SshSettings:
        """One person's settings, who knows all of the servers."""
        first = self.servers[0]
        first.known_hosts.write_text(
            "".join(f"[127.0.0.1]:{server.port} {server.host_key}\n" for server in self.servers)
        )
        return first.settings(**changes)

    def hosts(self) -> list[HostSpec]:
        return [server.host(f"web-{number}") for number, server in enumerate(self.servers, start=1)]

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
