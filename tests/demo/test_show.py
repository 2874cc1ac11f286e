"""The demo from outside: what it refuses, and that nothing of it stays, however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headway.demo.keep import how_to_look_around, load_kept, remove
from headway.demo.layout import DEMO_VARIABLE, HOSTS, load_layout, new_layout
from headway.demo.ports import is_free
from headway.demo.processes import HOST_VARIABLE, carriers
from headway.demo.serving import STATE
from headway.demo.world import make_world


def headway(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "headway", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(holds: Callable[[], bool], within: float = 60) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.slow
def test_however_it_ends_its_hosts_end_too(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "world"
    demo = headway("demo", "--folder", str(folder), "--ssh", "asyncssh")
    try:
        wait_for((folder / "shop" / "headway.toml").exists)
        layout = load_layout(folder)
        ports = [*layout.ssh_ports.values(), layout.balancer_port, layout.server_port]
        assert not any(is_free(port) for port in ports)
        demo.send_signal(number)
        demo.communicate(timeout=60)
    finally:
        demo.kill()
        demo.communicate()
    wait_for(lambda: all(is_free(port) for port in ports))
    wait_for(lambda: not any(carriers(HOST_VARIABLE, str(layout.home(host))) for host in HOSTS))
    wait_for(lambda: not carriers(DEMO_VARIABLE, str(layout.folder)))
    if number == signal.SIGKILL:
        assert folder.exists()  # nobody was left to remove it
    else:
        assert not folder.exists()
        assert demo.returncode == 130


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("dear")
    demo = headway("demo", "--folder", str(tmp_path))
    _, said = demo.communicate(timeout=60)
    assert demo.returncode == 2
    assert "is not empty" in said
    assert (tmp_path / "mine").read_text() == "dear"


def test_a_folder_without_a_kept_world_cannot_be_resumed(tmp_path: Path) -> None:
    demo = headway("demo", "--resume-hosts", "--folder", str(tmp_path))
    _, said = demo.communicate(timeout=60)
    assert demo.returncode == 2
    assert "no kept demo" in said


def test_removing_leaves_an_empty_folder_that_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").symlink_to("/nowhere")
    remove(tmp_path, existed=True)
    assert list(tmp_path.iterdir()) == []
    remove(tmp_path, existed=False)
    assert not tmp_path.exists()


def test_the_world_is_stored_with_its_ports(tmp_path: Path) -> None:
    layout = new_layout(tmp_path, "asyncssh", server=True)
    layout.save()
    assert load_kept(tmp_path) == layout
    ports = [*layout.ssh_ports.values(), *layout.web_ports.values()]
    ports += [layout.balancer_port, layout.balancer_admin, layout.traffic_admin, layout.server_port]
    assert len(set(ports)) == len(ports) == 11


def test_nothing_of_the_persons_own_setup_leads_the_demo_astray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "HEADWAY_DATABASE_URL", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "/somewhere/else")
    environment = new_layout(tmp_path, "asyncssh").environment()
    assert "/somewhere/else" not in environment.values()
    assert environment["HOME"] == str(tmp_path / "person")
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_a_world_in_a_folder_with_blanks_lets_its_person_in(tmp_path: Path) -> None:
    folder = tmp_path / "a world"
    world, why = make_world(folder, "asyncssh")
    try:
        assert why == ""
        assert set(world.balancer()) == set(HOSTS)
        assert all(world.live_release(host) is None for host in HOSTS)
    finally:
        world.stop()
    assert all(is_free(port) for port in world.layout.ssh_ports.values())


def test_who_looks_around_is_told_the_way_in_and_what_can_be_typed(tmp_path: Path) -> None:
    layout = new_layout(tmp_path / "world", "asyncssh", server=True)
    layout.folder.mkdir(exist_ok=True)
    # As the last start of the server left it: each voids the link of the one before.
    (layout.folder / STATE).write_text(json.dumps({"sign_in": "http://127.0.0.1:1/sign-in/last"}))
    said = "\n".join(how_to_look_around(layout))
    assert f"{layout.folder}/headway status" in said
    assert f"{layout.folder}/start" in said
    assert "http://127.0.0.1:1/sign-in/last  lets you in, once" in said
