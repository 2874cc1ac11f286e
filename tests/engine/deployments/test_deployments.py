"""Whole deployments to three real SSH hosts."""

import asyncio
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.engine.deployments.deployments import Result, Wish
from headway.engine.deployments.direct import rollback_direct
from headway.engine.deployments.gate import GateHeld, Permission
from headway.engine.deployments.hold import EnvironmentHeld
from headway.engine.deployments.hosts import read_hosts
from headway.engine.deployments.rollback import CannotPass, NothingBefore, rollback
from headway.engine.hosts.link import HostRefused
from headway.engine.hosts.lock import HostsHeld
from headway.engine.releases.releases import ReleaseGone
from headway.store import deployments as rows
from headway.store.database import Database, open_database
from headway.store.releases import mark_removed
from headway.wire.contract import read_contract
from tests.support.deploying import NOW, Shop
from tests.support.powers import may_mount, mounted
from tests.support.servers import serving
from tests.support.sshd import Sshd, needs_sshd

pytestmark = needs_sshd
BAD_ON_WEB2 = {"bin/health": '[ "$HEADWAY_HOST" != web2 ]'}


async def deploy(shop: Shop, release: object, **changes: object) -> Result:
    wish = Wish("production", release, **changes)  # type: ignore[arg-type]
    async with shop.deployments() as deployments:
        return await deployments.deploy(wish)


def state(result: Result) -> DeploymentState:
    assert result.deployment is not None
    return result.deployment.state


@pytest.mark.slow
async def test_rolling_reaches_every_host_and_the_next_one_knows_what_was_before(
    shop: Shop, servers: list[Sshd], database: Database
) -> None:
    shop.database = database
    first, second = shop.release("one"), shop.release("two")
    result = await deploy(shop, first)
    assert state(result) is DeploymentState.SUCCEEDED
    assert shop.serving() == ["one"] * 3
    result = await deploy(shop, second)
    assert result.deployment is not None
    assert result.deployment.previous_release == first.id
    assert shop.serving() == ["two"] * 3
    assert shop.current() == [second.id] * 3
    assert shop.is_free()
    deployed = json.loads((shop.place("web3") / "deployed.json").read_text())
    assert (deployed["release"], deployed["previous"]["release"], deployed["token"]) == (
        second.id,
        first.id,
        2,
    )
    settings = shop.place("web1") / "settings" / f"{result.deployment.id}.env"
    assert settings.stat().st_mode & 0o777 == 0o600
    assert "GREETING='hello world'" in settings.read_text()
    assert (shop.place("web1") / "greeting").read_text() == "hello world\n"
    # `shared` outlives releases and began with what the first release brought.
    assert (shop.place("web1") / "current" / "uploads" / "first.txt").read_text() == "seed\n"
    assert (shop.place("web1") / "releases" / second.id / "uploads").is_symlink()
    steps = database.read(lambda tx: rows.steps_of(tx, result.deployment.id))  # type: ignore[union-attr]
    assert [s.step for s in steps if s.host == "web1"] == [
        "unpack",
        "prepare",
        "drain",
        "switch",
        "activate",
        "health",
        "undrain",
        "finish",
    ]
    assert {str(s.state) for s in steps} == {"succeeded"}
    assert [row.state for row in database.read(lambda tx: rows.hosts_of(tx, result.deployment.id))] == [
        "finished"
    ] * 3  # type: ignore[union-attr]


@pytest.mark.slow
async def test_bad_second_host_takes_all_back(shop: Shop) -> None:
    await deploy(shop, shop.release("one"))
    shop.within = "200ms"
    bad = shop.release("bad", BAD_ON_WEB2)
    result = await deploy(shop, bad)
    assert result.deployment is not None
    assert state(result) is DeploymentState.ROLLED_BACK
    assert result.deployment.rolled_back_automatically
    assert "web2: health (command): exit 1" in result.deployment.reason
    assert [row.state for row in result.hosts] == ["reverted", "reverted", "prepared"]
    assert shop.serving() == ["one"] * 3
    assert shop.is_free()
    # web3 never met it, and nobody is left drained.
    assert not any(line["step"] == "switch" and line["release"] == bad.id for line in shop.journal("web3"))
    assert not any((shop.place(name) / "draining").exists() for name in shop.names)


