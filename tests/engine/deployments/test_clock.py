"""Deployments while the machine's clock is set anew."""

from datetime import datetime, timedelta

import pytest

from headway.base.clock import Clock, SystemClock
from headway.domain.deployment import DeploymentState
from headway.engine.deployments.deployments import Wish
from tests.support.deploying import Shop
from tests.support.sshd import needs_sshd

pytestmark = needs_sshd


class Jumping:
    """Jumps by `by` with the look after `looks`."""

    def __init__(self, looks: int, by: timedelta) -> None:
        self._clock: Clock = SystemClock()
        self._left, self._by = looks, by

    def now(self) -> datetime:
        self._left -= 1
        return self._clock.now() + (self._by if self._left < 0 else timedelta())

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


@pytest.mark.parametrize("days", [-1, 1], ids=["back", "on"])
@pytest.mark.parametrize("looks", [4, 25, 40])
@pytest.mark.slow
async def test_a_clock_that_jumps_harms_no_deployment(shop: Shop, looks: int, days: int) -> None:
    shop.strategy = '{ kind = "canary", first = 1, then = "100%", watch = "200ms" }'
    clock = Jumping(looks, timedelta(days=days))
    async with shop.deployments() as deployments:
        deployments.world.clock = clock
        result = await deployments.deploy(Wish("production", shop.release("one")))
    deployment = result.deployment
    assert deployment is not None
    assert deployment.state is DeploymentState.SUCCEEDED
    assert shop.serving() == ["one"] * 3
    assert shop.is_free()
    order = [
        deployment.started_at,
        deployment.first_switched_at,
        deployment.verified_at,
        deployment.finished_at,
    ]
    assert None not in order and order == sorted(order), order
    for row in result.hosts:
        assert row.switched_at is not None and row.verified_at is not None
        assert row.switched_at <= row.verified_at
    # It jumped while the deployment went on, not after.
    assert clock.now() - SystemClock().now() < timedelta() if days < 0 else clock.now() > SystemClock().now()


async def test_a_clock_that_jumps_back_does_not_prolong_the_watch(shop: Shop) -> None:
    shop.strategy = '{ kind = "canary", first = 1, then = "100%", watch = "200ms" }'

    class Back(Jumping):
        """A day back as soon as a host is watched."""

        def now(self) -> datetime:
            watched = any("is watched" in row.reason for row in seen.rows)
            return SystemClock().now() - timedelta(days=watched)

    async with shop.deployments() as deployments:
        seen = deployments.world.watcher  # type: ignore[assignment]
        deployments.world.clock = Back(0, timedelta())
        result = await deployments.deploy(Wish("production", shop.release("one")))
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED
    assert "watching" in seen.moves("web1")  # type: ignore[attr-defined]
