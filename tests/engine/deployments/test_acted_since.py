"""A deployment was left half-way, and somebody else was on its hosts before it is gone on with: nothing of it is believed."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.domain.release import Release
from headway.engine.deployments.deployments import Result, Wish
from headway.engine.deployments.direct import rollback_direct
from headway.engine.deployments.left import ActedSince
from headway.engine.deployments.rollback import rollback
from headway.engine.releases.releases import UnknownRelease
from headway.store import deployments as rows
from headway.store.database import open_database
from headway.store.standings import standings_of
from tests.support.deploying import Shop
from tests.support.sshd import needs_sshd

pytestmark = needs_sshd
S = DeploymentState


async def deploy(shop: Shop, release: Release, **changes: object) -> Result:
    async with shop.deployments() as deployments:
        return await deployments.deploy(Wish("production", release, **changes))  # type: ignore[arg-type]


def state(result: Result) -> DeploymentState:
    assert result.deployment is not None
    return result.deployment.state


async def put(shop: Shop, *releases: Release) -> None:
    """Deployed to all hosts at once, before what the test is about."""
    strategy, shop.strategy = shop.strategy, '{ kind = "rolling", batch = "100%" }'
    for release in releases:
        await deploy(shop, release)
    shop.strategy = strategy


def reached(shop: Shop, host: str, deployment_not: set[object], step: str) -> Callable[[], bool]:
    return lambda: any(
        line["step"] == step and line["event"] == "begin" and line["deployment"] not in deployment_not
        for line in shop.journal(host)
    )


@asynccontextmanager
async def left_at(shop: Shop, release: Release, host: str, step: str) -> AsyncIterator[Deployment]:
    """Whoever drove it is gone when this step has begun; what it began there ends by itself."""
    known = {line["deployment"] for name in shop.names for line in shop.journal(name)}
    async with shop.deployments() as deployments:
        going = asyncio.create_task(deployments.deploy(Wish("production", release)))
        there = reached(shop, host, known, step)
        while not there():
            assert not going.done(), going.result()
            await asyncio.sleep(0.005)
        going.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await going
    [left] = shop.database.read(lambda tx: rows.unfinished(tx, "shop", "production"))
    yield left


async def direct(shop: Shop, **changes: object) -> Result:
    async with shop.world() as world:
        return await rollback_direct(world, shop.project(), "production", to=None, **changes)  # type: ignore[arg-type]


async def back(shop: Shop) -> Result:
    async with shop.deployments() as deployments:
        return await rollback(deployments, "production", to=None)


def by_hand(shop: Shop, host: str, release: Release, settings: str) -> None:
    """As the README on the host says."""
    place = shop.place(host)
    for link, to in (
        (place / "current", f"releases/{release.id}"),
        (place / "settings/current.env", settings),
    ):
        new = link.with_name("by-hand")
        new.symlink_to(to)
        new.replace(link)
    (place / "serving").write_text((place / "current" / "VERSION").read_text())


def settings_of(shop: Shop, host: str) -> str:
    return os.readlink(shop.place(host) / "settings/current.env")


def deployed(shop: Shop) -> list[str]:
    return [json.loads((shop.place(name) / "deployed.json").read_text())["release"] for name in shop.names]


def stored(shop: Shop, deployment: Deployment) -> Deployment:
    found = shop.database.read(lambda tx: rows.get_deployment(tx, deployment.id))
    assert found is not None
    return found


def serves(shop: Shop, release: Release, version: str) -> None:
    assert shop.serving() == [version] * 3
    assert shop.current() == [release.id] * 3
    assert deployed(shop) == [release.id] * 3
    known = shop.database.read(lambda tx: standings_of(tx, "shop", "production"))
    assert [one.release for one in known] == [release.id] * 3
    assert shop.is_free()


@pytest.mark.slow
async def test_what_a_rollback_by_ssh_took_back_is_not_told_to_be_live(shop: Shop) -> None:
    """Asked for again it begins anew, and really serves everywhere."""
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first)
    async with left_at(shop, second, "web3", "switch") as left:
        await direct(shop)
        assert shop.serving() == ["one"] * 3
        result = await deploy(shop, second)
    assert result.deployment is not None
    assert (result.deployment.state, result.resumed) == (S.SUCCEEDED, False)
    assert result.deployment.id != left.id
    over = stored(shop, left)
    assert over.state is S.CANCELLED
    assert f"ana@laptop went back to {first.id}" in over.reason
    serves(shop, second, "two")


@pytest.mark.slow
async def test_by_itself_nothing_more_is_switched_after_a_rollback_by_ssh(shop: Shop) -> None:
    """As a server does that comes up again after the emergency."""
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first)
    async with left_at(shop, second, "web3", "switch") as left:
        await direct(shop)
        async with shop.deployments() as deployments:
            with pytest.raises(ActedSince, match=f"went back to {first.id}"):
                await deployments.go_on(left, back=False)
    assert stored(shop, left).state is S.CANCELLED
    serves(shop, first, "one")
    live = shop.database.read(lambda tx: rows.last_succeeded(tx, "shop", "production"))
    assert live is not None
    assert (live.release, live.kind) == (first.id, DeploymentKind.ROLLBACK)


@pytest.mark.slow
async def test_the_next_deployment_sees_what_was_done_by_hand_meanwhile(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first)
    settings = settings_of(shop, "web1")
    async with left_at(shop, second, "web2", "activate") as left:
        by_hand(shop, "web1", first, settings)
        result = await deploy(shop, second)
    assert result.deployment is not None
    assert (result.deployment.state, result.deployment.previous_release) == (S.SUCCEEDED, first.id)
    over = stored(shop, left)
    assert over.state is S.CANCELLED
    assert "changed by hand on web1" in over.reason
    found = shop.database.read(lambda tx: rows.hosts_of(tx, left.id))
    assert found[0].state == "reverted"
    serves(shop, second, "two")


@pytest.mark.slow
async def test_a_host_that_was_taken_back_by_hand_is_as_a_rollback_wants_it(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first)
    settings = settings_of(shop, "web1")
    async with left_at(shop, second, "web2", "activate") as left:
        by_hand(shop, "web1", first, settings)
        result = await back(shop)
    assert result.deployment is not None
    assert (result.deployment.id, result.deployment.state) == (left.id, S.ROLLED_BACK)
    serves(shop, first, "one")


@pytest.mark.slow
async def test_a_switch_that_was_undone_by_hand_is_not_believed(shop: Shop) -> None:
    """The job on the host ended well, and then somebody linked it back: what is asked for its health is another one."""
    first, second = shop.release("one"), shop.release("two", {"bin/health": "true"})
    await put(shop, first)
    settings = settings_of(shop, "web1")
    async with left_at(shop, second, "web1", "activate") as left:
        while shop.serving()[0] != "two":
            await asyncio.sleep(0.005)
        by_hand(shop, "web1", first, settings)
        result = await deploy(shop, second)
    assert result.deployment is not None
    assert (result.deployment.id, result.deployment.state) == (left.id, S.ROLLED_BACK)
    assert f"web1: somebody put {first.id} with {settings} there" in result.deployment.reason
    serves(shop, first, "one")


@pytest.mark.slow
async def test_a_rollback_after_a_rollback_by_ssh_goes_one_further_back(shop: Shop) -> None:
    """And does not drive what was left before it."""
    first, second, third = (shop.release(version) for version in ("one", "two", "three"))
    await put(shop, first, second, third)
    shop.edits = {'GREETING = "hello world"': 'GREETING = "changed"'}
    async with left_at(shop, third, "web3", "switch") as left:
        async with shop.world() as world:
            await rollback_direct(world, shop.project(), "production", to=second.id)
        result = await back(shop)
    assert result.deployment is not None
    assert (result.deployment.state, result.deployment.release) == (S.SUCCEEDED, first.id)
    assert stored(shop, left).state is S.CANCELLED
    serves(shop, first, "one")


@pytest.mark.slow
async def test_a_rollback_of_what_was_changed_by_hand_goes_to_what_was_live_before(shop: Shop) -> None:
    """And not one further: somebody put a third release on a host, and nothing was finished there."""
    first, second, third = (shop.release(version) for version in ("one", "two", "three"))
    await put(shop, first, second)
    async with left_at(shop, third, "web3", "switch") as left:
        by_hand(shop, "web1", first, settings_of(shop, "web3"))
        result = await back(shop)
    assert result.deployment is not None
    assert (result.deployment.state, result.deployment.release) == (S.SUCCEEDED, second.id)
    assert stored(shop, left).state is S.CANCELLED
    serves(shop, second, "two")


@pytest.mark.slow
async def test_no_record_is_written_of_what_somebody_changed_meanwhile(shop: Shop) -> None:
    """The first host was linked back by hand while the others were still being switched."""
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first)
    settings = settings_of(shop, "web1")
    known = {line["deployment"] for line in shop.journal("web3")}
    async with shop.deployments() as deployments:
        going = asyncio.create_task(deployments.deploy(Wish("production", second)))
        while not reached(shop, "web3", known, "drain")():
            await asyncio.sleep(0.005)
        by_hand(shop, "web1", first, settings)
        result = await going
    assert result.deployment is not None
    assert result.deployment.state is S.FAILED
    assert f"web1: somebody put {first.id} with {settings} there" in result.deployment.reason
    assert deployed(shop) == [first.id, second.id, second.id]
    assert shop.serving() == ["one", "two", "two"]


@pytest.mark.slow
@pytest.mark.parametrize(("host", "step"), [("web1", "drain"), ("web1", "back-activate")])
async def test_by_ssh_what_was_left_goes_to_what_was_live_before_it_and_not_further(
    shop: Shop, host: str, step: str
) -> None:
    """Also where no link shows it: one host is drained and not switched, or is on its way back."""
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first, second)
    shop.within = "200ms"
    async with left_at(shop, shop.release("bad", {"bin/health": "false"}), host, step):
        assert state(await direct(shop)) is S.SUCCEEDED
    assert shop.serving() == ["two"] * 3
    assert shop.current() == [second.id] * 3
    assert not (shop.place("web1") / "draining").exists()


@pytest.mark.slow
async def test_by_ssh_other_settings_that_were_left_half_way_are_taken_back(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first, second)
    shop.edits = {'GREETING = "hello world"': 'GREETING = "changed"'}
    async with left_at(shop, second, "web2", "activate"):
        assert state(await direct(shop)) is S.SUCCEEDED
    assert shop.current() == [second.id] * 3
    greetings = {(shop.place(name) / "greeting").read_text() for name in shop.names}
    assert greetings == {"hello world\n"}


@pytest.mark.slow
async def test_by_ssh_what_went_back_to_its_end_is_not_half_way(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first, second)
    shop.within = "200ms"
    assert state(await deploy(shop, shop.release("bad", {"bin/health": "false"}))) is S.ROLLED_BACK
    assert state(await direct(shop)) is S.SUCCEEDED
    serves_there = (shop.serving(), shop.current())
    assert serves_there == (["one"] * 3, [first.id] * 3)


@pytest.mark.slow
async def test_a_host_whose_record_could_not_be_written_goes_back_no_further_than_the_others(
    shop: Shop,
) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first)
    record, kept = shop.place("web1") / "deployed.json", shop.place("web1") / "kept.json"
    record.rename(kept)
    (record / "in the way").mkdir(parents=True)
    result = await deploy(shop, second)
    assert result.deployment is not None
    assert "but web1: its record could not be written" in result.deployment.reason
    (record / "in the way").rmdir()
    record.rmdir()
    kept.rename(record)
    assert deployed(shop) == [first.id, second.id, second.id]
    shop.within = "200ms"
    bad = await deploy(shop, shop.release("bad", {"bin/health": '[ "$HEADWAY_HOST" != web2 ]'}))
    assert state(bad) is S.ROLLED_BACK
    assert shop.serving() == ["two"] * 3
    assert [row.previous_release for row in bad.hosts] == [second.id] * 3


@pytest.mark.slow
async def test_the_readme_takes_back_by_hand_what_was_left_half_way(shop: Shop) -> None:
    """It was written when the one before was finished, and does not go one further than that."""
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first, second)
    async with left_at(shop, shop.release("three"), "web2", "activate"):
        readme = (shop.place("web1") / "README.txt").read_text()
        commands = [line for line in readme.splitlines() if line.startswith(("    cd ", "    export "))]
        assert len(commands) == 2
        for command in commands:
            subprocess.run(["sh", "-c", command], check=True, cwd="/")
    assert (shop.serving()[0], shop.current()[0]) == ("two", second.id)


@pytest.mark.slow
async def test_a_new_database_that_does_not_know_the_release_names_the_way_by_ssh(shop: Shop) -> None:
    await put(shop, shop.release("one"))
    with open_database(f"sqlite:///{shop.folder}/new.db") as shop.database:
        await put(shop, shop.release("two"))
        with pytest.raises(UnknownRelease) as caught:
            await back(shop)
    assert "headway rollback production --direct" in (caught.value.hint or "")
