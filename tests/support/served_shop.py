"""A real server that hosts the shop's repository and reaches one real host, and somebody's terminal elsewhere."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from headway.domain.people import Scope
from tests.support.command_line import Answer
from tests.support.repositories import ENVIRONMENT
from tests.support.running_server import HEAD, Pusher, RunningServer
from tests.support.sshd import Sshd, start_sshd

CONTRACT = """
[jobs.image]
run = "mkdir -p dist && cp page serve dist/ && tar -c --mtime=@0 -C dist page serve | gzip -n > dist/shop.tar.gz && echo built"
artifacts = ["dist/shop.tar.gz"]
[jobs.test]
run = "echo testing; test ! -e bad"
[deploy]
kind = "files"
artifact = "dist/shop.tar.gz"
root = "apps/shop-{environment}"
activate = 'cp page "$HEADWAY_ROOT/serving"'
logs = 'cat "$HEADWAY_ROOT/serving"'
[environments.staging]
hosts = "web-1"
promote = "ask"
[environments.production]
hosts = "web-1"
promote = "ask"
production = true
approval = { from = "role:operator" }
[hosts.web-1]
address = "127.0.0.1"
port = PORT
"""


class ServedShop:
    def __init__(self, folder: Path, host: Sshd) -> None:
        self.folder = folder
        self.host = host
        self.server = RunningServer(folder / "server")
        self.server.environment["HEADWAY_SSH_CONFIG"] = str(host.folder / "ssh_config")
        self.server.start()
        self.server.add_repository("shop")
        self.token = self.server.token()
        self.work = Pusher(folder / "work", self.server, token=self.token)
        self.contract = HEAD + CONTRACT.replace("PORT", str(host.port))

    def push(self, page: str, **files: str) -> str:
        """A commit whose release serves this page; when its run has ended."""
        before = len(self.server.runs())
        sha = self.work.commit({"headway.toml": self.contract, "page": page, "serve": "x", **files}, page)
        self.work.push()
        self.server.wait_for_runs(before + 1)
        return sha

    def environment(self, **more: str) -> dict[str, str]:
        """Of a terminal on another machine, so to speak."""
        return {
            **{name: value for name, value in ENVIRONMENT.items() if not name.startswith("HEADWAY_")},
            "HEADWAY_DATA": str(self.folder / "elsewhere"),
            "HEADWAY_SERVER": self.server.url,
            "HEADWAY_TOKEN": self.token,
            "NO_COLOR": "1",
            "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
            **more,
        }

    def start(self, *words: str, folder: Path | None = None, **more: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "headway", *words],
            cwd=folder or self.work.folder,
            env=self.environment(**more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def call(self, *words: str, typed: bytes = b"", folder: Path | None = None, **more: str) -> Answer:
        with self.start(*words, folder=folder, **more) as process:
            output, complaint = process.communicate(typed, timeout=120)
        return Answer(process.returncode, output, complaint)

    def json(self, *words: str, **more: Any) -> Any:
        return self.call(*words, "--json", **more).document

    def approve(self, request: str) -> None:
        """By an operator; not over the socket, whose owner is nobody's account."""
        token = self.server.token(Scope.DEPLOY, role="operator")
        answer = httpx.post(
            f"{self.server.url}/api/requests/{request}/approve",
            json={"yes": True},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200, answer.text


@contextmanager
def served_shop(folder: Path) -> Iterator[ServedShop]:
    host = start_sshd(folder / "host")
    shop = None
    try:
        shop = ServedShop(folder, host)
        yield shop
    finally:
        if shop is not None:
            shop.server.close()
        host.stop()
