"""SSH hosts for tests of whole deployments where no OpenSSH is installed: those of the demo, with real shells."""

import contextlib
import getpass
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from headway.demo.keys import make_key
from tests.support.sshd import Sshd, free_port


class DemoHost(Sshd):
    """Looks like an `Sshd`; lives as long as its standard input is open."""

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def start_host(folder: Path, *, client_key: Path | None = None) -> DemoHost:
    """Starts a host in the folder and waits until it answers."""
    home = folder / "home"
    home.mkdir(parents=True)
    (folder / "host_key.pub").write_text(make_key(folder / "host_key") + "\n")
    if client_key is None:
        (folder / "client_key.pub").write_text(make_key(folder / "client_key") + "\n")
    else:
        shutil.copy(client_key, folder / "client_key")
        shutil.copy(f"{client_key}.pub", folder / "client_key.pub")
    shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
    (folder / "ssh_config").write_text(
        f"""\
Host *
  User {getpass.getuser()}
  IdentityFile {folder}/client_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
"""
    )
    port = free_port()
    words = ["--folder", folder, "--home", home, "--port", port]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "headway.demo.hosts", *(str(word) for word in words)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    host = DemoHost(folder, port, process)
    for _ in range(500):
        assert process.poll() is None, (folder / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            host.trust()
            return host
        time.sleep(0.02)
    host.stop()
    raise RuntimeError((folder / "log").read_text())
