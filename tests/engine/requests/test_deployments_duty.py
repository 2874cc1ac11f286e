"""A server's deployments from the green run to production, on real hosts; killed, stopped, paused and gone on with."""

import asyncio
import itertools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from headway.deploy.plan import from_json
from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.domain.org import Floor
from headway.domain.request import RequestState
from headway.domain.secrets import environment_scope
from headway.domain.selection import HostsOfOthers
from headway.engine.deployments import deployments as driving
from headway.engine.deployments.deployments import go_on
from headway.engine.deployments.named_secrets import named_secrets
from headway.engine.deployments.plan import NoSuchHost
from headway.engine.requests.deployments_duty import DeploymentsDuty, _Carried
from headway.engine.requests.preview import what_it_would_do
from headway.engine.requests.requests import NotCounted
from headway.engine.secrets.keys import new_key
from headway.engine.secrets.vault import Vault, stored_secrets
from headway.store import deployments as rows
from headway.store.audit import entries
from headway.store.database import Database
from headway.store.events import events_after
from headway.store.requests import look_at_all_soon
from tests.support.delivery_line import ANA, BO, EVE, ORG, SLOW, Line
from tests.support.hosts import start_host
from tests.support.sshd import Sshd

S = RequestState
AUTOMATIC = 'promote = "automatic"'
_roots = itertools.count(1)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Sshd]]:
    folder = tmp_path_factory.mktemp("hosts")
    first = start_host(folder / "1")
    started = [first, start_host(folder / "2", client_key=first.client_key)]
    yield list(started)
    for host in started:
        host.stop()


@pytest.fixture
def line(database: Database, hosts: list[Sshd], tmp_path: Path) -> Line:
    return Line(tmp_path, database, root=f"apps/line {next(_roots)}", hosts=hosts)


@pytest.fixture
def quick(sqlite: Database, hosts: list[Sshd], tmp_path: Path) -> Line:
    """Where the database makes no difference."""
    return Line(tmp_path, sqlite, root=f"apps/line {next(_roots)}", hosts=hosts)


async def until(condition: Callable[[], object], duty: DeploymentsDuty | None = None) -> None:
    for _ in range(1000):
        if condition():
            return
        if duty is not None:
            await duty.tick(duty.tools.clock.now())
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


async def settled(line: Line) -> None:
    async with line.serving_duty() as duty:
        await line.settle(duty)


def states(line: Line, environment: str) -> list[str]:
    return [str(one.state) for one in line.asked(environment)]


async def test_from_a_green_run_to_production_by_itself_exactly_once(line: Line) -> None:
    line.production = AUTOMATIC
    release = line.green("one")
    await settled(line)
    assert (line.serving("staging"), line.serving("production")) == ("one", "one")
    [staging], [production] = line.history("staging"), line.history("production")
    assert (staging.number, production.number) == (1, 2)
    assert (production.release, production.requested_by) == (release.id, "headway")
    asked = line.asked()
    assert [(one.environment, one.state, one.deployment) for one in asked] == [
        ("staging", S.DONE, staging.id),
        ("production", S.DONE, production.id),
    ]
    assert asked[1].reason == "deployment 2 succeeded: serves on all hosts"
    # Started anew, and everything looked at once more: nothing comes twice.
    await settled(line)
    assert len(line.asked()) == 2
    events = line.database.read(lambda tx: events_after(tx, 0))
    kinds = {event.kind for event in events}
    assert kinds == {"request.changed", "deployment.changed", "host.changed"}
    last = [
        event for event in events if event.subject == production.id and event.kind == "deployment.changed"
    ]
    assert last[-1].data["state"] == "succeeded"
    steps = [event.data.get("step") for event in events if event.kind == "host.changed"]
    assert "activate" in steps


@pytest.mark.slow
async def test_going_back_takes_hosts_along_that_the_older_file_does_not_know(quick: Line) -> None:
    line = quick
    line.green("one")
    await settled(line)
    places = on_both(line)
    line.green("two")
    await settled(line)
    assert serving(places) == ["two", "two"]
    preview = await what_it_would_do(
        line.tools, EVE, service="shop", environment="staging", kind=DeploymentKind.ROLLBACK
    )
    assert preview.batches == (("stage1",), ("web1",))
    await line.requests.request_rollback(EVE, service="shop", environment="staging")
    await settled(line)
    assert serving(places) == ["one", "one"]


