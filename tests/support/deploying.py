"""A small service, its releases and its hosts, for tests that deploy it for real over SSH."""

import io
import tarfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from headway.base.clock import SystemClock
from headway.domain.contract import Contract
from headway.domain.deployment import Deployment, DeploymentStep, HostRow
from headway.domain.release import Release, release_id
from headway.drivers.artifacts import ArtifactStore
from headway.drivers.git import Git
from headway.drivers.ssh.connections import Connections
from headway.engine.deployments.deployments import Deployments
from headway.engine.deployments.drive import Watcher
from headway.engine.deployments.hold import World
from headway.engine.projects import Project
from headway.engine.settings import Settings
from headway.store.database import Database
from headway.store.releases import put_release
from headway.wire.contract import read_contract
from tests.support.sshd import Sshd

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

#: The service "serves" what stands in ROOT/serving; its health is what its release and its host say.
CONTRACT = """\
contract = 1

[service]
name = "shop"

[deploy]
kind = "files"
artifact = "app.tar.gz"
root = "{root}"
shared = ["uploads"]
prepare = "./bin/prepare"
drain = {{ run = 'echo {{host}} > "$HEADWAY_ROOT/draining"', until = 'test -f "$HEADWAY_ROOT/draining"', within = "5s" }}
activate = "./bin/activate"
deactivate = 'rm -f "$HEADWAY_ROOT/serving"'
undrain = 'rm -f "$HEADWAY_ROOT/draining"'
health = {health}
timeout = "20s"
{extra_deploy}

[environments.production]
hosts = "group:web"
strategy = {strategy}
production = true
{extra_environment}
[environments.production.env]
GREETING = "hello world"

[groups]
web = [{names}]
{hosts}
"""

FILES = {
    "VERSION": "{version}\n",
    "bin/prepare": "echo prepared >> prepare.log",
    "bin/activate": 'cp VERSION "$HEADWAY_ROOT/serving"; echo "$GREETING" > "$HEADWAY_ROOT/greeting"',
    "bin/health": 'cmp VERSION "$HEADWAY_ROOT/serving"',
    "uploads/first.txt": "seed\n",
}


def archive(version: str, files: dict[str, str] | None = None) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for path, text in {**FILES, **(files or {})}.items():
            script = path.startswith("bin/")
            data = (("#!/bin/sh\nset -eu\n" if script else "") + text.replace("{version}", version)).encode()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755 if script else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return content.getvalue()


class Noting(Watcher):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.rows: list[HostRow] = []
        self.done: list[DeploymentStep] = []

    def deployment(self, deployment: Deployment) -> None:
        self.lines.append(f"{deployment.state}: {deployment.reason}")

    def host(self, row: HostRow) -> None:
        self.rows.append(row)

    def steps(self, steps: Sequence[DeploymentStep]) -> None:
        self.done.extend(step for step in steps if step.finished_at)

    def note(self, text: str) -> None:
        self.lines.append(text)

    def moves(self, host: str) -> list[str]:
        return [str(row.state) for row in self.rows if row.host == host]


@dataclass
class Shop:
    """One service on some hosts; each test has roots of its own there."""

    folder: Path
    servers: Sequence[Sshd]
    database: Database
    root: str
    strategy: str = '{ kind = "rolling", batch = 1 }'
    within: str = "2s"
    #: A table of TOML in place of the command.
    health: str = ""
    extra_deploy: str = ""
    extra_environment: str = ""
    #: Words of the file -> what stands in their place, as another version of the service has it.
    edits: dict[str, str] = field(default_factory=dict)
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        first = self.servers[0]
        first.known_hosts.write_text(
            "".join(f"[127.0.0.1]:{server.port} {server.host_key}\n" for server in self.servers)
        )
        self.settings = Settings(
            data=self.folder / "data",
            database_url="",
            user="ana@laptop",
            environment={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
            ssh_config=first.config,
        )
        (self.folder / "data").mkdir(exist_ok=True)

    @property
    def names(self) -> list[str]:
        return [f"web{number}" for number in range(1, len(self.servers) + 1)]

    def text(self) -> str:
        hosts = "".join(
            f'[hosts.{name}]\naddress = "127.0.0.1"\nport = {server.port}\nuser = "root"\n'.replace(
                '"root"', f'"{server.host().user}"'
            )
            for name, server in zip(self.names, self.servers, strict=True)
        )
        text = CONTRACT.format(
            root=self.root,
            strategy=self.strategy,
            health=self.health
            or f'{{ command = "./bin/health", interval = "50ms", within = "{self.within}" }}',
            extra_deploy=self.extra_deploy,
            extra_environment=self.extra_environment,
            names=", ".join(f'"{name}"' for name in self.names),
            hosts=hosts,
        )
        for old, new in self.edits.items():
            assert old in text, old
            text = text.replace(old, new)
        return text

    def contract(self) -> Contract:
        return read_contract(self.text(), "headway.toml")

    def project(self) -> Project:
        return Project(self.folder, self.folder / "headway.toml", self.contract(), self.text())

    def release(self, version: str, files: dict[str, str] | None = None) -> Release:
        store = ArtifactStore(self.settings.artifacts)
        file = self.folder / f"{version}.tar.gz"
        file.write_bytes(archive(version, files))
        artifact = replace(store.keep(file, "app.tar.gz"), executable=False)
        commit = (version.encode().hex() * 40)[:40]
        release = Release(
            id=release_id("shop", commit, [artifact]),
            service="shop",
            repository=str(self.folder),
            commit=commit,
            artifacts=(artifact,),
            created_at=NOW,
            created_by="ana",
        )
        return self.database.transact(lambda tx: put_release(tx, release, now=NOW))

    @asynccontextmanager
    async def world(self, **changes: object) -> AsyncIterator[World]:
        async with Connections(replace(self.settings.ssh, connect_within=1.0)) as connections:
            world = World(self.settings, SystemClock(), connections, watcher=Noting())
            for name, value in changes.items():
                setattr(world, name, value)
            yield world

    @asynccontextmanager
    async def deployments(self, **changes: object) -> AsyncIterator[Deployments]:
        async with self.world(**changes) as world:
            git = Git(self.settings.environment, self.settings.mirrors)
            yield Deployments(world, self.database, git, self.project())

    def place(self, host: str) -> Path:
        """The environment's root on a host."""
        return self.servers[self.names.index(host)].home / self.root

    def serving(self) -> list[str | None]:
        """What each host serves."""
        files = [self.place(name) / "serving" for name in self.names]
        return [file.read_text().strip() if file.exists() else None for file in files]

    def current(self) -> list[str | None]:
        """What `current` points to on each host."""
        links = [self.place(name) / "current" for name in self.names]
        return [link.readlink().name if link.is_symlink() else None for link in links]

    def journal(self, host: str) -> list[dict[str, object]]:
        import json

        file = self.place(host) / "journal"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def is_free(self) -> bool:
        return all(
            entry.name.endswith(".closed")
            for name in self.names
            if (self.place(name) / "epochs").exists()
            for entry in (self.place(name) / "epochs").iterdir()
        )
