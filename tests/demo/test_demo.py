"""The acceptance of it all: the demo goes as told, looked at from outside too, and a kept world can be played on in."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from headway.demo.http import ask_json
from headway.demo.keep import load_kept
from headway.demo.layout import DEMO_VARIABLE, HOSTS, Layout, load_layout
from headway.demo.ports import is_free
from headway.demo.processes import HOST_VARIABLE, carriers
from headway.demo.served import Served
from tests.docs.shapes import PAGE, same, tables


# A loaded machine takes three times as long as a free one.
@pytest.mark.timeout(500)
@pytest.mark.slow
def test_the_demo_through_a_server_goes_as_told_and_can_be_looked_around_in(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    with (tmp_path / "story").open("wb") as story:
        demo = start(story, "demo", "--json", "--keep", "--folder", str(folder))
    try:
        told = read_until(demo, b"\n}\n", within=400)
        said = (tmp_path / "story").read_text()
        assert told, said[-4000:]
        document, layout = json.loads(told), load_layout(folder)
        went_as_told(document, said, rollbacks_by_people=1)
        assert document["deployments"] == {"rolled_back": 1, "succeeded": 8}
        hosts_say_the_same(document, layout)
        everything_is_on(layout, said)
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=60)
    assert demo.returncode == 0
    nothing_runs(layout)
    can_be_played_on_in(document, layout)
    nothing_runs(layout)


@pytest.mark.timeout(500)
@pytest.mark.slow
def test_the_demo_without_a_server_goes_as_told(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    done = subprocess.run(
        [sys.executable, "-m", "headway", "demo", "--no-server", "--json", "--keep", "--folder", str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-1000:]
    document, layout = json.loads(done.stdout), load_kept(folder)
    went_as_told(document, done.stderr)
    assert document["deployments"] == {"rolled_back": 1, "succeeded": 7}
    nothing_runs(layout)
    hosts_say_the_same(document, layout)


def start(story: BinaryIO, *words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "headway", *words],
        stdout=subprocess.PIPE,
        stderr=story,
        start_new_session=True,
    )


def read_until(process: "subprocess.Popen[bytes]", end: bytes, *, within: float) -> bytes:
    """What it printed, once that ends so; nothing when it ended or was silent before."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    said, until = b"", time.monotonic() + within
    while not said.endswith(end):
        if process.poll() is not None or time.monotonic() > until:
            return b""
        said += process.stdout.read() or b""
        time.sleep(0.05)
    return said


def went_as_told(document: dict[str, Any], story: str, *, rollbacks_by_people: int = 0) -> None:
    same(document, tables(PAGE["headway demo"])[""])
    assert document["as_told"] is True
    assert document["commits"] == {"delivered": 3, "reverting": 2, "rolled_back": 1, "stopped": 1}
    assert document["runs"] == {"failed": 1, "succeeded": 4}
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
    assert metrics["fail_rate"]["events"] == 1 + rollbacks_by_people
    assert metrics["recovery_time"]["n"] == 1 + rollbacks_by_people
    assert 0 < document["recovery_seconds"] < 120


def everything_is_on(layout: Layout, story: str) -> None:
    """For looking around: the server answers, its link lets one in, users get answers."""
    assert f"Headway is at {Served(layout).url}" in story
    # Each start of the server has a link of its own; the last one holds.
    links = re.findall(rf"{Served(layout).url}/sign-in/\S+", story)
    with urllib.request.urlopen(links[-1], timeout=60) as page:
        assert b"Become the first administrator" in page.read()
    answered = ask_json(layout.traffic_admin, "/counts")["total"]
    until = time.monotonic() + 10
    while ask_json(layout.traffic_admin, "/counts")["total"] <= answered:
        assert time.monotonic() < until
        time.sleep(0.05)


def nothing_runs(layout: Layout) -> None:
    ports = [*layout.ssh_ports.values(), *layout.web_ports.values(), layout.balancer_port, layout.server_port]
    assert [port for port in ports if port and not is_free(port)] == []
    assert [pid for host in HOSTS for pid in carriers(HOST_VARIABLE, str(layout.home(host)))] == []
    assert carriers(DEMO_VARIABLE, str(layout.folder)) == []


def hosts_say_the_same(document: dict[str, Any], layout: Layout) -> None:
    for host in HOSTS:
        deployed = json.loads((layout.root(host) / "deployed.json").read_text())
        assert deployed["release"] == document["hosts"][host]
        assert (layout.root(host) / "current").resolve().name == document["hosts"][host]


def can_be_played_on_in(document: dict[str, Any], layout: Layout) -> None:
    on = subprocess.Popen(
        [layout.folder / "start"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        said = read_until(on, b"Ctrl-C switches off.\n", within=60)
        assert f"Headway is at {Served(layout).url}".encode() in said
        asked = [layout.folder / "headway", "status", "--from-hosts", "--json"]
        status = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)
        assert status.returncode == 0, status.stderr
        live = {host["host"]: host["release"] for host in json.loads(status.stdout)["hosts"]}
        assert live == {**document["hosts"], "staging": document["hosts"]["web1"]}
    finally:
        on.send_signal(signal.SIGTERM)
        on.communicate(timeout=60)
