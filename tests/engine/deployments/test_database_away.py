"""The database goes away while a deployment is under way: nothing stands still for ever, no step is repeated."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from headway.base.errors import HeadwayError
from headway.deploy.rollout import Asked
from headway.domain.deployment import DeploymentState
from headway.domain.release import Release
from headway.engine.deployments import drive as deployment_drive
from headway.engine.deployments.books import DatabaseBooks
from headway.engine.deployments.deployments import Result, Wish
from headway.engine.deployments.rollback import rollback
from headway.engine.hosts import lock as host_lock
from headway.engine.standing.stalled import StalledWatch
from headway.store import deployments as rows
from headway.store.database import Database
from tests.engine.runs.test_database_away import away
from tests.support.databases import opened, running_postgresql
from tests.support.deploying import Noting, Shop
from tests.support.sshd import Sshd, needs_sshd

pytestmark = needs_sshd
_roots = itertools.count(1)
#: Activation waits for as long as this file is on the host.
SLOW = {
    "bin/activate": 'cp VERSION "$HEADWAY_ROOT/serving"; echo x >> "$HEADWAY_ROOT/activations"; '
    'while [ -e "$HEADWAY_ROOT/shared/wait" ]; do sleep 0.05; done'
}


@pytest.fixture
def shop(servers: list[Sshd], sqlite: Database, tmp_path: Path) -> Shop:
    return Shop(tmp_path, servers[:2], sqlite, f"apps/away {next(_roots)}")


def gate_of(shop: Shop) -> Path:
    gate = shop.place("web1") / "shared" / "wait"
    gate.parent.mkdir(parents=True, exist_ok=True)
    gate.touch()
    return gate


def activations(shop: Shop, host: str) -> int:
    file = shop.place(host) / "activations"
    return len(file.read_text().splitlines()) if file.exists() else 0


async def until(condition: object) -> None:
    async with asyncio.timeout(30):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


@asynccontextmanager
async def going(shop: Shop, release: Release) -> AsyncIterator[tuple["asyncio.Task[Result]", Noting]]:
    """A deployment whose first host is being activated."""
    async with shop.deployments() as deployments:
        watcher = deployments.world.watcher
        assert isinstance(watcher, Noting)
        task = asyncio.create_task(deployments.deploy(Wish("production", release)))
        await until(lambda: activations(shop, "web1") or task.done())
        yield task, watcher


@pytest.mark.slow
async def test_a_deployment_waits_for_the_database_and_goes_on(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.database = database
    monkeypatch.setattr(deployment_drive, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(deployment_drive, "BEAT", 0.02)
    gate = gate_of(shop)
    async with going(shop, shop.release("one", SLOW)) as (task, watcher):
        with away(shop.database):
            gate.unlink()
            await until(lambda: any("waiting until it can be stored" in line for line in watcher.lines))
            # Nothing is begun that is not stored.
            await asyncio.sleep(0.2)
            assert activations(shop, "web2") == 0
        result = await task
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED
    assert "the database answers again" in watcher.lines
    assert [activations(shop, host) for host in shop.names] == [1, 1]
    assert shop.is_free()


@pytest.mark.slow
async def test_a_drive_that_died_here_holds_no_host(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it died of, and although our process, which the hosts' lock names, lives."""
    release, gate = shop.release("one", SLOW), gate_of(shop)
    async with going(shop, release) as (task, _):

        async def fail(*_: object) -> bool:
            raise RuntimeError("a fault of ours")

        with monkeypatch.context() as patch:
            patch.setattr(DatabaseBooks, "save", fail)
            gate.unlink()
            with pytest.raises(RuntimeError, match="a fault of ours"):
                await task
        assert not shop.is_free()
        # At once, without --wait: nobody drives it, so nobody holds it.
        async with shop.deployments() as deployments:
            result = await deployments.deploy(Wish("production", release))
        assert result.resumed
        assert result.deployment is not None
        assert result.deployment.state is DeploymentState.SUCCEEDED
        assert [activations(shop, host) for host in shop.names] == [1, 1]
        assert shop.is_free()


