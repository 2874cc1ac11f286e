"""docs/api.md: its calls are made, in their order, by curl against a real server."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.domain.people import Scope
from tests.docs.pages import Block, blocks
from tests.support.repositories import ENVIRONMENT
from tests.support.running_server import Pusher, RunningServer, running_server

CALLS = [
    block
    for block in blocks("sh")
    if block.page == "docs/api.md" and ("curl" in block.text or "printf" in block.text)
]
CONTRACT = """
[jobs.test]
run = "echo one; echo two"
[deploy]
kind = "script"
run = "true"
[environments.production]
hosts = "web-1"
promote = "ask"
[hosts.web-1]
"""
pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None, reason="no curl here: the page's calls are not made"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("server")) as found:
        found.add_repository("shop")
        yield found


@pytest.fixture(scope="module")
def folder(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    working = Pusher(tmp_path_factory.mktemp("work") / "shop", server)
    working.say(CONTRACT)
    server.wait_for_runs(1)
    return working.folder


@pytest.fixture(scope="module")
def environment(server: RunningServer) -> dict[str, str]:
    scopes = (Scope.READ, Scope.RUN, Scope.RELEASE, Scope.DEPLOY)
    return {**ENVIRONMENT, "HEADWAY_SERVER": server.url, "HEADWAY_TOKEN": server.token(*scopes)}


def test_there_are_calls() -> None:
    assert len(CALLS) >= 9


@pytest.mark.parametrize("block", CALLS, ids=str)
def test_a_call_that_is_shown_works(block: Block, folder: Path, environment: dict[str, str]) -> None:
    # What one block sets, the next one uses.
    script = f'test -f variables && . ./variables; {block.text}\nset | grep "^sha=" > variables || true\n'
    done = subprocess.run(
        ["sh", "-c", script],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    if "brunch" in block.text:
        assert json.loads(done.stdout)["status"] == 400
        return
    assert '"status"' not in done.stdout or '"title"' not in done.stdout, done.stdout
    if "curl" in block.text:
        assert done.stdout, done.stderr


def test_what_they_brought_about(server: RunningServer, folder: Path) -> None:
    assert os.path.exists(folder / "auth")
    [deployment] = server.api("GET", "/api/deployments").json()["items"]
    assert (deployment["origin"], deployment["environment"]) == ("jenkins", "production")
    runs = server.api("GET", "/api/runs?event=manual").json()["items"]
    assert len(runs) == 1
    artifacts = [
        artifact["path"]
        for release in server.api("GET", "/api/services/shop/releases").json()["items"]
        for artifact in release["artifacts"]
    ]
    assert "dist/shop.tar.gz" in artifacts


def test_the_problem_is_shown_as_it_is(folder: Path, environment: dict[str, str]) -> None:
    [block] = [block for block in CALLS if "brunch" in block.text]
    done = subprocess.run(
        ["sh", "-c", block.text],
        check=True,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    shown = [json.loads(found.text) for found in blocks("json") if found.page == "docs/api.md"]
    assert json.loads(done.stdout) in shown
