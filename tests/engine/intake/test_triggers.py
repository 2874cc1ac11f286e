"""Runs that begin by themselves: by the clock, and after a release of another service."""

import shutil
from datetime import timedelta

import pytest

from headway.domain.intake import Repository
from headway.domain.run import TriggerEvent
from headway.domain.states import State
from headway.engine.intake import release_triggers
from headway.engine.repositories.commits import CommitFile, read_file
from headway.store import repositories, runs
from headway.store.database import Transaction
from tests.support.serving import Serving, contract

NIGHTLY = (
    '[jobs.test]\nrun = "echo $PARAMETER_LEVEL"\n[triggers]\npush = false\n'
    'cron = [{ name = "nightly", at = "0 3 * * *", zone = "Europe/Berlin", parameters = { level = "full" } }]\n'
    '[parameters.level]\ntype = "text"\ndefault = "quick"\n'
)


@pytest.mark.slow
async def test_a_cron_trigger_of_the_default_branch_runs_once_at_its_time(serving: Serving) -> None:
    serving.working().commit(contract(NIGHTLY))
    shop = await serving.add()
    await serving.look()
    assert serving.runs() == []
    [schedule] = serving.database.read(lambda tx: repositories.schedules_of(tx, shop.id))
    assert schedule.due_at is not None
    assert await serving.parts.schedules.tick(schedule.due_at - timedelta(seconds=1)) == schedule.due_at
    assert serving.runs() == []
    for _ in range(2):
        following = await serving.parts.schedules.tick(schedule.due_at)
    assert following is not None
    assert timedelta(hours=22) < following - schedule.due_at < timedelta(hours=26)
    [run] = serving.runs()
    assert run.trigger is not None
    assert (run.trigger.event, run.requested_by) == (TriggerEvent.CRON, "cron nightly")
    await serving.drive()
    assert serving.log(serving.runs()[0], "test") == b"full\n"


async def test_after_a_long_pause_only_a_recent_time_is_made_up_for(serving: Serving) -> None:
    serving.working().commit(contract(NIGHTLY))
    shop = await serving.add()
    await serving.look()
    [schedule] = serving.database.read(lambda tx: repositories.schedules_of(tx, shop.id))
    assert schedule.due_at is not None
    await serving.parts.schedules.tick(schedule.due_at + timedelta(days=3, hours=5))
    assert serving.runs() == []


async def test_a_trigger_that_is_taken_out_of_the_file_is_gone(serving: Serving) -> None:
    working = serving.working()
    working.commit(contract(NIGHTLY))
    shop = await serving.add()
    await serving.look()
    working.commit(contract('[jobs.test]\nrun = "true"\n'))
    await serving.look()
    assert serving.database.read(lambda tx: repositories.schedules_of(tx, shop.id)) == []


@pytest.mark.slow
async def test_a_green_release_of_another_service_begins_a_run_once(serving: Serving) -> None:
    library = (
        '[jobs.build]\nrun = "mkdir dist; echo lib > dist/lib.tar"\nartifacts = ["dist/lib.tar"]\n'
        '[deploy]\nkind = "script"\nrun = "true"\n'
    )
    serving.working("library").commit(contract(library, "library"))
    serving.working("shop").commit(
        contract('[jobs.test]\nrun = "true"\n[triggers]\npush = false\nreleases = ["library"]\n')
    )
    await serving.add("library")
    await serving.add("shop")
    await serving.look()
    await serving.drive()
    [made] = serving.runs("library")
    assert made.state is State.SUCCEEDED, made.reason
    assert made.release is not None
    assert await serving.parts.releases.tick(serving.server.now()) == 1
    assert await serving.parts.releases.tick(serving.server.now()) == 0
    [run] = serving.runs("shop")
    assert run.trigger is not None
    assert run.trigger.event is TriggerEvent.RELEASE
    assert run.requested_by == "release of library"