@pytest.mark.slow
async def test_what_was_left_is_taken_back_by_a_rollback_in_the_same_process(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop.deployments() as deployments:
        await deployments.deploy(Wish("production", shop.release("one")))
    gate = gate_of(shop)
    async with going(shop, shop.release("two", SLOW)) as (task, _):
        with monkeypatch.context() as patch:
            patch.setattr(deployment_drive.Drive, "_save", _refused)
            gate.unlink()
            with pytest.raises(HeadwayError):
                await task
        async with shop.deployments() as deployments:
            result = await rollback(deployments, "production", to=None)
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.ROLLED_BACK
    assert shop.serving() == ["one", "one"]


async def _refused(*_: object) -> bool:
    raise HeadwayError("it died")


async def test_a_drive_that_goes_on_is_never_taken_for_dead(shop: Shop) -> None:
    gate = gate_of(shop)
    async with going(shop, shop.release("one", SLOW)) as (task, _):
        async with shop.world() as world:
            from headway.engine.deployments.direct import rollback_direct

            with pytest.raises(host_lock.HostsHeld):
                await rollback_direct(world, shop.project(), "production", to=None)
        gate.unlink()
        assert (await task).deployment is not None


async def test_the_end_of_a_deployment_does_not_need_the_database_a_second_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has succeeded, and is told so; what is claimed is free when the lease is over."""
    from headway.store import owners

    def refuse(*_: object) -> bool:
        raise HeadwayError("the database did not answer")

    with monkeypatch.context() as patch:
        patch.setattr(owners, "release", refuse)
        async with shop.deployments() as deployments:
            result = await deployments.deploy(Wish("production", shop.release("one")))
            watcher = deployments.world.watcher
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED
    assert isinstance(watcher, Noting)
    assert any("free again within 30s" in line for line in watcher.lines)


async def test_a_deployment_that_does_not_move_is_told(shop: Shop) -> None:
    gate, watch = gate_of(shop), StalledWatch(shop.database)
    async with going(shop, shop.release("one", SLOW)) as (task, _):
        [left] = shop.database.read(lambda tx: rows.unfinished(tx, "shop"))
        [(_, moved_at)] = shop.database.read(rows.last_moves)
        # 20 s for a step, 30 s for the longest stop.
        await watch.tick(moved_at + timedelta(seconds=49))
        assert watch.troubles(moved_at) == []
        await watch.tick(moved_at + timedelta(minutes=2))
        [trouble] = watch.troubles(moved_at)
        assert "shop: deployment 1 to production has not moved for 2m" in trouble.sentence
        assert trouble.public == "a deployment has not moved for longer than its timeout"
        # A person who has it wait knows.
        shop.database.transact(lambda tx: rows.ask(tx, left.id, Asked.PAUSE, "ana"))
        await watch.tick(moved_at + timedelta(minutes=2))
        assert watch.troubles(moved_at) == []
        gate.unlink()
        await task
    await watch.tick(moved_at + timedelta(days=1))
    assert watch.troubles(moved_at) == []


@pytest.mark.slow
async def test_a_deployment_outlives_a_restart_of_postgresql(shop: Shop) -> None:
    """The real thing: every session is ended, and for three seconds there is nobody to connect to."""
    with running_postgresql() as server, server.fresh_url() as url, opened(url) as database:
        shop.database = database
        gate = gate_of(shop)
        async with going(shop, shop.release("one", SLOW)) as (task, watcher):
            server.stop()
            gate.unlink()
            await until(lambda: any("waiting until it can be stored" in line for line in watcher.lines))
            await asyncio.sleep(3)
            server.start()
            result = await task
        assert result.deployment is not None
        assert result.deployment.state is DeploymentState.SUCCEEDED
        assert [activations(shop, host) for host in shop.names] == [1, 1]
        assert shop.is_free()
        # And the way back is open at once.
        async with shop.deployments() as deployments:
            await deployments.deploy(Wish("production", shop.release("two")))
            back = await rollback(deployments, "production", to=None)
        assert back.deployment is not None
        assert back.deployment.state is DeploymentState.SUCCEEDED
