"""A real `headway up` in a process of its own, with real git repositories that push to it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from headway.domain.people import Scope
from tests.support.repositories import ENVIRONMENT

HEAD = 'contract = 1\n[service]\nname = "shop"\n'


class RunningServer:
    """Start it with `start`; the same data folder may be started again after `kill` or `stop`."""

    def __init__(self, folder: Path, database_url: str | None = None, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.options = options
        self.environment = {
            **{name: value for name, value in ENVIRONMENT.items() if not name.startswith("HEADWAY_")},
            "HEADWAY_DATA": str(self.data),
            "NO_COLOR": "1",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        }
        if database_url:
            self.environment["HEADWAY_DATABASE_URL"] = database_url
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.sign_in: str | None = None
        #: Kept over restarts, so that what was pushed to stays where it was.
        self.port = 0

    def start(self, *options: str, within: float = 60) -> "RunningServer":
        words = ["up", "--listen", f"127.0.0.1:{self.port}", "--json", *self.options, *options]
        self._close_output()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headway", *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        os.set_blocking(self.process.stdout.fileno(), False)
        told, end = b"", time.monotonic() + within
        while not told.rstrip().endswith(b"}"):
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < end, self._where_it_stands()
            told += self.process.stdout.read() or b""
            time.sleep(0.005)
        document = json.loads(told)
        self.url, self.sign_in = document["url"], document["sign_in"]
        self.port = int(self.url.rpartition(":")[2])
        return self

    def _where_it_stands(self) -> str:
        """The end of its log, with what each of its threads does. It has ended then."""
        assert self.process is not None
        self.process.send_signal(signal.SIGABRT)
        self.process.wait()
        return self.log.read_text()[-12000:]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, within: float = 60) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._close_output()

    def _close_output(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    # As its owner, over the socket in its folder

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.HTTPTransport(uds=str(self.data / "headway.sock"))
        with httpx.Client(transport=transport, base_url="http://headway", timeout=30) as client:
            return client.request(method, path, **more)

    def token(self, *scopes: Scope, role: str = "administrator") -> str:
        """Of a person who has this role."""
        handle = f"test-{role}"
        added = self.api("POST", "/api/people", json={"handle": handle, "role": role})
        assert added.status_code in (201, 409), added.text
        answer = self.api(
            "POST",
            "/api/tokens",
            json={
                "name": f"test {time.monotonic_ns()}",
                "scopes": list(scopes or Scope),
                "person": handle,
            },
        )
        assert answer.status_code == 201, answer.text
        text: str = answer.json()["text"]
        return text

    def add_repository(self, name: str = "shop", **more: Any) -> dict[str, Any]:
        answer = self.api("POST", "/api/repositories", json={"name": name, **more})
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def runs(self, service: str = "shop") -> list[dict[str, Any]]:
        """Oldest first."""
        answer = self.api("GET", f"/api/runs?service={service}&limit=100")
        assert answer.status_code == 200, answer.text
        return list(reversed(answer.json()["items"]))

    def wait_for_runs(self, count: int, *, within: float = 90, service: str = "shop") -> list[dict[str, Any]]:
        """Until so many have ended."""
        end = time.monotonic() + within
        while True:
            found = self.runs(service)
            ended = [run for run in found if run["finished_at"] is not None]
            if len(ended) >= count:
                return found
            assert time.monotonic() < end, f"{found}\n{self.log.read_text()[-3000:]}"
            time.sleep(0.02)

    def metrics(self) -> Mapping[str, float]:
        text = self.api("GET", "/metrics").text
        return {name: float(value) for name, value in re.findall(r"^(\S+) (\S+)$", text, re.MULTILINE)}


class Pusher:
    """A working copy that pushes to a repository which the server hosts."""

    def __init__(
        self, folder: Path, server: RunningServer, name: str = "shop", token: str | None = None
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.server = server
        self.token = token or server.token(Scope.PUSH)
        self.name = name
        self.git("init", "-q", "-b", "main")

    @property
    def address(self) -> str:
        return f"{self.server.url.replace('http://', f'http://x:{self.token}@')}/git/{self.name}.git"

    def git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env=ENVIRONMENT,
            check=check,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def commit(self, files: Mapping[str, str], message: str = "change") -> str:
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, *refs: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.git("push", "-q", self.address, *(refs or ("HEAD",)), check=check)

    def say(self, contract: str, message: str = "change") -> str:
        """A commit of the shop's headway.toml with this after its head, pushed."""
        sha = self.commit({"headway.toml": HEAD + contract}, message)
        self.push()
        return sha


@contextmanager
def running_server(folder: Path, database_url: str | None = None, *options: str) -> Iterator[RunningServer]:
    server = RunningServer(folder, database_url, *options)
    try:
        yield server.start()
    finally:
        server.close()
