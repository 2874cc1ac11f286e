"""docs/api.md: its calls are made, in their order, by curl against a real server."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.domain.people import Scope
from tests.docs.pages import Block, blocks
from tests.support.repositories import ENVIRONMENT
from tests.support.running_server import Pusher, RunningServer, running_server

PAGE = "docs/api.md"
CALLS = [
    block for block in blocks("sh") if block.page == PAGE and ("curl" in block.text or "printf" in block.text)
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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path / "server") as found:
        found.add_repository("shop")
        yield found


@pytest.mark.slow
def test_the_calls_that_are_shown_work_one_after_the_other(server: RunningServer, tmp_path: Path) -> None:
    assert len(CALLS) >= 9
    working = Pusher(tmp_path / "work" / "shop", server)
    working.say(CONTRACT)
    server.wait_for_runs(1)
    scopes = (Scope.READ, Scope.RUN, Scope.RELEASE, Scope.DEPLOY)
    environment = {**ENVIRONMENT, "HEADWAY_SERVER": server.url, "HEADWAY_TOKEN": server.token(*scopes)}
    shown = [json.loads(found.text) for found in blocks("json") if found.page == PAGE]
    for block in CALLS:
        answer = called(block, working.folder, environment)
        if "brunch" in block.text:
            problem = json.loads(answer)
            assert problem["status"] == 400 and problem in shown, block
        else:
            assert '"status"' not in answer or '"title"' not in answer, (block, answer)
            assert answer or "curl" not in block.text, block
    what_they_brought_about(server, working.folder)


def called(block: Block, folder: Path, environment: dict[str, str]) -> str:
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
    assert done.returncode == 0, (block, done.stderr)
    return done.stdout


def what_they_brought_about(server: RunningServer, folder: Path) -> None:
    assert (folder / "auth").exists()
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
