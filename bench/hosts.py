"""Ten and fifty hosts that are real sshd's on loopback, stock in MaxStartups; every connection is cold."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.parts import Row, git_repository, headway_environment, rival_environment
from tests.support.sshd import Farm

TIMES = 5


def measure(folder: Path) -> list[Row]:
    rows = []
    with farm(folder / "ten", 10) as hosts:
        rows += deployments(hosts, folder)
        rows += uploads(hosts, folder)
        rows.append(exec_row(hosts, folder, 10))
        rows.append(line_row(hosts, folder))
    with farm(folder / "fifty", 50) as hosts:
        rows.append(exec_row(hosts, folder, 50))
    return rows


@contextmanager
def farm(folder: Path, count: int) -> Iterator[Farm]:
    hosts = Farm(folder)
    try:
        hosts.start(count)
        hosts.settings()
        yield hosts
    finally:
        hosts.stop()


class Service:
    """A repository whose release goes to all hosts of the farm at once."""

    def __init__(self, hosts: Farm, folder: Path, payload: bytes) -> None:
        self.hosts, self.data = hosts, folder / "data"
        self.environment = {
            **headway_environment(self.data),
            "HEADWAY_SSH_CONFIG": str(hosts.servers[0].config),
        }
        self.repository = git_repository(
            folder / "repository", {"headway.toml": self.contract(), "a.txt": "a\n"}
        )
        self.payload = folder / "payload.bin"
        self.payload.write_bytes(payload)

    def contract(self) -> str:
        names = [host.name for host in self.hosts.hosts()]
        tables = "".join(
            f'[hosts.{host.name}]\naddress = "{host.address}"\nport = {host.port}\nuser = "{host.user}"\n'
            for host in self.hosts.hosts()
        )
        return (
            'contract = 1\n[service]\nname = "bench"\n[jobs.build]\nrun = "true"\nartifacts = ["payload.bin"]\n'
            '[deploy]\nkind = "files"\nartifact = "payload.bin"\nactivate = "true"\n'
            f'[environments.production]\nhosts = "group:all"\nstrategy = {{ kind = "rolling", batch = "100%" }}\n'
            f"[groups]\nall = {json.dumps(names)}\n{tables}"
        )

    def headway(self, *arguments: str) -> float:
        """Seconds of the whole process."""
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "headway", *arguments],
            cwd=self.repository,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"headway {arguments}: {done.stdout}{done.stderr}")
        return time.perf_counter() - begin

    def commit(self, text: str) -> None:
        (self.repository / "a.txt").write_text(text)
        identity = ["-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
        subprocess.run(["git", *identity, "commit", "-qam", text], cwd=self.repository, check=True)

    def release(self) -> None:
        self.headway("release", "add", "--commit", "HEAD", f"payload.bin={self.payload}")


def deployments(hosts: Farm, folder: Path) -> list[Row]:
    service = Service(hosts, folder / "small", b"x" * 1000)
    deploys, rollbacks = [], []
    service.release()
    service.headway("deploy", "production")
    for turn in range(TIMES):
        service.commit(f"change {turn}")
        service.release()
        deploys.append(service.headway("deploy", "production"))
        rollbacks.append(service.headway("rollback", "production"))
    return [
        Row("no-op deployment to 10 hosts, whole process", "s", deploys, target="≤ 3"),
        Row("rollback of the same, whole process", "s", rollbacks, target="≤ 2"),
    ]


def uploads(hosts: Farm, folder: Path) -> list[Row]:
    import random

    ours, theirs = [], []
    for turn in range(3):
        payload = random.Random(turn).randbytes(50_000_000)
        service = Service(hosts, folder / f"big{turn}", payload)
        service.release()
        ours.append(service.headway("deploy", "production"))
        theirs.append(scp_loop(hosts, service.payload))
    return [
        Row(
            "release of 50 MB (random bytes) to 10 hosts, whole deployment",
            "s",
            ours,
            theirs,
            "scp in a loop",
        )
    ]


def scp_loop(hosts: Farm, payload: Path) -> float:
    begin = time.perf_counter()
    first = hosts.servers[0]
    for server in hosts.servers:
        command = [
            "scp",
            "-q",
            "-F",
            str(first.config),
            "-P",
            str(server.port),
            str(payload),
            "127.0.0.1:payload.bin",
        ]
        subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


def exec_row(hosts: Farm, folder: Path, count: int) -> Row:
    service = Service(hosts, folder / f"exec{count}", b"x")
    named = folder / f"hosts{count}.json"
    listed = [
        {
            "address": host.address,
            "user": host.user,
            "port": host.port,
            "key": str(hosts.servers[0].client_key),
        }
        for host in hosts.hosts()
    ]
    named.write_text(json.dumps(listed))
    fabric = [
        rival_environment() / "bin" / "python",
        Path(__file__).parent / "fabric_rival.py",
        named,
        "true",
    ]
    ours, theirs = [], []
    for _ in range(TIMES):
        ours.append(service.headway("exec", "-H", "group:all", "--", "true"))
        begin = time.perf_counter()
        subprocess.run(fabric, check=True, capture_output=True)
        theirs.append(time.perf_counter() - begin)
    return Row(f"`headway exec true` on {count} hosts, whole process", "s", ours, theirs, "Fabric")


def line_row(hosts: Farm, folder: Path) -> Row:
    host = hosts.hosts()[0]
    program = Path(__file__).parent / "line_over_ssh.py"
    command = [sys.executable, str(program), str(hosts.servers[0].config), str(host.port), str(host.user)]
    done = subprocess.run(
        command, env=headway_environment(folder / "line"), check=True, capture_output=True, text=True
    )
    return Row(
        "a line printed by a job on a host until it is read here",
        "ms",
        json.loads(done.stdout),
        target="≤ 1000",
    )