@pytest.mark.slow
async def test_held_at_the_gate_until_it_is_approved(line: Line) -> None:
    line.production = 'approval = { from = "team:storefront", not_own = true }'
    release = line.green("one")
    await settled(line)
    # `promote` was not said: it is offered, not sent.
    assert line.asked("production") == []
    made = await line.requests.request_deployment(
        BO, service="shop", environment="production", release=release.id
    )
    await settled(line)
    assert line.serving("production") is None
    waiting = line.standing("production")
    assert waiting is not None and waiting.reason == "production needs an approval from team:storefront"
    with pytest.raises(NotCounted, match=r"eve is none of team:storefront"):
        await line.requests.approve(EVE, made.id, yes=True)
    line.org = replace(
        ORG, teams={"storefront": replace(ORG.teams["storefront"], members={"eve": EVE.role, "bo": BO.role})}
    )
    approved = await line.requests.approve(EVE, made.id, yes=True)
    assert (approved.state, approved.reason) == (S.WAITING, "nothing stands in the way")
    await settled(line)
    [deployment] = line.history("production")
    assert (deployment.approved_by, deployment.approval_verified) == ("eve", True)
    assert (deployment.requested_by, deployment.request) == ("bo", made.id)
    assert line.serving("production") == "one"


@pytest.mark.slow
async def test_asking_for_what_is_live_is_done_behind_a_gate_too(quick: Line) -> None:
    line = quick
    line.production = 'approval = { from = "team:storefront" }'
    release = line.green("one")
    await settled(line)

    async def ask() -> str:
        made = await line.requests.request_deployment(
            BO, service="shop", environment="production", release=release.id
        )
        return made.id

    await line.requests.approve(ANA, await ask(), yes=True)
    await settled(line)
    assert line.serving("production") == "one"
    again = await ask()
    await settled(line)
    found = next(one for one in line.asked("production") if one.id == again)
    assert (found.state, found.reason) == (S.DONE, "already live, since deployment 2")
    assert len(line.history("production")) == 1


@pytest.mark.slow
async def test_the_rollback_button(quick: Line) -> None:
    line = quick
    first = line.green("one")
    await settled(line)
    line.green("two")
    await settled(line)
    assert line.serving("staging") == "two"
    line.org = replace(ORG, floors=(Floor("closed", deployers=("nobody",)),))
    back = await line.requests.request_rollback(EVE, service="shop", environment="staging")
    assert back.request is not None
    assert (back.request.release, back.request.kind) == (first.id, DeploymentKind.ROLLBACK)
    await settled(line)
    assert line.serving("staging") == "one"
    live = line.history("staging")[-1]
    assert (live.kind, live.requested_by) == (DeploymentKind.ROLLBACK, "eve")
    done = line.asked("staging")[-1]
    assert (done.state, done.deployment) == (S.DONE, live.id)


@pytest.mark.slow
async def test_a_bad_release_goes_back_and_is_not_promoted(quick: Line) -> None:
    line = quick
    line.production, line.within = AUTOMATIC, "200ms"
    line.green("bad", files={"bin/health": "exit 1"})
    await settled(line)
    [asked] = line.asked()
    assert (asked.environment, asked.state) == ("staging", S.DONE)
    assert asked.reason.startswith("deployment 1 rolled back: stage1: health (command): exit 1")
    # A person may send it once more; by itself it never comes again.
    again = await line.requests.request_deployment(
        ANA, service="shop", environment="staging", release=asked.release
    )
    await settled(line)
    assert line.asked()[-1].id == again.id
    assert len(line.asked()) == 2


async def test_what_is_live_already_is_done_without_a_deployment(quick: Line) -> None:
    release = quick.green("one")
    await settled(quick)
    made = await quick.requests.request_deployment(
        ANA, service="shop", environment="staging", release=release.id
    )
    await settled(quick)
    done = quick.asked()[-1]
    assert (done.id, done.state, done.reason) == (made.id, S.DONE, "already live, since deployment 1")


