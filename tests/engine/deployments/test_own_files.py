"""Going back runs what the release gone back to says of itself, whoever goes back and by whatever way."""

import subprocess
from dataclasses import replace

import pytest

from headway.domain.deployment import DeploymentState
from headway.engine.deployments.deployments import Result, RootMoved, Wish
from headway.engine.deployments.direct import rollback_direct
from headway.engine.deployments.rollback import rollback
from headway.store.database import open_database
from tests.support.deploying import Noting, Shop
from tests.support.sshd import needs_sshd

pytestmark = needs_sshd

#: The next version of the service: its scripts have other names, a check that the one before can't pass, a process more.
EDITS = {
    'activate = "./bin/activate"': 'activate = "./bin/start"',
    'command = "./bin/health"': 'command = "./bin/healthy-since-two"',
    "[environments.production]\n": """[processes.worker]
activate = './bin/work'
deactivate = './bin/stop-work'

[environments.production]
""",
}
TWO = {
    "bin/start": 'cp VERSION "$HEADWAY_ROOT/serving"',
    "bin/healthy-since-two": 'cmp VERSION "$HEADWAY_ROOT/serving"',
    "bin/work": 'cp VERSION "$HEADWAY_ROOT/worker"',
    "bin/stop-work": 'rm "$HEADWAY_ROOT/worker"',
    # Called by mistake, they tell it.
    "bin/activate": "exit 66",
    "bin/health": "exit 67",
}


async def deploy(shop: Shop, release: object) -> Result:
    async with shop.deployments() as deployments:
        return await deployments.deploy(Wish("production", release))  # type: ignore[arg-type]


async def two_versions(shop: Shop) -> None:
    shop.strategy = '{ kind = "rolling", batch = "100%" }'
    await deploy(shop, shop.release("one"))
    shop.edits = EDITS
    result = await deploy(shop, shop.release("two", TWO))
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED, result.deployment.reason
    assert shop.serving() == ["two"] * 3
    assert working(shop) == ["two"] * 3


def working(shop: Shop) -> list[str | None]:
    files = [shop.place(name) / "worker" for name in shop.names]
    return [file.read_text().strip() if file.exists() else None for file in files]


async def by_command(shop: Shop) -> Result:
    async with shop.deployments() as deployments:
        return await rollback(deployments, "production", to=None)


async def by_direct(shop: Shop) -> Result:
    async with shop.world() as world:
        result = await rollback_direct(world, shop.project(), "production", to=None)
        assert isinstance(world.watcher, Noting)
        assert not any("nobody knows" in line for line in world.watcher.lines)
        return result


BAD = {**TWO, "bin/healthy-since-two": '[ "$HEADWAY_HOST" != web2 ]'}


@pytest.mark.slow
@pytest.mark.parametrize("way", [by_command, by_direct])
async def test_going_back_uses_the_file_of_the_release_gone_back_to(shop: Shop, way: object) -> None:
    await two_versions(shop)
    result = await way(shop)  # type: ignore[operator]
    assert result.deployment.state is DeploymentState.SUCCEEDED, result.deployment.reason
    assert shop.serving() == ["one"] * 3
    # What the release before does not know has ended, by the file that knows it.
    assert working(shop) == [None] * 3
    # And forward again: what runs now is run by the old file, also after a way back.
    assert (await deploy(shop, shop.release("two", TWO))).deployment.state is DeploymentState.SUCCEEDED  # type: ignore[union-attr]
    assert working(shop) == ["two"] * 3


@pytest.mark.slow
async def test_a_deployment_that_goes_back_by_itself_uses_the_file_of_the_release_before(shop: Shop) -> None:
    await deploy(shop, shop.release("one"))
    shop.edits = EDITS
    shop.within = "200ms"
    result = await deploy(shop, shop.release("bad", BAD))
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.ROLLED_BACK, result.deployment.reason
    assert shop.serving() == ["one"] * 3
    assert working(shop) == [None] * 3


@pytest.mark.slow
async def test_a_database_that_does_not_know_what_runs_asks_the_hosts(shop: Shop) -> None:
    await deploy(shop, shop.release("one"))
    shop.edits = EDITS
    shop.within = "200ms"
    with open_database(f"sqlite:///{shop.folder}/other.db") as shop.database:
        result = await deploy(shop, shop.release("bad", BAD))
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.ROLLED_BACK, result.deployment.reason
    assert shop.serving() == ["one"] * 3


@pytest.mark.slow
async def test_a_step_that_hangs_is_ended_at_its_own_limit_and_named(shop: Shop) -> None:
    await deploy(shop, shop.release("one"))
    shop.edits = {'timeout = "20s"': 'timeout = "8s"'}
    # It does not heed TERM either.
    hangs = {"bin/activate": "trap '' TERM; while :; do sleep 1; done"}
    result = await deploy(shop, shop.release("bad", hangs))
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.ROLLED_BACK, result.deployment.reason
    assert "web1: activate took longer than its limit of 8s and was ended" in result.deployment.reason
    assert shop.serving() == ["one"] * 3


@pytest.mark.slow
async def test_the_readme_on_a_host_uses_the_file_of_the_release_before(shop: Shop) -> None:
    await two_versions(shop)
    for name in shop.names:
        readme = (shop.place(name) / "README.txt").read_text()
        commands = [line.strip() for line in readme.splitlines() if line.startswith(("  cd ", "  export "))]
        for command in commands:
            subprocess.run(["sh", "-c", command], check=True, cwd="/")
    assert shop.serving() == ["one"] * 3
    assert working(shop) == [None] * 3


@pytest.mark.slow
async def test_hosts_that_keep_no_file_are_named_and_the_one_at_hand_is_used(shop: Shop) -> None:
    await deploy(shop, shop.release("one"))
    await deploy(shop, shop.release("two"))
    for name in shop.names:
        for file in (shop.place(name) / "settings").glob("*.json"):
            file.unlink()
    shop.settings = replace(shop.settings, database_url="sqlite:////nowhere/at/all")
    async with shop.world() as world:
        result = await rollback_direct(world, shop.project(), "production", to=None)
        assert isinstance(world.watcher, Noting)
        assert any("web1, web2, web3: nobody knows any more" in line for line in world.watcher.lines)
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED
    assert shop.serving() == ["one"] * 3


@pytest.mark.slow
async def test_a_way_back_across_a_root_that_moved_is_refused_before_anything_is_done(shop: Shop) -> None:
    """The new root would be left current, and what stands in the old one be known to nobody."""
    shop.strategy = '{ kind = "rolling", batch = "100%" }'
    old, new = shop.root, f"{shop.root} moved"
    first, second = shop.release("one"), shop.release("two")
    await deploy(shop, first)
    shop.root = new
    await deploy(shop, second)
    with pytest.raises(RootMoved) as refused:
        await by_command(shop)
    assert (
        f"{first.id} stood in {old} on web1, web2, web3, where the root is {new} now" in refused.value.message
    )
    assert f"headway deploy production --release {first.id}" in (refused.value.hint or "")
    assert (shop.serving(), shop.is_free()) == (["two"] * 3, True)
    # As the hint says.
    await deploy(shop, first)
    assert (shop.serving(), shop.current()) == (["one"] * 3, [first.id] * 3)