LOGS = 'logs = "cat ../../log; echo lines of $HEADWAY_RELEASE"'


@pytest.mark.slow
@pytest.mark.parametrize("failing", ["activate", "health"])
async def test_what_fails_shows_the_releases_own_log_masked(shop: Shop, failing: str) -> None:
    shop.extra_deploy, shop.within = LOGS, "200ms"
    shop.extra_environment = 'secrets = ["TOKEN"]'
    shop.settings.environment["TOKEN"] = "s3cret-value"
    await deploy(shop, shop.release("one"))
    says = 'i=0; while [ $i -lt 40 ]; do echo "line $i"; i=$((i + 1)); done > "$HEADWAY_ROOT/log"; '
    says += 'echo "no database with $TOKEN" >> "$HEADWAY_ROOT/log"; '
    works = 'cp VERSION "$HEADWAY_ROOT/serving"'
    files = {"bin/activate": says + ("exit 3" if failing == "activate" else works)}
    if failing == "health":
        files["bin/health"] = '[ "$HEADWAY_HOST" != web1 ]'
    bad = shop.release("bad", files)
    result = await deploy(shop, bad)
    assert result.deployment is not None
    assert state(result) is DeploymentState.ROLLED_BACK
    steps = shop.database.read(lambda tx: rows.steps_of(tx, result.deployment.id))  # type: ignore[union-attr]
    told = {step.step: step for step in steps if step.host == "web1"}
    lines = told["logs"].output.splitlines()
    assert lines[-2:] == ["no database with [secret]", f"lines of {bad.id}"]
    assert (lines[0], len(lines)) == ("line 12", 30)
    assert told[failing].state == "failed"
    assert told["back-health"].state == "succeeded"
    # What went well shows none.
    assert "back-logs" not in told
    assert not [step for step in steps if step.step == "logs" and step.host != "web1"]


@pytest.mark.slow
async def test_the_log_of_what_is_gone_back_to_is_read_with_its_own_settings(shop: Shop) -> None:
    shop.extra_deploy, shop.within = 'logs = "echo $GREETING from $HEADWAY_RELEASE"', "200ms"
    one = shop.release("one", {"bin/health": '[ ! -e "$HEADWAY_ROOT/ill" ]'})
    await deploy(shop, one)
    bad = shop.release("bad", {"bin/activate": 'touch "$HEADWAY_ROOT/ill"; exit 3'})
    text = shop.text().replace("hello world", "good bye")
    async with shop.deployments() as deployments:
        deployments.project = replace(deployments.project, contract=read_contract(text, "headway.toml"))
        result = await deployments.deploy(Wish("production", bad))
    assert result.deployment is not None
    assert state(result) is DeploymentState.FAILED
    steps = shop.database.read(lambda tx: rows.steps_of(tx, result.deployment.id))  # type: ignore[union-attr]
    told = {step.step: step.output for step in steps if step.host == "web1"}
    assert told["logs"] == f"good bye from {bad.id}"
    assert told["back-logs"] == f"hello world from {one.id}"


@pytest.mark.slow
async def test_the_process_before_cannot_answer_for_the_new_release(shop: Shop) -> None:
    """An activate that restarts nothing: the port still answers, and says of which release it is."""
    first, second = shop.release("one"), shop.release("two")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nX-Release: {first.id}\r\n\r\n".encode())
        writer.close()

    async with serving(serve) as port:
        shop.health = (
            f'{{ http = "http://127.0.0.1:{port}/", from = "here", within = "200ms", interval = "50ms", '
            'expect = { header = { X-Release = "{release}" } } }'
        )
        assert state(await deploy(shop, first)) is DeploymentState.SUCCEEDED
        result = await deploy(shop, second)
    assert result.deployment is not None
    assert state(result) is DeploymentState.ROLLED_BACK
    assert (
        f"health (http): HTTP 200, but its header X-Release is '{first.id}'; '{second.id}' is expected"
        in (result.deployment.reason)
    )


