"""One host is away: it is told what is tried, it holds up no other one, and going back needs it not."""

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from headway.base.errors import Errored
from headway.domain.contract import HostSpec
from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.domain.people import Actor, Role
from headway.domain.release import Release
from headway.domain.selection import HostsOfOthers
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import SshError
from headway.engine.deployments.deployments import Deployments, Wish, dry_run
from headway.engine.deployments.gone import NotEmptied, NotGone, empty_host, forget_host
from headway.engine.deployments.hold import Hold
from headway.engine.deployments.plan import NoSuchHost
from headway.engine.deployments.rollback import rollback
from headway.engine.hosts import link as host_link
from headway.engine.hosts import lock as host_lock
from headway.engine.hosts.link import HostLink
from headway.engine.standing.status import read_status
from headway.engine.views.service import read_service
from headway.store import deployments as rows
from headway.store.audit import entries
from headway.store.database import Database, Transaction
from headway.store.standings import get_standing, put_standing
from headway.store.views.hosts import on_hosts
from headway.store.views.services import place_lines
from headway.wire.contract import read_contract
from tests.support.deploying import NOW, Noting, Shop
from tests.support.sshd import Sshd, needs_sshd

pytestmark = needs_sshd
_roots = itertools.count(1)
HELD_UP = {
    "bin/activate": 'cp VERSION "$HEADWAY_ROOT/serving"; '
    'while [ -e "$HEADWAY_ROOT/shared/wait" ]; do sleep 0.05; done'
}


@pytest.fixture
def shop(servers: list[Sshd], sqlite: Database, tmp_path: Path) -> Shop:
    return Shop(tmp_path, servers, sqlite, f"apps/dead {next(_roots)}")


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word, as a host whose kernel lives and nothing else does."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


@asynccontextmanager
async def without_web3(shop: Shop, port: int) -> AsyncIterator[Deployments]:
    """As if web3 were at `port`."""
    text = shop.text().replace(f"port = {shop.servers[2].port}", f"port = {port}")
    async with shop.deployments() as deployments:
        deployments.project = replace(deployments.project, contract=read_contract(text, "headway.toml"))
        yield deployments


def notes(deployments: Deployments) -> list[str]:
    assert isinstance(deployments.world.watcher, Noting)
    return deployments.world.watcher.lines


async def until(condition: object) -> None:
    async with asyncio.timeout(30):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def put(shop: Shop, *versions: str) -> list[str]:
    """The ids of the releases."""
    made = [shop.release(version) for version in versions]
    for release in made:
        async with shop.deployments() as deployments:
            await deployments.deploy(Wish("production", release))
    return [release.id for release in made]


@pytest.mark.slow
async def test_a_rollback_takes_back_the_hosts_that_answer_and_says_what_is_left(
    shop: Shop, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_link, "_SAY_AFTER", 0.2)
    monkeypatch.setattr(host_link, "_GRACE", 0.3)
    await put(shop, "one", "two")
    async with without_web3(shop, silent) as deployments:
        result = await rollback(deployments, "production", to=None)
        told = notes(deployments)
    # Once: what was given up is not tried a second time by the next question.
    assert sum(line.startswith("trying to reach") and "web3" in line for line in told) == 1
    assert any(line.startswith("goes on without web3: web3 (127.0.0.1) has not answered") for line in told)
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.FAILED
    assert "web3 (127.0.0.1) has not answered" in result.deployment.reason
    assert [row.state for row in result.hosts] == ["finished", "finished", "left_out"]
    assert shop.serving() == ["one", "one", "two"]


