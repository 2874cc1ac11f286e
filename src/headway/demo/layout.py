"""What the demo's world consists of, where it lies in its folder, and the environment its commands get."""

import getpass
import json
import os
import site
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from headway.demo.ports import free_ports

HOSTS = ("web1", "web2", "web3")
#: Staging is a second root on the first host.
STAGING_HOST = "web1"
SERVICE = "shop"
#: Every process that a headway command of the demo starts on this machine carries the demo's folder in this variable.
DEMO_VARIABLE = "HEADWAY_DEMO"
#: Variables of the person that would lead the demo's commands out of its folder.
_LEADS_ASTRAY = ("HEADWAY_", "GIT_", "SSH_", "XDG_")


@dataclass(frozen=True, slots=True)
class Layout:
    """Stored as world.json, so that a kept world starts again on the same ports."""

    folder: Path
    #: `openssh` or `asyncssh`.
    kind: str
    ssh_ports: Mapping[str, int]
    #: Of the shop in production, host by host, and `staging`.
    web_ports: Mapping[str, int]
    balancer_port: int
    balancer_admin: int
    traffic_admin: int
    #: Of Headway's own server; 0 in a world that has none.
    server_port: int = 0

    @property
    def repository(self) -> Path:
        return self.folder / SERVICE

    @property
    def person(self) -> Path:
        """The home of the person who types the commands."""
        return self.folder / "person"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def machine(self, host: str) -> Path:
        """The host's own files: its SSH key, who may sign in."""
        return self.folder / "hosts" / host

    def home(self, host: str) -> Path:
        """The home of the user that SSH signs in as."""
        return self.machine(host) / "home"

    def root(self, host: str, environment: str = "production") -> Path:
        return self.home(host) / "headway" / SERVICE / environment

    def save(self) -> None:
        document = asdict(self) | {"folder": str(self.folder)}
        (self.folder / "world.json").write_text(json.dumps(document, indent=2) + "\n")

    def environment(self) -> dict[str, str]:
        """The environment of a command typed by the demo's person: nothing of the real person's set-up is met."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_LEADS_ASTRAY) and name != "VIRTUAL_ENV"
        }
        who = kept.get("USER") or kept.get("LOGNAME") or _name_of_user()
        return kept | {
            "HOME": str(self.person),
            "USER": who,
            "LOGNAME": who,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
            # A Headway installed with `pip install --user` lies in the real home.
            "PYTHONUSERBASE": site.getuserbase(),
            "PYTHONUNBUFFERED": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HEADWAY_DATA": str(self.data),
            DEMO_VARIABLE: str(self.folder),
        }


def _name_of_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "demo"  # a container may run us as a number without a name


def new_layout(folder: Path, kind: str, *, server: bool = False) -> Layout:
    """Ports are chosen now and nobody's yet."""
    ports = iter(free_ports(2 * len(HOSTS) + 5))
    return Layout(
        folder=folder,
        kind=kind,
        ssh_ports={host: next(ports) for host in HOSTS},
        web_ports={host: next(ports) for host in (*HOSTS, "staging")},
        balancer_port=next(ports),
        balancer_admin=next(ports),
        traffic_admin=next(ports),
        server_port=next(ports) if server else 0,
    )


def load_layout(folder: Path) -> Layout:
    """Of a kept folder. Raises OSError, ValueError, KeyError or TypeError when there is none."""
    document = json.loads((folder / "world.json").read_text())
    return Layout(**(document | {"folder": folder}))
