"""The demo's world: a person with a repository, three hosts, a balancer, users. Made, started, ended, removed."""

import asyncio
import json
import shutil
from pathlib import Path

from headway.base.errors import Errored, WrongUse
from headway.demo.http import ask_json
from headway.demo.keys import known_line, make_key
from headway.demo.layout import DEMO_VARIABLE, HOSTS, STAGING_HOST, Layout, new_layout
from headway.demo.openssh import find_sshd
from headway.demo.parts import Part, PartFailed, end_all, start_all
from headway.demo.processes import end_carriers

_SSH_CONFIG = """\
# Made by headway demo: the demo's hosts, and nobody else's keys.
Host 127.0.0.1
  User {user}
  IdentityFile "{person}/.ssh/id_ed25519"
  IdentitiesOnly yes
  UserKnownHostsFile "{person}/.ssh/known_hosts"
"""
_GIT_CONFIG = """\
[user]
	name = Dana Demo
	email = dana@shop.example
[init]
	defaultBranch = main
[advice]
	detachedHead = false
[commit]
	gpgSign = false
"""
#: What the shop sells. The second host still writes prices as its old till did.
CATALOGUE = [
    {"name": "Tea", "price": "4.20"},
    {"name": "Bread", "price": "3.50"},
    {"name": "Salt & pepper", "price": "0.95"},
]
OLD_TILL = {"name": "Honey", "price": "12,50"}
ODD_HOST = "web2"


class NoSsh(Errored):
    """A host answers, but nobody can sign in there."""


def check_machine() -> None:
    """Raises WrongUse naming what the demo misses on this machine."""
    if not Path("/proc/self/environ").exists():
        raise WrongUse(
            "the demo's hosts need Linux, as all hosts of Headway do",
            hint="run it in a container or a virtual machine",
        )
    if shutil.which("git") is None:
        raise WrongUse("git is missing", hint="on Debian and Ubuntu: sudo apt install git")


