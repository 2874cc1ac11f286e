"""This process is stopped for a while (a laptop that sleeps, a machine that is moved) and the hosts go on."""

import asyncio
from collections.abc import Callable

import pytest

from headway.domain.deployment import DeploymentState
from headway.engine.deployments.deployments import Wish
from headway.engine.deployments.rollback import rollback
from tests.engine.deployments.test_acted_since import put, reached
from tests.support.deploying import Shop
from tests.support.sshd import needs_sshd

pytestmark = needs_sshd
#: Longer than any of our limits for one answer.
LONG = 400.0
SLOW = {"bin/activate": 'sleep 0.6; cp VERSION "$HEADWAY_ROOT/serving"'}


@pytest.mark.slow
async def test_a_deployment_is_followed_on_when_we_wake(
    shop: Shop, standing_still: Callable[[float], None]
) -> None:
    shop.strategy = '{ kind = "rolling", batch = "100%" }'
    release = shop.release("one", SLOW)
    async with shop.deployments() as deployments:
        going = asyncio.create_task(deployments.deploy(Wish("production", release)))
        there = reached(shop, "web1", set(), "activate")
        while not there():
            assert not going.done(), going.result()
            await asyncio.sleep(0.005)
        standing_still(LONG)
        result = await going
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED, result.deployment.reason
    assert shop.serving() == ["one"] * 3
    assert shop.is_free()


@pytest.mark.slow
async def test_a_rollback_says_what_stands_there_when_we_wake(
    shop: Shop, standing_still: Callable[[float], None]
) -> None:
    one, two = shop.release("one", SLOW), shop.release("two")
    await put(shop, one, two)
    known = {line["deployment"] for line in shop.journal("web1")}
    async with shop.deployments() as deployments:
        going = asyncio.create_task(rollback(deployments, "production", to=None))
        there = reached(shop, "web1", known, "activate")
        while not there():
            assert not going.done(), going.result()
            await asyncio.sleep(0.005)
        standing_still(LONG)
        result = await going
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED, result.deployment.reason
    assert shop.serving() == ["one"] * 3