@pytest.mark.slow
async def test_what_was_rolled_back_from_without_a_dead_host_is_never_gone_back_to(shop: Shop) -> None:
    one, two = await put(shop, "one", "two")
    async with without_web3(shop, 1) as deployments:
        partly = await rollback(deployments, "production", to=None)
    assert partly.deployment is not None
    assert partly.deployment.state is DeploymentState.FAILED
    # The host is back: called again it goes on to the same.
    async with shop.deployments() as deployments:
        again = await rollback(deployments, "production", to=None)
    assert again.deployment is not None
    assert (again.deployment.release, shop.serving()) == (one, ["one"] * 3)
    # And the same when something newer came meanwhile: not to two.
    await put(shop, "two")
    async with without_web3(shop, 1) as deployments:
        await rollback(deployments, "production", to=None)
    await put(shop, "three")
    async with shop.deployments() as deployments:
        back = await rollback(deployments, "production", to=None)
    assert back.deployment is not None
    assert back.deployment.release == one != two
    assert shop.serving() == ["one"] * 3


@pytest.mark.slow
async def test_what_most_hosts_went_back_to_is_live_for_the_next_deployment(shop: Shop) -> None:
    one = shop.release("one")
    await put(shop, "one", "two")
    async with without_web3(shop, 1) as deployments:
        await rollback(deployments, "production", to=None)
    async with shop.deployments() as deployments:
        result = await deployments.deploy(Wish("production", one))
    assert result.deployment is not None
    assert result.deployment.kind is DeploymentKind.REDEPLOY
    assert shop.serving() == ["one"] * 3


@pytest.mark.slow
async def test_what_was_left_is_taken_back_although_a_host_is_gone_meanwhile(shop: Shop) -> None:
    """The deployment was left half-way, its host web3 with it."""
    await put(shop, "one")
    shop.strategy = '{ kind = "rolling", batch = "100%" }'
    for name in shop.names:
        gate = shop.place(name) / "shared" / "wait"
        gate.parent.mkdir(exist_ok=True)
        gate.touch()
    async with shop.deployments() as deployments:
        going = asyncio.create_task(deployments.deploy(Wish("production", shop.release("two", HELD_UP))))
        await until(lambda: shop.serving() == ["two"] * 3)
        going.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await going
    for name in shop.names:
        (shop.place(name) / "shared" / "wait").unlink()
    # A plan names the hosts as they were; so web3 itself is away now.
    [left] = shop.database.read(lambda tx: rows.unfinished(tx, "shop"))
    plan = json.loads(left.plan)
    plan["hosts"][2]["spec"]["port"] = 1
    shop.database.transact(
        lambda tx: tx.execute("UPDATE deployments SET plan = :plan", plan=json.dumps(plan))
    )
    async with without_web3(shop, 1) as deployments:
        result = await rollback(deployments, "production", to=None)
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.FAILED
    assert [row.state for row in result.hosts] == ["reverted", "reverted", "stuck"]
    assert "127.0.0.1:1) cannot be reached" in result.deployment.reason
    assert shop.serving() == ["one", "one", "two"]


async def test_a_deployment_names_every_host_that_is_away_and_the_way_without_them(shop: Shop) -> None:
    text = shop.text()
    for port, server in enumerate(shop.servers[1:], 1):
        text = text.replace(f"port = {server.port}", f"port = {port}")
    async with shop.deployments() as deployments:
        deployments.project = replace(deployments.project, contract=read_contract(text, "headway.toml"))
        with pytest.raises(
            SshError, match=r"web2 .*cannot be reached.*; web3 .*cannot be reached"
        ) as refused:
            await deployments.deploy(Wish("production", shop.release("one")))
    assert "--without web2 --without web3" in (refused.value.hint or "")
    assert shop.serving() == [None] * 3
    assert shop.is_free()


