"""The `headway` command as a process of its own, for tests that send it signals or kill it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from headway.store.database import open_database
from tests.support.repositories import ENVIRONMENT, Repository

HEAD = 'contract = 1\n[service]\nname = "shop"\n'


class Terminal:
    """Calls `headway` in a repository, with a data folder and a database of its own."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.repository = Repository(folder / "repository")
        self.data = folder / "data"
        self.environment = {
            **{name: value for name, value in ENVIRONMENT.items() if not name.startswith("HEADWAY_")},
            "HEADWAY_DATA": str(self.data),
            "HEADWAY_DATABASE_URL": database_url,
            "NO_COLOR": "1",
        }

    def make_database(self) -> None:
        """An empty one, as something that was run here would have left it."""
        open_database(self.environment["HEADWAY_DATABASE_URL"]).close()

    def write(self, contract: str) -> str:
        """`$OUTSIDE` stands for a folder that jobs may write to and that outlives them."""
        return self.repository.commit(
            {"headway.toml": HEAD + contract.replace("$OUTSIDE", str(self.outside))}
        )

    def start(self, *words: str, folder: Path | None = None, **options: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "headway", *words],
            cwd=folder or self.repository.folder,
            env=self.environment,
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            **options,
        )

    def call(self, *words: str, folder: Path | None = None, **options: Any) -> "Answer":
        """The whole command, at most two minutes."""
        with self.start(*words, folder=folder, **options) as process:
            output, complaint = process.communicate(timeout=120)
        return Answer(process.returncode, output, complaint)

    def happened(self, name: str) -> list[str]:
        path = self.outside / name
        return path.read_text().splitlines() if path.exists() else []

    def logs(self) -> "list[bytes]":
        """The content of all log files."""
        return [path.read_bytes() for path in sorted(self.data.glob("logs/*/*.log"))]


class Answer:
    def __init__(self, code: int, output: bytes, complaint: bytes) -> None:
        self.code = code
        self.output = output
        self.complaint = complaint.decode()

    @property
    def text(self) -> str:
        return self.output.decode(errors="replace")

    @property
    def document(self) -> Any:
        return json.loads(self.output)

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.text}\n{self.complaint}"


def wait_until(what: Callable[[], object], *, within: float = 60) -> None:
    """Fails when it does not come true."""
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


def alive(pids: Sequence[str]) -> list[str]:
    """Those of these processes that live."""
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