async def test_first_deployment_goes_back_to_nothing(shop: Shop) -> None:
    shop.within = "200ms"
    result = await deploy(shop, shop.release("bad", BAD_ON_WEB2))
    assert state(result) is DeploymentState.ROLLED_BACK
    assert shop.current() == [None] * 3
    assert shop.serving() == [None] * 3


@pytest.mark.slow
async def test_canary_is_watched_and_taken_back(shop: Shop) -> None:
    shop.strategy = '{ kind = "canary", first = 1, then = "50%", watch = "700ms" }'
    await deploy(shop, shop.release("one"))
    # Well when it begins, unwell a moment later.
    bad = shop.release("bad", {"bin/health": 'echo x >> asked; [ "$(wc -l < asked)" -lt 4 ]'})
    result = await deploy(shop, bad)
    assert result.deployment is not None
    assert state(result) is DeploymentState.ROLLED_BACK
    assert "while it was watched" in result.deployment.reason
    assert [row.state for row in result.hosts] == ["reverted", "prepared", "prepared"]
    good = await deploy(shop, shop.release("two"))
    assert state(good) is DeploymentState.SUCCEEDED
    assert [row.batch for row in good.hosts] == [0, 1, 1]


async def test_failing_prepare_switches_nothing(shop: Shop) -> None:
    first = shop.release("one")
    await deploy(shop, first)
    result = await deploy(shop, shop.release("bad", {"bin/prepare": "echo no network; exit 7"}))
    assert result.deployment is not None
    assert state(result) is DeploymentState.FAILED
    assert "exit 7 in prepare: no network" in result.deployment.reason
    assert "no host was switched" in result.deployment.reason
    assert shop.current() == [first.id] * 3
    assert result.deployment.first_switched_at is None


@pytest.mark.slow
async def test_half_done_prepare_is_not_built_upon(shop: Shop) -> None:
    release = shop.release(
        "one", {"bin/prepare": 'echo run >> prepare.log; [ -e "$HEADWAY_ROOT/shared/allowed" ]'}
    )
    assert state(await deploy(shop, release)) is DeploymentState.FAILED
    for name in shop.names:
        (shop.place(name) / "shared" / "allowed").touch()
    assert state(await deploy(shop, release)) is DeploymentState.SUCCEEDED
    assert (shop.place("web1") / "current" / "prepare.log").read_text() == "run\n"


@pytest.mark.slow
async def test_failed_rollback_is_shouted(shop: Shop) -> None:
    first = shop.release(
        "one", {"bin/activate": 'cp VERSION "$HEADWAY_ROOT/serving"; [ ! -e "$HEADWAY_ROOT/stuck" ]'}
    )
    await deploy(shop, first)
    (shop.place("web1") / "stuck").touch()
    shop.within = "200ms"
    result = await deploy(shop, shop.release("bad", BAD_ON_WEB2))
    assert result.deployment is not None
    assert state(result) is DeploymentState.FAILED
    assert "GOING BACK FAILED: web1: exit 1 in back-activate" in result.deployment.reason
    assert [row.state for row in result.hosts] == ["stuck", "reverted", "prepared"]
    assert "half-way" in result.deployment.reason


@pytest.mark.slow
async def test_incompatible_once_cannot_be_passed(shop: Shop) -> None:
    await deploy(shop, shop.release("one"))
    shop.extra_deploy = (
        'once = { run = "echo {host} >> \\"$HEADWAY_ROOT/migrated\\"", rollback = "incompatible" }'
    )
    shop.within = "200ms"
    bad = await deploy(shop, shop.release("bad", BAD_ON_WEB2))
    assert bad.deployment is not None
    assert state(bad) is DeploymentState.FAILED
    assert "cannot go back" in bad.deployment.reason
    assert "headway deploy production" in bad.deployment.reason
    assert [(shop.place(name) / "migrated").exists() for name in shop.names] == [True, False, False]
    good = shop.release("two")
    assert state(await deploy(shop, good)) is DeploymentState.SUCCEEDED
    async with shop.deployments() as deployments:
        with pytest.raises(CannotPass):
            await rollback(deployments, "production", to=None)
        result = await rollback(deployments, "production", to=None, force=True)
    assert state(result) is DeploymentState.SUCCEEDED
    assert shop.serving() == ["one"] * 3