class World:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._parts: list[Part] = []
        #: Ended first: it would start again what it finds ended.
        self._server_parts: list[Part] = []

    def start(self, *, included: bool = False) -> None:
        """Hosts, balancer and traffic (which flows when told to), and the server where there is one. `included`: all
        hosts are in the balancer at once.

        Raises PartFailed, NoSsh; nothing runs then.
        """
        parts = [*self._hosts(), self._balancer(included=included), self._traffic()]
        server = [self._server()] if self.layout.server_port else []
        start_all([*parts, *server])
        self._parts, self._server_parts = parts, server
        try:
            asyncio.run(self._sign_in_everywhere())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all that runs: the server, what headway commands left on this machine, then the parts, with what runs on hosts."""
        end_all(self._server_parts)
        end_carriers(DEMO_VARIABLE, str(self.layout.folder))
        end_all(self._parts)
        self._parts, self._server_parts = [], []

    def balancer(self) -> dict[str, dict[str, object]]:
        """Host -> included, in_flight, release, answered by release, failed."""
        state = ask_json(self.layout.balancer_admin, "/state")
        hosts: dict[str, dict[str, object]] = state["hosts"]
        return hosts

    def balancer_total(self) -> int:
        """Requests that came to the balancer and were answered, whatever the answer."""
        state = ask_json(self.layout.balancer_admin, "/state")
        hosts = state["hosts"].values()
        met = sum(host["failed"] + sum(host["answered"].values()) for host in hosts)
        return int(state["homeless"] + met)

    def live_release(self, host: str, environment: str = "production") -> str | None:
        """What `current` points at on a host, read where it lies, not asked of Headway."""
        current = self.layout.root(host, environment) / "current"
        try:
            return Path(current.readlink()).name
        except OSError:
            return None

    def _hosts(self) -> list[Part]:
        layout = self.layout
        return [
            Part(
                f"host-{host}",
                "headway.demo.hosts",
                [
                    *["--kind", layout.kind, "--port", str(layout.ssh_ports[host])],
                    *["--folder", str(layout.machine(host)), "--home", str(layout.home(host))],
                ],
                layout.folder,
            )
            for host in HOSTS
        ]

    def _balancer(self, *, included: bool) -> Part:
        layout = self.layout
        ports = ["--port", str(layout.balancer_port), "--admin-port", str(layout.balancer_admin)]
        backends = [f"{host}={layout.web_ports[host]}" for host in HOSTS]
        flags = ["--included"] if included else []
        return Part("balancer", "headway.demo.balancer", [*ports, *flags, *backends], layout.folder)

    def _traffic(self) -> Part:
        layout = self.layout
        ports = ["--port", str(layout.balancer_port), "--admin-port", str(layout.traffic_admin)]
        return Part("traffic", "headway.demo.traffic", ports, layout.folder)

    def _server(self) -> Part:
        folder = self.layout.folder
        return Part("serving", "headway.demo.serving", ["--folder", str(folder)], folder)

    async def _sign_in_everywhere(self) -> None:
        await asyncio.gather(*(self._sign_in(host) for host in HOSTS))

    async def _sign_in(self, host: str) -> None:
        import asyncssh

        layout = self.layout
        ssh = layout.person / ".ssh"
        try:
            async with asyncio.timeout(15):
                async with asyncssh.connect(
                    "127.0.0.1",
                    layout.ssh_ports[host],
                    config=[str(ssh / "config")],
                    known_hosts=str(ssh / "known_hosts"),
                    client_keys=[str(ssh / "id_ed25519")],
                    agent_path="",
                ) as connection:
                    done = await connection.run('printf %s "$HOME"', check=True)
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise NoSsh(f"{host} ({layout.kind}) lets nobody in: {error!r}") from error
        if done.stdout != str(layout.home(host)):
            raise NoSsh(f"{host} ({layout.kind}) has its home at {done.stdout!r}")


def make_world(folder: Path, wanted: str | None, *, server: bool = False) -> tuple[World, str]:
    """Lay everything into `folder` and start it. Answers the world and, where OpenSSH was left aside, why.

    `wanted` is `openssh`, `asyncssh`, or None: OpenSSH where it is installed and lets its own user in.
    Raises PartFailed or NoSsh.
    """
    kind = wanted or ("openssh" if find_sshd() else "asyncssh")
    world = World(_lay(folder, kind, server=server))
    try:
        world.start()
    except (PartFailed, NoSsh) as error:
        if wanted is not None or kind == "asyncssh":
            raise
        shutil.rmtree(folder, ignore_errors=True)
        world = World(_lay(folder, "asyncssh", server=server))
        world.start()
        return world, error.message
    return world, ""


def _lay(folder: Path, kind: str, *, server: bool) -> Layout:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    layout = new_layout(folder.resolve(), kind, server=server)
    _lay_person(layout)
    for host in HOSTS:
        _lay_host(layout, host)
    _lay_settings(layout, "staging", STAGING_HOST, layout.web_ports["staging"], balancer=None)
    layout.save()
    return layout


def _lay_person(layout: Layout) -> None:
    ssh = layout.person / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    user = layout.environment()["USER"]
    if shutil.which("ssh") is not None:
        # Without OpenSSH's client nobody could read it; keys and known_hosts lie in the usual places, too.
        (ssh / "config").write_text(_SSH_CONFIG.format(user=user, person=layout.person))
    public = make_key(ssh / "id_ed25519")
    (ssh / "id_ed25519.pub").write_text(public + "\n")
    (layout.person / ".gitconfig").write_text(_GIT_CONFIG)
    lines = []
    for host in HOSTS:
        machine = layout.machine(host)
        machine.mkdir(parents=True)
        (machine / "authorized_keys").write_text(public + "\n")
        lines.append(known_line(layout.ssh_ports[host], make_key(machine / "host_key")))
    (ssh / "known_hosts").write_text("".join(lines))


def _lay_host(layout: Layout, host: str) -> None:
    layout.home(host).mkdir()
    _lay_settings(layout, "production", host, layout.web_ports[host], balancer=layout.balancer_admin)


def _lay_settings(layout: Layout, environment: str, host: str, port: int, *, balancer: int | None) -> None:
    """What an administrator lays on a host once: the port, the balancer, the catalogue. Outlives every release."""
    shared = layout.root(host, environment) / "shared" / "host"
    shared.mkdir(parents=True)
    lines = [f"HOST={host}", f"PORT={port}"] + ([f"BALANCER_PORT={balancer}"] if balancer else [])
    (shared / "settings.env").write_text("\n".join(lines) + "\n")
    items = CATALOGUE + ([OLD_TILL] if (environment, host) == ("production", ODD_HOST) else [])
    (shared / "catalogue.json").write_text(json.dumps(items, indent=2) + "\n")