async def test_what_cannot_begin_is_refused_with_the_cause(
    quick: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = quick.green("one")
    await quick.requests.request_deployment(ANA, service="shop", environment="staging", release=release.id)
    monkeypatch.setattr("headway.engine.requests.deployments_duty.get_release", lambda tx, id: None)
    await settled(quick)
    [asked] = quick.asked()
    assert asked.state is S.REFUSED
    assert asked.reason.startswith(f"cannot begin: {release.id} is not known here")


async def test_what_misses_a_secret_waits_and_begins_when_the_secret_is_there(line: Line) -> None:
    vault = Vault([new_key()])
    line.settings = replace(line.settings, stored_secrets=stored_secrets(vault, line.database))
    line.staging = 'secrets = ["DATABASE_URL"]'
    line.green("one")
    await settled(line)
    [asked] = line.asked()
    assert asked.state is S.WAITING
    assert asked.reason.startswith("the environment staging of shop needs the secret DATABASE_URL")
    [obstacle] = asked.obstacles
    assert obstacle.kind == "secret"
    assert "headway secret set DATABASE_URL --service shop --environment staging" in obstacle.hint
    scope, now = environment_scope("shop", "staging"), line.clock.now()
    line.database.transact(lambda tx: vault.put(tx, scope, "DATABASE_URL", "postgresql://db/shop", ANA, now))
    await settled(line)
    [asked] = line.asked()
    assert (asked.state, line.serving("staging")) == (S.DONE, "one")
    # What stands there may print it, stored or not, and whatever the file names by then.
    line.database.transact(lambda tx: vault.remove(tx, scope, "DATABASE_URL", ANA, now))
    assert line.database.read(lambda tx: named_secrets(tx, "shop")) == [("staging", "DATABASE_URL")]


def slowly(line: Line, version: str) -> Path:
    """A green release whose activation waits for as long as the answered file is there."""
    gate = line.place("staging") / "shared" / "wait"
    gate.parent.mkdir(parents=True, exist_ok=True)
    gate.touch()
    line.green(version, files=SLOW)
    return gate


def activations(line: Line) -> int:
    file = line.place("staging") / "activations"
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.mark.slow
async def test_a_newer_one_waits_until_the_one_under_way_has_ended(quick: Line) -> None:
    line = quick
    gate = slowly(line, "one")
    async with line.serving_duty() as duty:
        await until(lambda: activations(line) == 1, duty)
        line.green("two")
        newest = line.green("three")
        await until(lambda: line.standing("staging") and len(line.asked()) == 3, duty)
        await until(lambda: "goes on in staging" in getattr(line.standing("staging"), "reason", ""), duty)
        assert sorted(states(line, "staging")) == ["begun", "superseded", "waiting"]
        assert getattr(line.standing("staging"), "release", "") == newest.id
        gate.unlink()
        await line.settle(duty)
        assert sorted(states(line, "staging")) == ["done", "done", "superseded"]
        assert [one.release for one in line.history("staging")][-1] == newest.id
        assert line.serving("staging") == "three"


@pytest.mark.slow
async def test_paused_gone_on_with_and_taken_back_by_people(quick: Line) -> None:
    line = quick
    gate = slowly(line, "one")
    async with line.serving_duty() as duty:
        await until(lambda: activations(line) == 1, duty)
        [going] = line.database.read(lambda tx: rows.unfinished(tx, "shop"))

        def reason() -> str:
            found = line.database.read(lambda tx: rows.get_deployment(tx, going.id))
            return found.reason if found else ""

        await line.requests.pause(ANA, going.id)
        await until(lambda: reason() == "finishing the step at hand", duty)
        gate.unlink()
        await until(lambda: reason() == "paused", duty)
        assert line.history("staging") == []
        gate.touch()
        await line.requests.go_on(ANA, going.id)
        await until(lambda: reason() != "paused", duty)
        gate.unlink()
        await line.settle(duty)
        assert len(line.history("staging")) == 1
        gate = slowly(line, "two")
        await until(lambda: activations(line) == 2, duty)
        back = await line.requests.request_rollback(EVE, service="shop", environment="staging")
        assert back.deployment is not None and back.request is None
        gate.unlink()
        await line.settle(duty)
        assert line.serving("staging") == "one"
        ended = line.database.read(lambda tx: rows.get_deployment(tx, back.deployment.id))  # type: ignore[union-attr]
        assert ended is not None
        assert (ended.state, ended.reason) == (DeploymentState.ROLLED_BACK, "asked to go back")
        assert not ended.rolled_back_automatically


@pytest.mark.slow
async def test_a_fault_of_ours_while_it_is_driven_is_a_trouble_at_once_and_a_wish_is_heeded_after_it(
    quick: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = quick
    line.green("one")
    await settled(line)
    line.green("two")

    def broken(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'gone'")

    async with line.serving_duty() as duty:
        with monkeypatch.context() as patch:
            patch.setattr(driving, "make_drive", broken)
            await until(lambda: duty.faults.troubles(line.clock.now()), duty)
            [going] = line.database.read(lambda tx: rows.unfinished(tx, "shop"))
            [trouble] = duty.faults.troubles(line.clock.now())
            assert (
                trouble.sentence == f"deployment {going.number} of shop to staging cannot be driven: "
                "Headway's own error: ModuleNotFoundError; the server's log says more"
            )
            assert trouble.href == f"/services/shop/deployments/{going.number}"
            assert (
                trouble.public
                == "a deployment cannot be driven: Headway's own error; the server's log says why"
            )
            await line.requests.go_back(EVE, going.id)
            duty._resting.clear()
            await until(
                lambda: (fault := duty.faults.of(going.id, line.clock.now())) and fault.times == 2, duty
            )
        duty._resting.clear()
        await line.settle(duty)
        assert duty.faults.troubles(line.clock.now()) == []
    ended = line.database.read(lambda tx: rows.get_deployment(tx, going.id))
    assert ended is not None
    # Nothing was switched yet.
    assert (ended.state, line.serving("staging")) == (DeploymentState.CANCELLED, "one")


@pytest.mark.slow
async def test_a_fault_of_ours_before_a_deployment_begins_stands_on_its_request_until_it_does(
    quick: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = quick
    line.green("one")

    async def broken(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    async with line.serving_duty() as duty:
        with monkeypatch.context() as patch:
            patch.setattr(driving, "begin", broken)
            await until(lambda: duty.faults.troubles(line.clock.now()), duty)
            [request] = line.asked("staging")
            assert [one.kind for one in request.obstacles] == ["fault"]
            assert request.reason == "Headway's own error: KeyError; the server's log says more"
            [trouble] = duty.faults.troubles(line.clock.now())
            assert trouble.href == f"/services/shop/requests/{request.id}"
        # As if its rest were over.
        duty._resting.clear()
        line.database.transact(lambda tx: look_at_all_soon(tx, line.clock.now()))
        await line.settle(duty)
        assert duty.faults.troubles(line.clock.now()) == []
    assert line.serving("staging") == "one"


def on_both(line: Line) -> list[Path]:
    """Staging has both hosts; where each says what it serves."""
    line.staging_hosts, line.deploy = "group:both", '[groups]\nboth = ["stage1", "web1"]\n'
    return [host.home / line.root / "staging" for host in line.hosts]


def serving(places: list[Path]) -> list[str]:
    return [(place / "serving").read_text().strip() for place in places]


@pytest.mark.slow
async def test_a_deployment_leaves_out_whom_its_request_names_and_the_next_one_catches_up(
    quick: Line,
) -> None:
    line, places = quick, on_both(quick)
    line.green("one")
    await settled(line)
    # Held back, so that it is a person who asks.
    line.staging = 'promote = "ask"'
    two = line.green("two")
    ask = partial(
        line.requests.request_deployment, ANA, service="shop", environment="staging", release=two.id
    )
    await ask(without=("web1",))
    await settled(line)
    assert serving(places) == ["two", "one"]
    assert line.history("staging")[-1].reason.startswith("serves on 1 of 2 hosts; web1 left out")
    again = await ask(without=("web1",), key="again")
    await settled(line)
    assert (await line.requests.find(again.id)).reason.startswith("already live")
    await ask(key="all")
    await settled(line)
    assert serving(places) == ["two", "two"]


@pytest.mark.slow
@pytest.mark.parametrize("left", [False, True])
async def test_what_goes_on_is_taken_back_without_a_host_that_hangs(quick: Line, left: bool) -> None:
    """While the server drives it, and when nobody does: its server was ended."""
    line, places = quick, on_both(quick)
    line.green("one", files=SLOW)
    await settled(line)
    gate = places[1] / "shared" / "wait"
    gate.touch()
    line.green("two", files=SLOW)
    try:
        async with line.serving_duty() as duty:
            await until(lambda: serving(places) == ["two", "two"], duty)
            [going] = line.database.read(lambda tx: rows.unfinished(tx, "shop"))
            with pytest.raises(NoSuchHost, match="staging has no host web9"):
                await line.requests.request_rollback(
                    EVE, service="shop", environment="staging", without=("web9",)
                )
            if left:
                await duty.stop()
            back = await line.requests.request_rollback(
                EVE, service="shop", environment="staging", without=("web1",)
            )
            assert back.deployment is not None and back.deployment.id == going.id
            if not left:
                await line.settle(duty)
        await settled(line)
        # web1 is not waited for: it still hangs.
        assert gate.exists()
        ended = line.database.read(lambda tx: rows.get_deployment(tx, going.id))
        assert ended is not None
        assert ended.state is DeploymentState.FAILED
        assert "GOING BACK FAILED: web1: left out" in ended.reason
        assert serving(places) == ["one", "two"]
        actions = [one.action for one in line.database.read(lambda tx: entries(tx, limit=2))]
        assert sorted(actions) == ["deployment.back", "deployment.without"]
    finally:
        gate.unlink()


@pytest.mark.slow
async def test_what_was_left_on_a_host_of_another_team_by_now_goes_neither_on_nor_back(quick: Line) -> None:
    line, places = quick, on_both(quick)
    line.green("one", files=SLOW)
    await settled(line)
    gate = places[1] / "shared" / "wait"
    gate.touch()
    line.green("two", files=SLOW)
    async with line.serving_duty() as duty:
        await until(lambda: serving(places) == ["two", "two"], duty)
    [left] = line.database.read(lambda tx: rows.unfinished(tx, "shop"))
    gate.unlink()
    named = {one.spec.name: one.spec for one in from_json(left.plan).hosts}
    line.org = replace(ORG, hosts=named, host_teams={"web1": ("books",)})
    world = line.duty()._world("eve", _Carried(None))
    for back in (False, True):
        with pytest.raises(HostsOfOthers, match="web1 belongs to the team books"):
            await go_on(world, line.database, left, back=back)
    await world.connections.close()
    assert line.database.read(lambda tx: rows.unfinished(tx, "shop"))
    line.org = ORG
    await settled(line)
    assert not line.database.read(lambda tx: rows.unfinished(tx, "shop"))


@pytest.mark.slow
async def test_a_rollback_that_goes_on_leaves_out_a_host_that_it_has_not_begun(quick: Line) -> None:
    line, places = quick, on_both(quick)
    line.green("one", files=SLOW)
    await settled(line)
    line.green("two", files=SLOW)
    await settled(line)
    gate = places[0] / "shared" / "wait"
    gate.touch()
    ask = partial(line.requests.request_rollback, EVE, service="shop", environment="staging")
    async with line.serving_duty() as duty:
        await ask()
        await until(lambda: serving(places) == ["one", "two"], duty)
        [going] = line.database.read(lambda tx: rows.unfinished(tx, "shop"))
        again = await ask(without=("web1",))
        assert again.deployment is not None and again.deployment.id == going.id
        await duty.tick(line.clock.now())
        gate.unlink()
        await line.settle(duty)
    hosts = line.database.read(lambda tx: rows.hosts_of(tx, going.id))
    assert [(row.state, row.reason) for row in hosts] == [("finished", ""), ("left_out", "left out")]
    assert serving(places) == ["one", "two"]


def server(line: Line, url: str) -> "subprocess.Popen[bytes]":
    config = str(line.hosts[0].config)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.duty_process", str(line.folder), url, config]
    )


@pytest.mark.slow
async def test_a_killed_server_is_gone_on_with_and_no_step_is_repeated(line: Line, database_url: str) -> None:
    line.production = AUTOMATIC
    gate = slowly(line, "one")
    first = server(line, database_url)
    try:
        await until(lambda: activations(line) == 1)
        # A newer one waits at the gate while its server dies.
        line.green("two", files=SLOW)
        await until(lambda: line.standing("staging"))
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert states(line, "staging") == ["begun", "waiting"]
    gate.unlink()
    await settled(line)
    assert states(line, "staging") == ["done", "done"]
    assert activations(line) == 2
    assert len(line.history("staging")) == 2
    assert line.serving("staging") == line.serving("production") == "two"
    journal = (line.place("staging") / "journal").read_text().splitlines()
    assert sum('"activate"' in entry and '"begin"' in entry for entry in journal) == 2


@pytest.mark.slow
async def test_killed_anywhere_a_release_reaches_production_once(line: Line, database_url: str) -> None:
    line.production = AUTOMATIC
    line.green("one")
    for pause in (0.45, 0.6, 0.75, 0.9):
        process = server(line, database_url)
        await asyncio.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
    await settled(line)
    assert (line.serving("staging"), line.serving("production")) == ("one", "one")
    assert (len(line.history("staging")), len(line.history("production"))) == (1, 1)
    assert [(one.environment, one.state) for one in line.asked()] == [
        ("staging", S.DONE),
        ("production", S.DONE),
    ]