@pytest.mark.slow
async def test_same_release_is_live_already_until_a_setting_changes(shop: Shop) -> None:
    release = shop.release("one")
    await deploy(shop, release)
    again = await deploy(shop, release)
    assert again.deployment is None
    assert again.already_live is not None
    shop.extra_environment = 'secrets = ["TOKEN"]'
    shop.settings = replace(shop.settings, environment={**shop.settings.environment, "TOKEN": "s3cret-value"})
    changed = await deploy(shop, release)
    assert changed.deployment is not None
    assert changed.deployment.kind is DeploymentKind.REDEPLOY
    assert changed.differences == ("+ TOKEN: new",)
    assert state(changed) is DeploymentState.SUCCEEDED
    assert "s3cret-value" not in changed.deployment.plan
    shop.settings.environment["TOKEN"] = "another-value"
    assert (await deploy(shop, release)).differences == ("~ TOKEN: changed",)
    forced = await deploy(shop, release, force=True)
    assert state(forced) is DeploymentState.SUCCEEDED


async def test_secrets_are_masked_and_in_no_argument_list(shop: Shop) -> None:
    shop.extra_environment = 'secrets = ["TOKEN"]'
    shop.settings.environment["TOKEN"] = "s3cret-value"
    release = shop.release(
        "one",
        {
            "bin/activate": 'cp VERSION "$HEADWAY_ROOT/serving"; echo "token is $TOKEN"; cat /proc/$PPID/cmdline'
        },
    )
    result = await deploy(shop, release)
    assert result.deployment is not None
    steps = shop.database.read(lambda tx: rows.steps_of(tx, result.deployment.id))  # type: ignore[union-attr]
    output = next(step.output for step in steps if step.step == "activate")
    assert "token is [secret]" in output
    assert "s3cret-value" not in output
    for place in (shop.place("web1") / "epochs").rglob("*"):
        if place.is_file() and place.name != "log":
            assert b"s3cret-value" not in place.read_bytes(), place


async def test_a_secret_in_the_answer_of_a_health_check_is_masked(shop: Shop) -> None:
    shop.extra_environment = 'secrets = ["TOKEN"]'
    shop.settings.environment["TOKEN"] = "s3cret-value"
    shop.within = "100ms"
    result = await deploy(shop, shop.release("one", {"bin/health": 'echo "not with $TOKEN"; exit 1'}))
    assert result.deployment is not None
    assert "not with [secret]" in result.deployment.reason
    assert not any("s3cret-value" in row.reason for row in result.hosts)


@pytest.mark.slow
async def test_rollback_twice_goes_two_releases_back(shop: Shop) -> None:
    for version in ("one", "two", "three"):
        await deploy(shop, shop.release(version))
    async with shop.deployments() as deployments:
        result = await rollback(deployments, "production", to=None)
        assert result.deployment is not None
        assert result.deployment.kind is DeploymentKind.ROLLBACK
        assert shop.serving() == ["two"] * 3
        await rollback(deployments, "production", to=None)
        assert shop.serving() == ["one"] * 3
        with pytest.raises(NothingBefore):
            await rollback(deployments, "production", to=None)
    # Not unpacked again, not prepared again.
    assert (shop.place("web1") / "current" / "prepare.log").read_text() == "prepared\n"


