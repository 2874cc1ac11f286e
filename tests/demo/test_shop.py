"""The demo's service is an ordinary one: it starts, answers, stops like most programs, and its tests test."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.demo.balancer import Backend, Balancer
from headway.demo.http import serve_json
from headway.demo.ports import free_ports
from headway.demo.repository import source

ENVIRONMENT = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Path]:
    """The shop unpacked as on a host, with the host's own folder beside it; stopped at the end."""
    folder = tmp_path / "rel-a"
    shutil.copytree(source(), folder)
    for script in (folder / "bin").iterdir():
        script.chmod(0o755)
    (folder / "host").mkdir()
    (port,) = free_ports(1)
    (folder / "host/settings.env").write_text(f"HOST=web1\nPORT={port}\n")
    (folder / "host/catalogue.json").write_text(json.dumps([{"name": "Tea", "price": "4,20"}]))
    yield folder
    run(folder, "./bin/deactivate")


def run(folder: Path, *argv: str, release: str = "rel-a") -> subprocess.CompletedProcess[str]:
    environment = ENVIRONMENT | {"HEADWAY_RELEASE": release}
    return subprocess.run(
        argv, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=20
    )


def port_of(folder: Path) -> int:
    return int((folder / "host/settings.env").read_text().split("PORT=")[1].split()[0])


def get(folder: Path, path: str) -> tuple[int, str, str]:
    """Status, release and body, as soon as somebody listens."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port_of(folder)}{path}", timeout=5) as reply:
                return reply.status, reply.headers["X-Release"], reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["X-Release"], error.read().decode()
        except urllib.error.URLError:
            time.sleep(0.02)
    raise AssertionError("nobody listens")


def test_it_is_activated_answers_and_is_replaced(release: Path) -> None:
    assert run(release, "./bin/activate").returncode == 0
    status, name, page = get(release, "/")
    assert (status, name) == (200, "rel-a")
    assert "Tea: 4.20" in page
    again = run(release, "./bin/activate", release="rel-b")
    assert "stopped, pid" in again.stdout
    assert get(release, "/health") == (200, "rel-b", '{"status": "ok", "release": "rel-b"}\n')
    assert run(release, "./bin/deactivate").returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(release)), timeout=1)


def test_the_running_shop_has_a_session_of_its_own(release: Path) -> None:
    run(release, "./bin/activate")
    pid = (release / "host/shop.pid").read_text().strip()
    get(release, "/health")
    assert os.getsid(int(pid)) == int(pid)


def test_it_drops_its_connections_when_it_is_stopped(release: Path) -> None:
    run(release, "./bin/activate")
    get(release, "/health")
    with socket.create_connection(("127.0.0.1", port_of(release)), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n")  # a request that is under way
        run(release, "./bin/deactivate")
        try:
            assert connection.recv(4096) == b"", "closed without an answer"
        except ConnectionResetError:
            pass


def test_its_health_turns_bad_when_a_page_cannot_be_shown(release: Path) -> None:
    (release / "host/catalogue.json").write_text('[{"name": "Tea", "price": "soon"}]')
    run(release, "./bin/activate")
    assert get(release, "/health")[0] == 200
    assert get(release, "/")[0] == 500
    status, _, body = get(release, "/health")
    assert status == 500
    assert "cannot show the page" in json.loads(body)["status"]


def test_its_tests_pass_and_are_reported(release: Path) -> None:
    done = run(release, "python3", "-m", "tests", "--junitxml", "report.xml")
    assert done.returncode == 0, done.stdout
    assert (release / "report.xml").read_text().count("<testcase ") == 4


async def test_a_host_is_taken_out_again_when_its_first_answers_fail(release: Path) -> None:
    import asyncio

    balancer = Balancer([Backend("web1", 1)])
    async with await serve_json(balancer.administer, 0) as server:
        admin = server.sockets[0].getsockname()[1]
        (release / "host/settings.env").write_text(f"HOST=web1\nPORT=1\nBALANCER_PORT={admin}\n")

        async def ask(word: str) -> subprocess.CompletedProcess[str]:
            return await asyncio.to_thread(run, release, "./bin/balancer", word)

        balancer.backends["web1"].included = True
        assert (await ask("idle")).returncode == 1
        balancer.backends["web1"].included = False
        undraining = asyncio.create_task(ask("undrain"))
        while not balancer.backends["web1"].included:
            await asyncio.sleep(0.005)
        balancer.backends["web1"].answered["rel-b"] += 1
        balancer.backends["web1"].failed += 1
        done = await undraining
        assert done.returncode == 1
        assert "1 of its first 2 answers to users failed" in done.stdout
        assert not balancer.backends["web1"].included
        assert (await ask("idle")).returncode == 0

        undraining = asyncio.create_task(ask("undrain"))
        while not balancer.backends["web1"].included:
            await asyncio.sleep(0.005)
        balancer.backends["web1"].answered["rel-a"] += 5
        assert (await undraining).returncode == 0
        assert (await ask("drain")).returncode == 0
        assert not balancer.backends["web1"].included


def test_where_no_balancer_is_named_there_is_nothing_to_do(release: Path) -> None:
    assert [run(release, "./bin/balancer", word).returncode for word in ("drain", "idle", "undrain")] == [
        0,
        0,
        0,
    ]