@pytest.mark.slow
async def test_a_green_release_reads_the_files_of_those_alone_that_may_wait_for_it(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = (
        '[jobs.build]\nrun = "mkdir dist; echo lib > dist/lib.tar"\nartifacts = ["dist/lib.tar"]\n'
        '[deploy]\nkind = "script"\nrun = "true"\n'
    )
    asks = '[jobs.test]\nrun = "true"\n[triggers]\npush = false\nreleases = ["library"]\n'
    library_copy = serving.working("library")
    library_copy.commit(contract(library, "library"))
    quiet = '[jobs.test]\nrun = "true"\n[triggers]\npush = false\n'
    copies = {}
    for name, text in {"asks": asks, "quiet": quiet, "other": quiet, "old": asks}.items():
        copies[name] = serving.working(name)
        copies[name].commit(contract(text, name))
        await serving.add(name)
    await serving.add("library")
    await serving.look()

    def forget(tx: Transaction) -> None:
        # As of a server whose version noted nothing.
        for one in repositories.repositories(tx):
            if one.name in ("old", "other"):
                repositories.put_follows(tx, one.id, None)

    serving.database.transact(forget)
    read: list[str] = []

    def reading(repository: Repository, *more: object, **others: object) -> CommitFile:
        read.append(repository.name)
        return read_file(repository, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(release_triggers, "read_file", reading)
    await serving.drive()
    assert await serving.parts.releases.tick(serving.server.now()) == 2
    assert read == ["asks", "old", "other"]
    # Now it is known of all of them.
    read.clear()
    library_copy.commit({"more": "1"})
    await serving.look()
    await serving.drive()
    assert await serving.parts.releases.tick(serving.server.now()) == 2
    assert read == ["asks", "old"]
    # And what a push says counts from then on.
    copies["quiet"].commit(contract(asks, "quiet"))
    copies["asks"].commit(contract(quiet, "asks"))
    library_copy.commit({"more": "2"})
    await serving.look()
    await serving.drive()
    read.clear()
    assert await serving.parts.releases.tick(serving.server.now()) == 2
    assert read == ["old", "quiet"]


@pytest.mark.slow
async def test_a_service_without_deploy_is_followed_by_its_green_runs(serving: Serving) -> None:
    serving.working("library").commit(contract('[jobs.test]\nrun = "test ! -e bad"\n', "library"))
    serving.working("shop").commit(
        contract('[jobs.test]\nrun = "true"\n[triggers]\npush = false\nreleases = ["library"]\n')
    )
    await serving.add("library")
    await serving.add("shop")
    await serving.look()
    await serving.drive()
    assert [(run.state, run.release) for run in serving.runs("library")] == [(State.SUCCEEDED, None)]
    assert await serving.parts.releases.tick(serving.server.now()) == 1
    assert await serving.parts.releases.tick(serving.server.now()) == 0
    serving.working("library").commit({"bad": ""})
    await serving.look()
    await serving.drive()
    assert await serving.parts.releases.tick(serving.server.now()) == 0
    [run] = serving.runs("shop")
    assert run.trigger is not None and run.trigger.event is TriggerEvent.RELEASE


@pytest.mark.slow
async def test_what_cron_gives_is_checked_like_what_people_give(serving: Serving) -> None:
    """The file of another branch may declare other parameters than the one that has the entry."""
    working = serving.working()
    text = NIGHTLY.replace('zone = "Europe/Berlin",', 'zone = "Europe/Berlin", branch = "old",')
    working.commit(contract(text))
    shop = await serving.add()
    await serving.look()
    working.git("switch", "--quiet", "-c", "old")
    working.commit(contract('[jobs.test]\nrun = "true"\n[triggers]\npush = false\n'))
    working.git("switch", "--quiet", "main")
    await serving.look()
    [schedule] = serving.database.read(lambda tx: repositories.schedules_of(tx, shop.id))
    assert schedule.due_at is not None
    await serving.parts.schedules.tick(schedule.due_at)
    [run] = serving.runs()
    assert (run.state, run.reason) == (
        State.FAILED,
        "parameters.level: 'level' is no parameter; this pipeline has none",
    )


@pytest.mark.slow
async def test_a_repository_that_was_emptied_holds_up_nobody_elses_triggers(serving: Serving) -> None:
    library = (
        '[jobs.build]\nrun = "mkdir dist; echo lib > dist/lib.tar"\nartifacts = ["dist/lib.tar"]\n'
        '[deploy]\nkind = "script"\nrun = "true"\n'
    )
    serving.working("library").commit(contract(library, "library"))
    kept = await serving.add("library")
    await serving.look()
    await serving.drive()
    shutil.rmtree(serving.server.repositories.folder(kept.id))
    assert await serving.parts.releases.tick(serving.server.now()) == 0
    assert serving.database.read(runs.runs_to_spread) == []


@pytest.mark.slow
async def test_a_time_that_cannot_be_told_holds_up_no_other(serving: Serving) -> None:
    """A zone that the machine has no more, for example."""
    serving.working("shop").commit(contract(NIGHTLY))
    serving.working("bank").commit(contract(NIGHTLY, "bank"))
    shop, bank = await serving.add("shop"), await serving.add("bank")
    await serving.look()
    [schedule] = serving.database.read(lambda tx: repositories.schedules_of(tx, bank.id))
    now = schedule.due_at
    assert now is not None
    serving.database.transact(
        lambda tx: tx.execute(
            "UPDATE schedules SET zone = 'Atlantis/Central', due_at = due_at - 1 WHERE repository = :id",
            id=shop.id,
        )
    )
    await serving.parts.schedules.tick(now)
    assert [run.service for run in serving.runs()] == ["bank"]
    [broken] = serving.database.read(lambda tx: repositories.schedules_of(tx, shop.id))
    assert broken.due_at == now + timedelta(hours=1)