@pytest.mark.slow
async def test_a_rollback_to_a_release_that_does_not_come_up_leaves_a_host_serving(shop: Shop) -> None:
    first = shop.release("one", {"bin/health": '[ ! -e "$HEADWAY_ROOT/shared/key-expired" ]'})
    second = shop.release("two")
    await deploy(shop, first)
    await deploy(shop, second)
    for name in shop.names:
        (shop.place(name) / "shared" / "key-expired").touch()
    shop.within = "200ms"
    async with shop.deployments() as deployments:
        result = await rollback(deployments, "production", to=None)
    assert result.deployment is not None
    assert state(result) is DeploymentState.FAILED
    assert [row.state for row in result.hosts] == ["broken", "broken", "prepared"]
    # The third one was not even drained.
    assert shop.serving() == ["one", "one", "two"]
    assert not (shop.place("web3") / "draining").exists()
    assert f"{first.id} does not come up, and web3 serves on" in result.deployment.reason
    assert f"{second.id} on web3" in result.deployment.reason
    assert f"headway deploy production --release {second.id}" in result.deployment.reason
    # And that command does it; it does not take the ill release for the one to go back to.
    assert state(await deploy(shop, second)) is DeploymentState.SUCCEEDED
    assert shop.serving() == ["two"] * 3


@pytest.mark.slow
async def test_readme_goes_back_by_hand_and_the_next_deployment_knows(shop: Shop) -> None:
    first = shop.release("one")
    await deploy(shop, first)
    await deploy(shop, shop.release("two"))
    for name in shop.names:
        readme = (shop.place(name) / "README.txt").read_text()
        commands = [line.strip() for line in readme.splitlines() if line.startswith(("  cd ", "  export "))]
        assert len(commands) == 2
        for command in commands:
            subprocess.run(["sh", "-c", command], check=True, cwd="/")
    assert shop.serving() == ["one"] * 3
    assert shop.current() == [first.id] * 3
    shop.within = "200ms"
    result = await deploy(shop, shop.release("bad", BAD_ON_WEB2))
    assert state(result) is DeploymentState.ROLLED_BACK
    assert shop.serving() == ["one"] * 3


@pytest.mark.slow
async def test_direct_rollback_needs_no_database_and_is_taken_over_by_it(shop: Shop) -> None:
    first = shop.release("one")
    await deploy(shop, first)
    await deploy(shop, shop.release("two"))
    shop.settings = replace(shop.settings, database_url="sqlite:////nowhere/at/all")
    async with shop.world() as world:
        result = await rollback_direct(world, shop.project(), "production", to=first.id[:9])
    assert state(result) is DeploymentState.SUCCEEDED
    assert shop.serving() == ["one"] * 3
    assert shop.is_free()
    with pytest.raises(NothingBefore):
        async with shop.world() as world:
            await rollback_direct(world, shop.project(), "production", to=None)
    assert shop.is_free()
    async with shop.deployments() as deployments:
        with pytest.raises(NothingBefore):
            await rollback(deployments, "production", to=None)
    live = shop.database.read(lambda tx: rows.last_succeeded(tx, "shop", "production"))
    assert live is not None
    assert (live.release, live.kind) == (first.id, DeploymentKind.ROLLBACK)
    assert (await deploy(shop, first)).deployment is not None  # with which settings it stands is not known


@pytest.mark.slow
async def test_a_rollback_looks_at_its_target_on_every_host_before_it_switches_the_first(shop: Shop) -> None:
    first, second = shop.release("one"), shop.release("two")
    await deploy(shop, first)
    await deploy(shop, second)
    damaged = shop.place("web3") / "releases" / first.id / "VERSION"
    damaged.write_text("half\n")
    async with shop.world() as world:
        result = await rollback_direct(world, shop.project(), "production", to=None)
    assert result.deployment is not None
    assert state(result) is DeploymentState.FAILED
    assert f"web3: exit 1 in verify: {first.id} on this host is not as it was unpacked: VERSION" in (
        result.deployment.reason
    )
    assert shop.current() == [second.id] * 3
    # Half of a folder, without the marker that is written last: nothing is even begun.
    (shop.place("web2") / "unpacked" / first.id).unlink()
    async with shop.world() as world:
        with pytest.raises(
            ReleaseGone, match="is not on web2, or not whole there; no host was switched"
        ) as gone:
            await rollback_direct(world, shop.project(), "production", to=None)
    assert gone.value.hint is not None
    assert f"on all hosts stand: {second.id} (--to names one); --without web2 leaves" in gone.value.hint
    assert shop.current() == [second.id] * 3
    assert shop.is_free()
    # With the database there is something to bring: what is not whole is unpacked anew.
    async with shop.deployments() as deployments:
        result = await rollback(deployments, "production", to=None)
    assert state(result) is DeploymentState.SUCCEEDED
    assert shop.serving() == ["one"] * 3
    assert damaged.read_text() == "one\n"


