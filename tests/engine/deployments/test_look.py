"""What others did on the hosts without this database becomes known by a look; no look overwrites what is newer."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from headway.base.clock import SystemClock
from headway.deploy.host_states import HostState
from headway.deploy.rollout import Asked
from headway.domain.deployment import DeploymentKind, DeploymentState, HostRow
from headway.drivers.git import Git
from headway.engine.deployments.deployments import Wish
from headway.engine.deployments.direct import rollback_direct
from headway.engine.deployments.drive import Interruption
from headway.engine.deployments.hosts import read_hosts
from headway.engine.deployments.look import keep_look, what_is_known
from headway.engine.deployments.plan import host_plans
from headway.engine.deployments.rollback import rollback
from headway.engine.hosts.link import look_at_all
from headway.engine.releases.projects import ReleaseProjects
from headway.engine.requests.hosts_duty import LOOK_EVERY, HostsDuty
from headway.engine.requests.tools import RequestTools
from headway.engine.standing.what_runs import live_deployment, read_what_runs
from headway.store import deployments as rows
from headway.store.database import Database, Transaction
from headway.store.events import events_after
from headway.store.standings import put_standing, standings_of
from tests.engine.deployments.test_acted_since import by_hand, deploy, left_at, put, settings_of, state
from tests.support.deploying import Noting, Shop
from tests.support.sshd import Sshd, needs_sshd

pytestmark = needs_sshd


async def direct(shop: Shop) -> None:
    async with shop.world() as world:
        await rollback_direct(world, shop.project(), "production", to=None)


async def ask(shop: Shop) -> list[str]:
    async with shop.world() as world:
        return (await read_hosts(world, shop.project(), None, shop.database))[1]


def live(shop: Shop) -> tuple[str, DeploymentKind] | None:
    found = shop.database.read(lambda tx: live_deployment(tx, "shop", "production"))
    return (found.release, found.kind) if found is not None else None


@pytest.mark.slow
async def test_the_hosts_that_are_asked_tell_of_a_rollback_by_ssh_once(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first, second)
    await direct(shop)
    assert live(shop) == (second.id, DeploymentKind.PLANNED)
    before = shop.database.read(lambda tx: events_after(tx, 0))[-1].position
    assert await ask(shop) == ["production"]
    assert live(shop) == (first.id, DeploymentKind.ROLLBACK)
    runs = shop.database.read(lambda tx: read_what_runs(tx, "shop", "production"))
    assert (runs.sentence, runs.is_whole) == (first.id, True)
    told = shop.database.read(lambda tx: events_after(tx, before))
    assert [(one.kind, one.data["release"]) for one in told] == [("deployment.changed", first.id)]
    assert await ask(shop) == []
    assert len(shop.database.read(lambda tx: rows.history(tx, "shop", "production"))) == 3


@pytest.mark.slow
async def test_what_was_done_by_hand_on_one_host_is_told_of_that_host(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first)
    settings = settings_of(shop, "web1")
    await put(shop, second)
    by_hand(shop, "web1", first, settings)
    assert await ask(shop) == ["production"]
    runs = shop.database.read(lambda tx: read_what_runs(tx, "shop", "production"))
    assert runs.sentence == f"{second.id} on 2 of 3; {first.id} on web1"


@pytest.mark.slow
async def test_a_look_says_when_it_was_and_a_host_that_is_away_was_not_asked(shop: Shop) -> None:
    await put(shop, shop.release("one"))
    long_ago = SystemClock().now().replace(microsecond=0) - timedelta(days=3)
    asked_on(shop, long_ago)
    shop.edits = {f"port = {shop.servers[2].port}": "port = 1"}
    assert await ask(shop) == []
    known = shop.database.read(lambda tx: standings_of(tx, "shop", "production"))
    assert [one.asked_at == long_ago for one in known] == [False, False, True]
    runs = shop.database.read(lambda tx: read_what_runs(tx, "shop", "production"))
    assert runs.asked_at == long_ago


@pytest.mark.slow
async def test_a_look_that_was_overtaken_by_a_deployment_is_not_kept(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first)
    contract, now = shop.contract(), SystemClock().now()
    spec = contract.environments["production"]
    known = shop.database.read(lambda tx: what_is_known(tx, "shop", "production", now))
    assert known is not None
    async with shop.world() as world:
        links = await world.links("shop", host_plans(contract, spec))
        assert await look_at_all(links) == {}
        await deploy(shop, second)
        is_news = await keep_look(
            shop.database,
            known,
            environment=spec,
            repository="",
            links=links,
            hosts=3,
            now=SystemClock().now(),
        )
    assert not is_news
    found = shop.database.read(lambda tx: standings_of(tx, "shop", "production"))
    assert {one.release for one in found} == {second.id}


@pytest.mark.slow
async def test_a_host_that_is_left_half_way_without_this_database_is_told_to_be(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first, second)
    link = shop.place("web2") / "settings/current.env"
    link.unlink()
    link.symlink_to("dep-of-somebody.env")
    await ask(shop)
    runs = shop.database.read(lambda tx: read_what_runs(tx, "shop", "production"))
    assert not runs.is_whole
    assert runs.sentence == (
        f"{second.id} on 2 of 3; web2 is half-way: it has something else than what was finished there last"
    )


@pytest.mark.slow
async def test_hosts_that_a_stopped_deployment_verified_stay_well(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first)
    stop = Interruption()

    class Stopping(Noting):
        def host(self, row: HostRow) -> None:
            if (row.host, row.state) == ("web1", HostState.LIVE):
                stop.ask(Asked.STAY)

    async with shop.deployments(watcher=Stopping(), interruption=stop) as deployments:
        result = await deployments.deploy(Wish("production", second))
    assert state(result) is DeploymentState.CANCELLED
    await ask(shop)
    runs = shop.database.read(lambda tx: read_what_runs(tx, "shop", "production"))
    assert runs.sentence == f"{first.id} on 2 of 3; {second.id} on web1"


@pytest.mark.slow
async def test_one_host_of_three_does_not_speak_for_the_others(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first, second)
    await direct(shop)
    shop.edits = {f"port = {server.port}": "port = 1" for server in shop.servers[1:]}
    assert await ask(shop) == ["production"]
    assert live(shop) == (second.id, DeploymentKind.PLANNED)
    runs = shop.database.read(lambda tx: read_what_runs(tx, "shop", "production"))
    assert runs.sentence == f"{second.id} on 2 of 3; {first.id} on web1"


async def test_a_record_that_names_no_deployment_tells_of_none(shop: Shop) -> None:
    await put(shop, shop.release("one"))
    for name in shop.names:
        (shop.place(name) / "deployed.json").write_text("{}\n")
    assert await ask(shop) == []
    assert len(shop.database.read(lambda tx: rows.history(tx, "shop", "production"))) == 1


@pytest.mark.slow
async def test_a_deployment_that_stops_early_does_not_call_a_half_way_host_well(shop: Shop) -> None:
    """Left in the middle of its switch, left out by a rollback, taken by a deployment that fails before any switch."""
    first, bad = shop.release("one"), shop.release("bad", {"bin/prepare": "exit 1"})
    await put(shop, first)
    async with left_at(shop, shop.release("two"), "web1", "activate"):
        pass
    async with shop.deployments() as deployments:
        await rollback(deployments, "production", to=None, without=("web1",))
    assert state(await deploy(shop, bad)) is DeploymentState.FAILED
    runs = shop.database.read(lambda tx: read_what_runs(tx, "shop", "production"))
    assert not runs.is_whole
    assert runs.sentence.startswith(f"{first.id} on 2 of 3; web1 unclear: ")
    assert "web1 is half-way" not in runs.sentence
    assert "is half-way" in runs.sentence


@pytest.mark.slow
async def test_what_a_hand_moved_is_told_also_after_a_deployment_that_stops_early(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first, second)
    new = shop.place("web1") / "by-hand"
    new.symlink_to(f"releases/{first.id}")
    new.replace(shop.place("web1") / "current")
    assert state(await deploy(shop, shop.release("bad", {"bin/prepare": "exit 1"}))) is DeploymentState.FAILED
    known = shop.database.read(lambda tx: standings_of(tx, "shop", "production"))
    assert [one.release for one in known] == [first.id, second.id, second.id]
    assert known[0].commit in ("", first.commit)


@pytest.mark.slow
async def test_what_a_power_cut_left_is_ended_by_the_next_deployment_and_told_by_nobody(shop: Shop) -> None:
    await put(shop, shop.release("one"))
    [epoch] = (shop.place("web1") / "epochs").iterdir()
    lost = epoch / "steps/dep-lost.web1.switch.1"
    lost.mkdir()
    (lost / "claim").touch()
    (lost / "owner").write_text("an-earlier-boot 7 7 7 8 9 job mark 500 0 end\n")
    async with shop.world() as world:
        assert [one.going for one in (await read_hosts(world, shop.project()))[0]] == [()] * 3
    assert not (lost / "over").exists()
    await put(shop, shop.release("two"))
    assert (lost / "over").exists()


@pytest.mark.slow
async def test_a_server_asks_its_hosts_from_time_to_time(
    servers: list[Sshd], database: Database, tmp_path: Path
) -> None:
    """The server is dead, somebody goes back by SSH, the server comes up again."""
    shop = Shop(tmp_path, servers, database, f"apps/{tmp_path.name}")
    first, second = shop.release("one"), shop.release("two")
    await put(shop, first, second)
    settings = settings_of(shop, "web1")
    await direct(shop)
    clock, git = SystemClock(), Git(shop.settings.environment, shop.settings.mirrors)
    projects = ReleaseProjects(shop.settings.environment, lambda _: None)
    duty = HostsDuty(RequestTools(database, shop.settings, clock, git, projects))
    # Their last deployment asked them just now.
    await duty.tick(clock.now())
    await duty.settle()
    assert live(shop) == (second.id, DeploymentKind.PLANNED)
    await duty.tick(clock.now() + LOOK_EVERY)
    await duty.settle()
    assert live(shop) == (first.id, DeploymentKind.ROLLBACK)
    # What stands there has no plan here, and the hosts are asked all the same.
    by_hand(shop, "web1", second, settings)
    await duty.tick(clock.now() + 3 * LOOK_EVERY)
    await duty.settle()
    await duty.stop()
    runs = shop.database.read(lambda tx: read_what_runs(tx, "shop", "production"))
    assert not runs.is_whole
    assert "web1" in runs.sentence


def asked_on(shop: Shop, at: datetime) -> None:
    def work(tx: Transaction) -> None:
        for one in standings_of(tx, "shop", "production"):
            put_standing(tx, replace(one, asked_at=at))

    shop.database.transact(work)
