"""The real `headway` command in a process of its own, so that it can be killed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.deploying import Shop


class Headway:
    """Called in a git repository that holds the shop's headway.toml, on data of its own."""

    def __init__(self, shop: Shop, database_url: str) -> None:
        self.shop = shop
        self.folder = shop.folder / "repository"
        self.folder.mkdir(exist_ok=True)
        self.words = [sys.executable, "-m", "headway"]
        subprocess.run(["git", "init", "-q", str(self.folder)], check=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(shop.folder),
            "HEADWAY_DATA": str(shop.settings.data),
            "HEADWAY_DATABASE_URL": database_url,
            "HEADWAY_SSH_CONFIG": str(shop.settings.ssh_config),
            "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        }
        self.write()

    def write(self) -> None:
        (self.folder / "headway.toml").write_text(self.shop.text())

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*self.words, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def call(self, *words: str, timeout: float = 60) -> tuple[int, str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out.decode(), err.decode()

    def json(self, *words: str) -> tuple[int, Any]:
        code, out, err = self.call(*words, "--json")
        assert out.strip(), err
        return code, json.loads(out)
