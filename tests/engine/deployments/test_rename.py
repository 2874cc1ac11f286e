"""An environment that was renamed in headway.toml keeps its roots, its hosts and its history."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from headway.base.errors import HeadwayError
from headway.domain.contract import HostSpec
from headway.domain.deployment import DeploymentState
from headway.domain.people import Actor, Role
from headway.domain.selection import HostsOfOthers
from headway.engine.deployments.deployments import Wish
from headway.engine.deployments.rename import NotRenamed, rename_environment
from headway.engine.deployments.rollback import rollback
from headway.engine.hosts.link import HostRefused
from headway.engine.standing.what_runs import live_deployment, read_what_runs
from headway.store.audit import entries
from headway.store.database import Database
from tests.engine.deployments.test_acted_since import put
from tests.support.deploying import Shop
from tests.support.sshd import Sshd, needs_sshd

pytestmark = needs_sshd
ANA = Actor("ana", Role.ADMINISTRATOR)
RENAMED = {"[environments.production": "[environments.live"}


async def rename(
    shop: Shop, old: str = "production", new: str = "live", **changes: object
) -> tuple[str, ...]:
    async with shop.world(**changes) as world:
        return await rename_environment(world, shop.database, ANA, shop.contract(), old=old, new=new)


def rename_in_the_file(shop: Shop, **more: str) -> None:
    shop.edits = {**RENAMED, **more}


def told(shop: Shop) -> list[str]:
    return [
        json.loads((shop.place(name) / "deployed.json").read_text())["environment"] for name in shop.names
    ]


@pytest.mark.slow
async def test_it_keeps_what_stands_and_the_way_back(
    servers: list[Sshd], database: Database, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, servers, database, f"apps/{tmp_path.name}")
    first, second, third = (shop.release(version) for version in ("one", "two", "three"))
    await put(shop, first, second)
    rename_in_the_file(shop)
    async with shop.deployments() as deployments:
        with pytest.raises(HostRefused) as refused:
            await deployments.deploy(Wish("live", third))
    assert "headway deployment rename production live" in (refused.value.hint or "")
    assert await rename(shop) == ("web1", "web2", "web3")
    assert (told(shop), shop.is_free()) == (["live"] * 3, True)
    readme = (shop.place("web1") / "README.txt").read_text()
    assert "shop in live on web1" in readme
    assert "headway rollback live --direct" in readme
    runs = database.read(lambda tx: read_what_runs(tx, "shop", "live"))
    assert (runs.sentence, runs.is_whole) == (second.id, True)
    assert database.read(lambda tx: live_deployment(tx, "shop", "production")) is None
    [entry] = database.read(lambda tx: entries(tx, limit=1))
    assert (entry.action, entry.subject, entry.actor) == ("deployment.rename", "shop/live", "ana")
    async with shop.deployments() as deployments:
        result = await rollback(deployments, "live", to=None)
    assert result.deployment is not None
    assert (result.deployment.state, result.deployment.release) == (DeploymentState.SUCCEEDED, first.id)
    assert shop.serving() == ["one"] * 3


@pytest.mark.slow
async def test_called_again_after_it_was_killed_it_goes_on(shop: Shop) -> None:
    await put(shop, shop.release("one"))
    rename_in_the_file(shop)
    record = shop.place("web2") / "deployed.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "environment": "live"}))
    await rename(shop)
    assert told(shop) == ["live"] * 3
    with pytest.raises(NotRenamed, match="nothing is known of production"):
        await rename(shop)


async def refuse_all(service: str, hosts: Sequence[HostSpec]) -> None:
    raise HostsOfOthers("web1 is theirs")


async def test_what_would_take_away_a_guard_or_a_root_is_refused_and_nothing_is_done(shop: Shop) -> None:
    await put(shop, shop.release("one"))

    async def refused(sentence: str, **changes: object) -> None:
        with pytest.raises(HeadwayError, match=sentence):
            await rename(shop, **changes)  # type: ignore[arg-type]
        assert told(shop) == ["production"] * 3
        assert shop.is_free()

    await refused("there is no environment 'live'")
    await refused("headway.toml still names production", new="production")
    rename_in_the_file(shop, **{"production = true": "production = false"})
    await refused("production is production, and live is not")
    rename_in_the_file(shop)
    await refused("web1 is theirs", require_reach=refuse_all)
    await refused("is no name", old="x | rm -rf /")
    await refused("the root of shop/production, not of shop/staging", old="staging")
