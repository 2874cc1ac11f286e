"""Headway is killed; whoever comes next goes on from what the hosts' own record says."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headway.domain.deployment import DeploymentState
from headway.domain.release import Release
from headway.drivers import processes
from headway.engine.deployments.books import LEASE
from headway.engine.deployments.deployments import Wish
from headway.engine.deployments.hold import EnvironmentHeld, Hold
from headway.engine.ownership import this_process
from headway.engine.standing.claims import KIND
from headway.store import deployments as rows
from headway.store import owners
from headway.store.database import Database
from tests.support.clocks import HandClock
from tests.support.deploying import Noting, Shop
from tests.support.headway_process import Headway
from tests.support.sshd import Sshd, needs_sshd, start_sshd

pytestmark = needs_sshd

SLOW = {
    "bin/activate": 'sleep 0.3; cp VERSION "$HEADWAY_ROOT/serving"; echo "$HEADWAY_DEPLOYMENT" >> "$HEADWAY_ROOT/activated"'
}


@pytest.fixture
def headway(shop: Shop, tmp_path: Path) -> Headway:
    from headway.store.database import open_database

    url = f"sqlite:///{tmp_path}/kills.db"
    shop.database = open_database(url)
    return Headway(shop, url)


async def put(shop: Shop, *releases: Release) -> None:
    """Deployed to all hosts at once, before what the test is about."""
    strategy, shop.strategy = shop.strategy, '{ kind = "rolling", batch = "100%" }'
    for release in releases:
        async with shop.deployments() as deployments:
            await deployments.deploy(Wish("production", release))
    shop.strategy = strategy


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[bytes] | None" = None) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        if process is not None and process.poll() is not None:
            raise AssertionError(process.stderr.read() if process.stderr else "it ended")
        time.sleep(0.005)


def reached(shop: Shop, host: str, release: Release, step: str, event: str) -> bool:
    return any(
        (line["step"], line["event"], line["release"]) == (step, event, release.id)
        for line in shop.journal(host)
    )


def assert_nothing_twice(shop: Shop) -> None:
    """No step that ended well was begun again, on any host."""
    for host in shop.names:
        ended: set[tuple[object, object]] = set()
        begun: Counter[tuple[object, object]] = Counter()
        for line in shop.journal(host):
            key = (line["deployment"], line["step"])
            if line["event"] == "begin":
                assert key not in ended, f"{host} repeats {key}"
                begun[key] += 1
            elif line["exit"] == 0:
                ended.add(key)
        assert set(begun) == ended or not ended


def kill_at(headway: Headway, release: Release, host: str, step: str, event: str) -> None:
    process = headway.start("deploy", "production", "--release", release.id)
    wait_until(lambda: reached(headway.shop, host, release, step, event), process)
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    ("host", "step", "event"),
    [
        pytest.param("web3", "prepare", "end", marks=pytest.mark.slow),
        ("web1", "switch", "end"),
        pytest.param("web2", "activate", "begin", marks=pytest.mark.slow),
        pytest.param("web1", "finish", "begin", marks=pytest.mark.slow),
    ],
)
async def test_killed_anywhere_goes_on_without_repeating(
    headway: Headway, host: str, step: str, event: str
) -> None:
    shop = headway.shop
    release = shop.release("one", SLOW)
    kill_at(headway, release, host, step, event)
    code, answer = headway.json("deploy", "production", "--release", release.id)
    assert (code, answer["deployment"]["state"]) == (0, "succeeded")
    assert shop.serving() == ["one"] * 3
    assert shop.is_free()
    assert_nothing_twice(shop)
    for name in shop.names:
        assert len((shop.place(name) / "activated").read_text().splitlines()) == 1
    found = shop.database.read(lambda tx: rows.history(tx, "shop", "production"))
    assert len(found) == 1


@pytest.mark.slow
async def test_killed_while_going_back_goes_on_going_back(headway: Headway) -> None:
    shop = headway.shop
    first = shop.release("one", SLOW)
    await put(shop, first)
    shop.within = "200ms"
    headway.write()
    bad = shop.release("bad", {**SLOW, "bin/health": '[ "$HEADWAY_HOST" != web2 ]'})
    kill_at(headway, bad, "web2", "back-activate", "begin")
    code, answer = headway.json("deploy", "production", "--release", bad.id)
    assert (code, answer["deployment"]["state"]) == (1, "rolled_back")
    assert answer["deployment"]["rolled_back_automatically"]
    assert shop.serving() == ["one"] * 3
    assert shop.is_free()
    assert_nothing_twice(shop)


@pytest.mark.slow
async def test_another_release_supersedes_what_was_left(headway: Headway) -> None:
    shop = headway.shop
    first, second, third = (shop.release(v, SLOW) for v in ("one", "two", "three"))
    await put(shop, first)
    kill_at(headway, second, "web2", "activate", "begin")
    code, answer = headway.json("deploy", "production", "--release", third.id)
    assert (code, answer["deployment"]["state"]) == (0, "succeeded")
    assert answer["deployment"]["previous_release"] == first.id
    old = shop.database.read(lambda tx: rows.get_deployment(tx, answer["deployment"]["supersedes"]))
    assert old is not None
    assert (old.release, old.state) == (second.id, DeploymentState.CANCELLED)
    assert old.reason.startswith(f"superseded by a deployment of {third.id}")
    # The step at hand was followed to its end, not cut off.
    assert reached(shop, "web2", second, "activate", "end")
    assert shop.serving() == ["three"] * 3
    assert_nothing_twice(shop)


@pytest.mark.slow
async def test_rollback_takes_back_what_was_left(headway: Headway) -> None:
    shop = headway.shop
    first, second = (shop.release(v, SLOW) for v in ("one", "two"))
    await put(shop, first)
    kill_at(headway, second, "web2", "switch", "end")
    code, answer = headway.json("rollback", "production")
    assert (code, answer["deployment"]["state"]) == (0, "rolled_back")
    assert not answer["deployment"]["rolled_back_automatically"]
    assert shop.serving() == ["one"] * 3
    assert shop.current() == [first.id] * 3
    assert shop.is_free()


@pytest.mark.slow
async def test_direct_rollback_takes_back_what_was_left_without_a_database(headway: Headway) -> None:
    shop = headway.shop
    first, second = (shop.release(v, SLOW) for v in ("one", "two"))
    await put(shop, first)
    kill_at(headway, second, "web2", "switch", "end")
    headway.environment["HEADWAY_DATABASE_URL"] = "sqlite:////nowhere/at/all.db"
    code, answer = headway.json("rollback", "production", "--direct")
    assert (code, answer["deployment"]["state"]) == (0, "succeeded")
    assert shop.serving() == ["one"] * 3
    code, told = headway.json("status", "--from-hosts")
    assert code == 0
    assert [(host["release"], host["unfinished"], host["lock"]) for host in told["hosts"]] == [
        (first.id, False, None)
    ] * 3


@pytest.mark.slow
async def test_ctrl_c_without_a_terminal_goes_back_and_twice_leaves_it(headway: Headway) -> None:
    shop = headway.shop
    first, second = (shop.release(v, SLOW) for v in ("one", "two"))
    await put(shop, first)
    process = headway.start("deploy", "production", "--release", second.id, "--json")
    wait_until(lambda: reached(shop, "web2", second, "activate", "begin"), process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"going back" in err
    assert shop.serving() == ["one"] * 3
    assert shop.is_free()
    assert reached(shop, "web2", second, "activate", "end")

    process = headway.start("deploy", "production", "--release", second.id)
    wait_until(lambda: sum(line["step"] == "activate" for line in shop.journal("web1")) > 4, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert b"headway deploy production --release" in err
    assert headway.call("deploy", "production", "--release", second.id)[0] == 0
    assert shop.serving() == ["two"] * 3
    assert_nothing_twice(shop)


@pytest.mark.slow
async def test_terminated_leaves_it_like_a_kill(headway: Headway) -> None:
    shop = headway.shop
    release = shop.release("one", SLOW)
    process = headway.start("deploy", "production", "--release", release.id)
    wait_until(lambda: reached(shop, "web1", release, "activate", "begin"), process)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert not shop.is_free()
    _, answer = headway.json("status", "production")
    assert answer["environments"][0]["lock"]["alive"] is False
    assert [d["state"] for d in answer["environments"][0]["unfinished"]] == ["running"]
    assert headway.call("deploy", "production", "--release", release.id)[0] == 0
    assert_nothing_twice(shop)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["another", "the same"])
async def test_stopped_owner_that_wakes_up_changes_nothing(
    headway: Headway, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    """Who comes takes over after the silence; the first one then wakes up and is refused by the hosts."""
    shop = headway.shop
    first, second = shop.release("one", SLOW), shop.release("two", SLOW)
    process = headway.start("deploy", "production", "--release", first.id)
    wait_until(lambda: reached(shop, "web1", first, "activate", "begin"), process)
    process.send_signal(signal.SIGSTOP)
    try:
        # Another laptop, or somebody else's data folder: shares no database.
        import headway.engine.hosts.lock as host_lock
        import headway.engine.ownership as ownership
        from headway.store.database import open_database

        if machine == "another":
            monkeypatch.setattr(ownership, "_machine", lambda: "another")
        monkeypatch.setattr(host_lock, "SILENCE", 1.0)
        monkeypatch.setattr(host_lock, "_LOOK_AGAIN", 0.2)
        shop.database = open_database(f"sqlite:///{shop.folder}/other.db")
        second = shop.release("two", SLOW)
        async with shop.deployments() as deployments:
            result = await deployments.deploy(Wish("production", second))
            notes = deployments.world.watcher
        assert isinstance(notes, Noting)
        (named,) = [line for line in notes.lines if "watching for" in line]
        assert f"deploys {first.id}" in named
        assert (f"process {process.pid} is stopped" in named) == (machine == "the same")
        assert result.deployment is not None
        assert result.deployment.state is DeploymentState.SUCCEEDED
    finally:
        process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, (out, err)
    assert b"another owner has taken" in err
    assert shop.serving() == ["two"] * 3
    assert shop.current() == [second.id] * 3
    assert shop.is_free()
    for name in shop.names:
        # What the first one had begun was followed to its end; after that it began nothing more.
        lines = shop.journal(name)
        taken = next(index for index, line in enumerate(lines) if line["release"] == second.id)
        assert all(line["epoch"] == 2 for line in lines[taken:])


async def test_who_waits_for_a_stopped_process_is_told_so_and_goes_on_when_its_lease_is_over(
    shop: Shop,
) -> None:
    """By the database, before any host is asked."""
    clock = HandClock()
    other = subprocess.Popen(["sleep", "600"])
    try:
        other.send_signal(signal.SIGSTOP)
        identity = processes.identity(other.pid)
        assert identity is not None
        wait_until(lambda: processes.is_stopped(identity))
        owner = replace(this_process("eve@laptop"), pid=identity.pid, start_time=str(identity.start_time))
        claimed = shop.database.transact(
            lambda tx: owners.claim(
                tx, KIND, "shop/production", owner, clock.now(), LEASE, reason="deploys x"
            )
        )
        async with shop.world(clock=clock) as world:
            hold = Hold(world, "shop", "production", "deploys y", shop.database)
            with pytest.raises(EnvironmentHeld, match=rf"eve@laptop \(process {other.pid}, stopped\)"):
                await hold.claim(wait=False)
            await hold.claim(wait=True)
        assert claimed is not None
        assert hold.token == claimed + 1
    finally:
        other.kill()
        other.wait()


@pytest.mark.slow
async def test_host_that_dies_in_the_middle_is_shouted_and_the_others_go_back(
    servers: list[Sshd], sqlite: Database, tmp_path: Path
) -> None:
    own = start_sshd(tmp_path / "third", client_key=servers[0].client_key)
    shop = Shop(tmp_path, [servers[0], servers[1], own], sqlite, f"apps/{tmp_path.name}")
    first = shop.release("one", SLOW)
    try:
        async with shop.deployments() as deployments:
            await deployments.deploy(Wish("production", first))
        second = shop.release("two", SLOW)
        async with shop.deployments() as deployments:
            going = asyncio.create_task(deployments.deploy(Wish("production", second)))
            while not reached(shop, "web3", second, "activate", "begin"):
                await asyncio.sleep(0.01)
            own.stop()
            result = await going
    finally:
        own.stop()
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.FAILED
    assert "GOING BACK FAILED: web3" in result.deployment.reason
    assert [row.state for row in result.hosts] == ["reverted", "reverted", "stuck"]
    assert shop.serving()[:2] == ["one", "one"]


@pytest.mark.slow
async def test_lost_connection_neither_ends_nor_repeats_a_step(shop: Shop, servers: list[Sshd]) -> None:
    release = shop.release("one", SLOW)
    async with shop.deployments() as deployments:
        going = asyncio.create_task(deployments.deploy(Wish("production", release)))
        while not reached(shop, "web2", release, "activate", "begin"):
            await asyncio.sleep(0.01)
        for pid in servers[1].child_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        result = await going
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED
    assert_nothing_twice(shop)
    assert len((shop.place("web2") / "activated").read_text().splitlines()) == 1


@pytest.mark.slow
async def test_rollback_that_was_left_goes_on(headway: Headway) -> None:
    shop = headway.shop
    await put(shop, shop.release("one", SLOW), shop.release("two", SLOW))
    process = headway.start("rollback", "production")
    wait_until(
        lambda: "rollback" in str(shop.database.read(lambda tx: rows.unfinished(tx, "shop", "production"))),
        process,
    )
    wait_until(
        lambda: any(line["epoch"] == 3 and line["step"] == "activate" for line in shop.journal("web1")),
        process,
    )
    process.kill()
    process.communicate()
    assert headway.call("rollback", "production")[0] == 0
    assert shop.serving() == ["one"] * 3
    assert_nothing_twice(shop)