@pytest.mark.slow
async def test_a_host_that_does_not_answer_holds_up_no_beat_of_the_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_lock, "BEAT", 0.02)
    usual = HostLink.call_aside

    async def call_aside(link: HostLink, script: str, **more: float) -> object:
        if link.name == "web2":
            await asyncio.Event().wait()
        return await usual(link, script, **more)

    monkeypatch.setattr(HostLink, "call_aside", call_aside)
    gate = shop.place("web1") / "shared" / "wait"
    gate.parent.mkdir(parents=True)
    gate.touch()

    def beats(host: str) -> int:
        return int((shop.place(host) / "epochs" / "1" / "beat").read_text() or 0)

    async with shop.deployments() as deployments:
        going = asyncio.create_task(deployments.deploy(Wish("production", shop.release("one", HELD_UP))))
        await until((shop.place("web3") / "epochs" / "1" / "beat").exists)
        await until(lambda: beats("web1") > 5 and beats("web3") > 5)
        assert beats("web2") == 0
        gate.unlink()
        await going
    assert shop.is_free()


async def test_a_step_that_takes_long_holds_up_no_beat(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headway's own steps need the host's one session; the beat has a shell of its own."""
    monkeypatch.setattr(host_lock, "BEAT", 0.02)
    async with shop.world() as world:
        from headway.engine.deployments.plan import environment_of, host_plans

        contract = shop.contract()
        links = await world.links("shop", host_plans(contract, environment_of(contract, "production")))
        hold = Hold(world, "shop", "production", "tests", None)
        lock = await hold.take_hosts(links, "dep-1")
        beat = f'cat "{shop.place("web1")}/epochs/{lock.token}/beat"'
        reply = await links[0].call(
            f"n=$({beat}); i=0; while [ $i -lt 600 ] && [ $(($({beat}) - n)) -lt 5 ]; do sleep 0.05; i=$((i + 1)); done;"
            f" [ $i -lt 600 ]"
        )
        await hold.let_go()
    assert reply.exit_code == 0


async def test_all_who_wait_for_a_host_share_one_attempt(shop: Shop, silent: int) -> None:
    settings = replace(shop.settings.ssh, connect_within=0.2, attempt_timeout=0.2)
    host = replace(shop.servers[0].host(), port=silent)
    made = 0
    async with Connections(settings) as connections:
        usual = connections._attempt

        async def attempt(*words: object) -> object:
            nonlocal made
            made += 1
            return await usual(*words)  # type: ignore[arg-type]

        connections._attempt = attempt  # type: ignore[method-assign,assignment]
        first = asyncio.create_task(connections.connection(host))
        others = [asyncio.create_task(connections.connection(host)) for _ in range(5)]
        await asyncio.sleep(0)
        # Who gives up takes it from nobody.
        first.cancel()
        errors = await asyncio.gather(*others, return_exceptions=True)
        assert all(isinstance(error, SshError) for error in errors)
        attempts = {getattr(error, "attempts", None) for error in errors}
        assert attempts == {made}


def runs(shop: Shop) -> str:
    return read_status(shop.database, "shop", "production").environments[0].runs.sentence


@pytest.mark.slow
async def test_a_host_is_left_out_by_name_and_caught_up_by_the_next_deployment(shop: Shop) -> None:
    await put(shop, "one")
    two = shop.release("two")
    async with without_web3(shop, 1) as deployments:
        result = await deployments.deploy(Wish("production", two, without=("web3",)))
        assert not any("trying to reach" in line and "web3" in line for line in notes(deployments))
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED
    assert result.deployment.reason == (
        "serves on 2 of 3 hosts; web3 left out, the next deployment brings it to them"
    )
    assert shop.serving() == ["two", "two", "one"]
    assert runs(shop).startswith(f"{two.id} on 2 of 3; web3 left out by ana@laptop since ")
    [entry] = shop.database.read(lambda tx: entries(tx, limit=10))
    assert (entry.actor, entry.action) == ("ana@laptop", "deployment.without")
    # Asked for once more without it there is nothing to do; with it, it is brought to what the others have.
    async with without_web3(shop, 1) as deployments:
        again = await deployments.deploy(Wish("production", two, without=("web3",)))
    assert again.already_live is not None
    async with shop.deployments() as deployments:
        caught_up = await deployments.deploy(Wish("production", two))
    assert caught_up.deployment is not None
    assert shop.serving() == ["two"] * 3
    assert runs(shop) == two.id


@pytest.mark.slow
async def test_going_back_without_hosts_needs_only_the_others(shop: Shop) -> None:
    await put(shop, "one", "two")
    text = shop.text()
    for port, server in enumerate(shop.servers[1:], 1):
        text = text.replace(f"port = {server.port}", f"port = {port}")
    contract = read_contract(text, "headway.toml")
    async with shop.deployments() as deployments:
        deployments.project = replace(deployments.project, contract=contract)
        with pytest.raises(Errored, match="only 1 of 3 hosts can be reached") as refused:
            await rollback(deployments, "production", to=None)
        assert "--without HOST" in (refused.value.hint or "")
    async with shop.deployments() as deployments:
        deployments.project = replace(deployments.project, contract=contract)
        result = await rollback(deployments, "production", to=None, without=("web2", "web3"))
    assert result.deployment is not None
    assert result.deployment.state is DeploymentState.SUCCEEDED
    assert shop.serving() == ["one", "two", "two"]


async def test_whom_to_leave_out_has_to_be_a_host_and_not_all(shop: Shop) -> None:
    release = shop.release("one")
    async with shop.deployments() as deployments:
        with pytest.raises(NoSuchHost, match="production has no host web9"):
            await deployments.deploy(Wish("production", release, without=("web9",)))
        with pytest.raises(NoSuchHost, match="has no host left"):
            await deployments.deploy(Wish("production", release, without=tuple(shop.names)))
    assert shop.is_free()


@pytest.mark.slow
async def test_status_and_dry_run_tell_what_each_host_has_after_a_rollback_with_one_down(shop: Shop) -> None:
    one, two = await put(shop, "one", "two")
    async with without_web3(shop, 1) as deployments:
        await rollback(deployments, "production", to=None)
    [environment] = read_status(shop.database, "shop").environments
    assert environment.live is not None
    assert environment.live.release == one
    assert f"{one} on 2 of 3; web3 not reached since " in environment.runs.sentence
    assert environment.runs.sentence.endswith(f"(had {two})")
    [place] = shop.database.read(lambda tx: place_lines(tx, service="shop"))
    assert (place.live_release, place.live) == (one, environment.live.number)
    found = shop.database.read(lambda tx: on_hosts(tx, most=5, limit=10))
    assert {line.host: line.release for line in found} == {"web1": one, "web2": one, "web3": two}
    page = shop.database.read(lambda tx: read_service(tx, "shop"))
    assert page is not None
    assert page.runs["production"].sentence == environment.runs.sentence
    async with shop.deployments() as deployments:
        git = deployments.git
    plan = dry_run(shop.database, git, shop.project(), Wish("production", shop.release("three")), "ana")
    assert [host.predecessor and host.predecessor.release for host in plan.hosts] == [one, one, two]
    # What is asked of the hosts later on puts it right, whoever was there meanwhile.
    [three] = await put(shop, "three")
    assert runs(shop) == three


async def without_web3_in_the_file(shop: Shop, release: Release) -> None:
    """A deployment whose file does not name web3 any more."""
    text = shop.text().replace(', "web3"]', "]")
    async with shop.deployments() as deployments:
        deployments.project = replace(deployments.project, contract=read_contract(text, "headway.toml"))
        await deployments.deploy(Wish("production", release))


async def refuse_all(service: str, hosts: Sequence[HostSpec]) -> None:
    raise HostsOfOthers(f"{hosts[0].name} is theirs")


async def reach_all(service: str, hosts: Sequence[HostSpec]) -> None:
    assert service == "shop"


@pytest.mark.slow
async def test_a_host_that_left_the_file_is_named_until_it_is_emptied(shop: Shop) -> None:
    [one] = await put(shop, "one")
    two = shop.release("two")
    await without_web3_in_the_file(shop, two)
    assert shop.serving() == ["two", "two", "one"]
    assert runs(shop) == f"{two.id}; web3 is no longer of it and still has {one}"
    ana = Actor("ana", Role.ADMINISTRATOR)
    async with shop.world() as world:
        with pytest.raises(NotGone, match="web1 belongs to production"):
            await empty_host(world, shop.database, ana, "shop", "production", "web1")
        world.require_reach = refuse_all
        with pytest.raises(HostsOfOthers, match="web3 is theirs"):
            await empty_host(world, shop.database, ana, "shop", "production", "web3")
        assert shop.serving() == ["two", "two", "one"]
        world.require_reach = reach_all
        await empty_host(world, shop.database, ana, "shop", "production", "web3")
        assert shop.serving() == ["two", "two", None]
        assert not (shop.place("web3") / "current").is_symlink()
        assert runs(shop) == two.id
        with pytest.raises(NotGone, match="nothing is known of web3"):
            await empty_host(world, shop.database, ana, "shop", "production", "web3")
    assert shop.is_free()
    # It may come back at any time, and begins anew.
    await put(shop, "three")
    assert shop.serving() == ["three"] * 3


async def test_a_host_that_was_taken_in_again_meanwhile_is_not_emptied(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(shop, "one")
    claim = Hold.claim

    def belongs(*, member: bool) -> None:
        def work(tx: Transaction) -> None:
            known = get_standing(tx, "shop", "production", "web3")
            assert known is not None
            put_standing(tx, replace(known, member=member))

        shop.database.transact(work)

    async def after_another(hold: Hold) -> None:
        belongs(member=True)
        await claim(hold)

    belongs(member=False)
    monkeypatch.setattr(Hold, "claim", after_another)
    ana = Actor("ana", Role.ADMINISTRATOR)
    async with shop.world() as world:
        with pytest.raises(NotGone, match="web3 belongs to production"):
            await empty_host(world, shop.database, ana, "shop", "production", "web3")
    assert shop.serving() == ["one"] * 3
    assert shop.is_free()


@pytest.mark.slow
async def test_what_could_not_be_emptied_is_told_and_goes_on_with_the_next_call(shop: Shop) -> None:
    shop.edits = {
        """'rm -f "$HEADWAY_ROOT/serving"'""": """'test ! -e "$HEADWAY_ROOT/bad"; rm -f "$HEADWAY_ROOT/serving"'"""
    }
    [one] = await put(shop, "one")
    two = shop.release("two")
    await without_web3_in_the_file(shop, two)
    bad = shop.place("web3") / "bad"
    bad.touch()
    ana = Actor("ana", Role.ADMINISTRATOR)
    async with shop.world() as world:
        for _ in range(2):
            with pytest.raises(NotEmptied, match="exit 1 in back-deactivate"):
                await empty_host(world, shop.database, ana, "shop", "production", "web3")
        assert runs(shop).startswith(
            f"{two.id}; web3 is no longer of it and still has {one}, unclear: half-emptied: exit 1"
        )
        bad.unlink()
        await empty_host(world, shop.database, ana, "shop", "production", "web3")
    assert shop.serving() == ["two", "two", None]
    assert runs(shop) == two.id
    ends = [line for line in shop.journal("web3") if line["step"] == "back-drain" and line["event"] == "end"]
    assert len(ends) == 1, "what succeeded is not done again"


@pytest.mark.slow
async def test_a_host_that_is_gone_for_good_is_forgotten(shop: Shop) -> None:
    [one] = await put(shop, "one")
    two = shop.release("two")
    await without_web3_in_the_file(shop, two)
    ana = Actor("ana", Role.ADMINISTRATOR)
    shop.database.transact(lambda tx: forget_host(tx, ana, "shop", "production", "web3", NOW))
    assert runs(shop) == two.id
    [entry] = shop.database.read(lambda tx: entries(tx, limit=1))
    assert (entry.action, entry.subject) == ("deployment.forget_host", "shop/production web3")
    assert one in (entry.before or "")
