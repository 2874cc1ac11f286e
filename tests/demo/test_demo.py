"""The acceptance of it all: the demo goes as told, looked at from outside too, and a kept world can be played on in."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from headway.demo.keep import load_kept
from headway.demo.layout import HOSTS, Layout
from headway.demo.ports import is_free
from headway.demo.processes import HOST_VARIABLE, carriers
from tests.docs.shapes import PAGE, same, tables


# A loaded machine takes three times as long as a free one. One test, so that no two workers play the same story.
@pytest.mark.timeout(500)
def test_the_demo_goes_as_told_and_its_world_can_be_played_on_in(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    done = subprocess.run(
        [sys.executable, "-m", "headway", "demo", "--json", "--keep", "--folder", str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-1000:]
    document, layout = json.loads(done.stdout), load_kept(folder)
    went_as_told(document, done.stderr)
    nothing_runs(layout)
    hosts_say_the_same(document, layout)
    can_be_played_on_in(document, layout)
    nothing_runs(layout)


def went_as_told(document: dict[str, Any], story: str) -> None:
    same(document, tables(PAGE["headway demo"])[""])
    assert document["as_told"] is True
    assert document["commits"] == {"delivered": 3, "reverting": 2, "rolled_back": 1, "stopped": 1}
    assert document["runs"] == {"failed": 1, "succeeded": 4}
    assert document["deployments"] == {"rolled_back": 1, "succeeded": 7}
    assert document["rolled_back_automatically"] == 1
    assert document["resumed_after_kill"] == 1
    assert "kill -9" in story
    assert document["requests_total"] > 500
    assert document["requests_failed_in_good_rollouts"] == 0
    # The users themselves find the bad release out, so at least one fails; and it is out before many do.
    assert 1 <= document["requests_failed_by_bad_release"] <= 60
    assert 0 < document["requests_failed_by_bad_release_seconds"] < 5
    assert f"The bad release failed {document['requests_failed_by_bad_release']} requests" in story
    metrics = document["metrics"]["metrics"]
    assert metrics["fail_rate"]["events"] == 1
    assert metrics["recovery_time"]["n"] == 1
    assert 0 < document["recovery_seconds"] < 120


def nothing_runs(layout: Layout) -> None:
    ports = [*layout.ssh_ports.values(), *layout.web_ports.values(), layout.balancer_port]
    assert [port for port in ports if not is_free(port)] == []
    assert [pid for host in HOSTS for pid in carriers(HOST_VARIABLE, str(layout.home(host)))] == []


def hosts_say_the_same(document: dict[str, Any], layout: Layout) -> None:
    for host in HOSTS:
        deployed = json.loads((layout.root(host) / "deployed.json").read_text())
        assert deployed["release"] == document["hosts"][host]
        assert (layout.root(host) / "current").resolve().name == document["hosts"][host]


def can_be_played_on_in(document: dict[str, Any], layout: Layout) -> None:
    on = subprocess.Popen(
        [layout.folder / "start"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert on.stdout is not None
    try:
        os.set_blocking(on.stdout.fileno(), False)
        said, until = b"", time.monotonic() + 60
        while b"Ctrl-C" not in said and on.poll() is None and time.monotonic() < until:
            said += on.stdout.read() or b""
            time.sleep(0.05)
        assert b"Ctrl-C" in said, said
        asked = [layout.folder / "headway", "status", "--from-hosts", "--json"]
        status = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)
        assert status.returncode == 0, status.stderr
        live = {host["host"]: host["release"] for host in json.loads(status.stdout)["hosts"]}
        assert live == {**document["hosts"], "staging": document["hosts"]["web1"]}
    finally:
        on.send_signal(signal.SIGTERM)
        on.communicate(timeout=30)