@pytest.mark.slow
async def test_a_release_that_its_disk_could_not_hold_is_never_taken_for_whole(shop: Shop) -> None:
    """ROOT/releases of one host is a disk of 64 KiB; the archive lies on another one, where there is room."""
    if not may_mount():
        pytest.skip("only root may mount a small file system")
    releases = shop.place("web2") / "releases"
    releases.mkdir(parents=True)
    with mounted(releases, "size=64k"):
        first = shop.release("one")
        assert state(await deploy(shop, first)) is DeploymentState.SUCCEEDED
        big = shop.release("two", {"noise": "x" * 200_000})
        for _ in range(2):
            result = await deploy(shop, big)
            assert result.deployment is not None
            assert state(result) is DeploymentState.FAILED
            assert f"on the disk {releases} (none): unpacked it needs" in result.deployment.reason
            assert shop.serving() == ["one"] * 3
            assert [path.name for path in releases.iterdir()] == [first.id]
            assert not list((shop.place("web2") / "uploads").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("direct", [False, True], ids=["deploy", "direct"])
async def test_a_current_made_by_hand_is_refused_before_anything_is_drained(shop: Shop, direct: bool) -> None:
    for version in ("one", "two"):
        await deploy(shop, shop.release(version))
    before = {name: len(shop.journal(name)) for name in shop.names}
    current = shop.place("web3") / "current"
    current.unlink()
    current.mkdir()
    (current / "mine").write_text("by hand")
    async with shop.world() as world:
        asked = (
            rollback_direct(world, shop.project(), "production", to=None)
            if direct
            else deploy(shop, shop.release("three"))
        )
        with pytest.raises(HostRefused, match=r"web3: .*/current is not a link"):
            await asked
    async with shop.world() as world:
        told, _ = await read_hosts(world, shop.project())
    assert [len(one.in_the_way) for one in told] == [0, 0, 1]
    assert "/current is not a link" in told[2].in_the_way[0]
    assert (current / "mine").read_text() == "by hand"
    assert {name: len(shop.journal(name)) for name in shop.names} == before, "a step was begun"
    assert shop.is_free()


@pytest.mark.slow
async def test_two_at_once_exclude_each_other(shop: Shop) -> None:
    slow = shop.release("slow", {"bin/activate": 'sleep 1; cp VERSION "$HEADWAY_ROOT/serving"'})
    other = shop.release("other")
    async with shop.deployments() as first, shop.deployments() as second:
        going = asyncio.create_task(first.deploy(Wish("production", slow)))
        while not shop.serving()[0]:
            await asyncio.sleep(0.05)
        with pytest.raises(EnvironmentHeld, match="deploys rel-"):
            await second.deploy(Wish("production", other))
        # Another laptop shares no database, but the hosts.
        with pytest.raises(HostsHeld, match="ana@laptop"):
            await rollback_direct(second.world, shop.project(), "production", to=None)
        second.world.wait = True
        assert state(await second.deploy(Wish("production", slow))) is DeploymentState.SUCCEEDED
        result = await going
    assert state(result) is DeploymentState.SUCCEEDED
    assert shop.is_free()
    assert len(shop.database.read(lambda tx: rows.history(tx, "shop", "production"))) == 1


@pytest.mark.slow
async def test_two_laptops_that_meet_go_one_after_the_other(
    shop: Shop, servers: list[Sshd], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with open_database(f"sqlite:///{tmp_path}/other.db") as database:
        other = Shop(tmp_path / "other", servers, database, shop.root)
        shop.strategy = other.strategy = '{ kind = "rolling", batch = "100%" }'
        mine, theirs = shop.release("mine"), other.release("theirs")
        async with shop.deployments(wait=True) as first, other.deployments(wait=True) as second:
            results = await asyncio.gather(
                first.deploy(Wish("production", mine)), second.deploy(Wish("production", theirs))
            )
    assert [state(result) for result in results] == [DeploymentState.SUCCEEDED] * 2
    assert len(set(shop.serving())) == 1
    assert shop.is_free()
    for name in shop.names:
        # Whoever came second began nothing before the first one had ended.
        epochs = [line["epoch"] for line in shop.journal(name)]
        assert epochs == sorted(epochs)  # type: ignore[type-var]
        assert len(set(epochs)) == 2


async def test_approval_is_asked_for(shop: Shop) -> None:
    shop.extra_environment = 'approval = { from = "team:storefront" }'
    release = shop.release("one")
    with pytest.raises(GateHeld, match="team:storefront"):
        await deploy(shop, release)
    async with shop.deployments() as deployments:
        deployments.approve = lambda _: Permission("eve", verified=False)
        result = await deployments.deploy(Wish("production", release))
    assert result.deployment is not None
    assert (result.deployment.approved_by, result.deployment.approval_verified) == ("eve", False)
    # What is live already needs no approval: nothing is done.
    again = await deploy(shop, release)
    assert again.deployment is None
    assert again.already_live is not None
    with pytest.raises(GateHeld, match="team:storefront"):
        await deploy(shop, release, force=True)


@pytest.mark.slow
async def test_release_that_is_gone_here_is_told_before_anything(shop: Shop) -> None:
    await deploy(shop, shop.release("one"))
    release = shop.release("two")
    for file in shop.settings.artifacts.rglob("*"):
        if file.is_file() and file.name.endswith(release.artifacts[0].sha256[2:]):
            file.unlink()
    result = await deploy(shop, release)
    assert result.deployment is not None
    assert state(result) is DeploymentState.FAILED
    assert "is gone from this machine's store" in result.deployment.reason
    assert shop.serving() == ["one"] * 3


@pytest.mark.slow
async def test_host_that_is_down_before_leaves_everything_as_it_was(shop: Shop, servers: list[Sshd]) -> None:
    await deploy(shop, shop.release("one"))
    contract = shop.text().replace(f"port = {servers[2].port}", "port = 1")
    async with shop.deployments() as deployments:
        deployments.project = replace(deployments.project, contract=read_contract(contract, "headway.toml"))
        with pytest.raises(Exception, match=r"web3.*cannot be reached"):
            await deployments.deploy(Wish("production", shop.release("two")))
        assert shop.serving() == ["one"] * 3
        assert shop.is_free()
        # Going back needs more than half of them, and tells who was left out.
        shop_two = shop.release("two")
    await deploy(shop, shop_two)
    async with shop.deployments() as deployments:
        deployments.project = replace(deployments.project, contract=read_contract(contract, "headway.toml"))
        result = await rollback(deployments, "production", to=None)
    assert result.deployment is not None
    assert state(result) is DeploymentState.FAILED
    assert "127.0.0.1:1) cannot be reached" in result.deployment.reason
    assert shop.serving() == ["one", "one", "two"]


async def test_unpublished_words_are_refused(shop: Shop) -> None:
    with pytest.raises(WrongUse, match="no environment 'prodution'"):
        async with shop.deployments() as deployments:
            await deployments.deploy(Wish("prodution", shop.release("one")))


async def test_release_that_went_meanwhile_leaves_nothing_begun(shop: Shop) -> None:
    release = shop.release("one")
    shop.database.transact(lambda tx: mark_removed(tx, release.id, renewed_at=NOW, now=NOW))
    with pytest.raises(ReleaseGone, match="is gone"):
        await deploy(shop, release)
    assert not shop.database.read(lambda tx: rows.unfinished(tx, "shop", "production"))
    assert shop.current() == [None] * 3
    assert shop.is_free()
