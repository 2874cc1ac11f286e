"""What arrives becomes runs: each thing once, in order, with a reason for whatever does not."""

import asyncio
import json
import os
from collections.abc import Callable
from datetime import timedelta

import pytest

from headway.domain.intake import Arrival, ArrivalKind, ForgeKind, Repository
from headway.domain.people import Actor, Role
from headway.domain.run import TriggerEvent
from headway.domain.secrets import team_scope
from headway.domain.states import State
from headway.drivers.git.bare import Bare
from headway.drivers.git.process import TookTooLong
from headway.engine.audit import AuditFilter, list_entries
from headway.engine.permissions import NotAllowed
from headway.engine.repositories import commits as intake_read
from headway.engine.repositories.commits import Reader
from headway.engine.runs.control import approve_run
from headway.engine.secrets.vault import open_vault
from headway.store import repositories
from headway.store.database import Transaction
from tests.support.clocks import NOON
from tests.support.serving import ADA, HEAD, Serving, asked, contract, pushed


async def test_a_push_becomes_a_run_of_its_commit(serving: Serving) -> None:
    working = serving.working()
    sha = working.commit(contract(), "Round prices")
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))
    await serving.take_in()
    [run] = serving.runs()
    assert (run.service, run.commit, run.branch, run.state) == ("shop", sha, "main", State.QUEUED)
    assert run.trigger is not None
    assert (run.trigger.event, run.trigger.ref, run.requested_by) == (
        TriggerEvent.PUSH,
        "refs/heads/main",
        "grace",
    )
    await serving.drive()
    [run] = serving.runs()
    assert run.state is State.SUCCEEDED
    [arrival] = serving.arrivals(shop)
    assert (arrival.state, arrival.run, arrival.note) == ("done", run.id, "run 1")


@pytest.mark.parametrize("second", ["the same delivery", "another delivery of the same", "a look"])
async def test_the_same_thing_told_twice_is_one_run(serving: Serving, second: str) -> None:
    sha = serving.working().commit(contract())
    shop = await serving.add()
    assert len(await serving.tell(shop, pushed(None, sha), delivery="d1")) == 1
    await serving.take_in()
    match second:
        case "the same delivery":
            assert await serving.tell(shop, pushed(None, sha), delivery="d1") == []
        case "another delivery of the same":
            assert len(await serving.tell(shop, pushed(None, sha), delivery="d2")) == 1
        case _:
            await serving.look()
    await serving.take_in()
    assert len(serving.runs()) == 1


async def test_a_branch_that_goes_back_and_forth_runs_each_time(serving: Serving) -> None:
    working = serving.working()
    one = working.commit(contract('[jobs.test]\nrun = "true"\n[pipeline]\nsuperseded = "keep"\n'))
    shop = await serving.add()
    two = working.commit({"file": "2"})
    moves = [(None, one), (one, two), (two, one), (one, two)]
    for number, (before, after) in enumerate(moves):
        working.git("update-ref", "refs/heads/main", after)
        await serving.tell(shop, pushed(before, after), delivery=f"d{number}")
        await serving.take_in()
    assert [run.commit for run in serving.runs()] == [one, two, one, two]


async def test_pushes_that_lie_here_together_collapse_into_the_newest(serving: Serving) -> None:
    working = serving.working()
    commits = [working.commit(contract(), f"Change {number}") for number in range(4)]
    shop = await serving.add()
    for number, (before, after) in enumerate(zip([None, *commits], commits, strict=False)):
        await serving.tell(shop, pushed(before, after), delivery=f"d{number}")
    await serving.take_in()
    found = serving.runs()
    assert [run.commit for run in found] == commits
    assert [str(run.state) for run in found] == ["cancelled", "cancelled", "cancelled", "queued"]
    assert {run.trigger.superseded_by for run in found[:3] if run.trigger} == {found[3].id}
    assert all(run.finished_at for run in found[:3])


async def test_a_queued_run_is_superseded_by_a_later_push(serving: Serving) -> None:
    working = serving.working()
    shop = await serving.add()
    one = working.commit(contract())
    await serving.tell(shop, pushed(None, one))
    await serving.take_in()
    two = working.commit({"file": "2"})
    await serving.tell(shop, pushed(one, two))
    await serving.take_in()
    assert serving.states() == [(1, "cancelled"), (2, "queued")]
    assert "superseded by run 2" in serving.runs()[0].reason
    assert all(job.state is State.CANCELLED for job in serving.jobs(serving.runs()[0]))


async def test_keep_runs_every_push(serving: Serving) -> None:
    working = serving.working()
    text = '[jobs.test]\nrun = "true"\n[pipeline]\nsuperseded = "keep"\n'
    commits = [working.commit(contract(text), f"Change {number}") for number in range(3)]
    shop = await serving.add()
    for number, (before, after) in enumerate(zip([None, *commits], commits, strict=False)):
        await serving.tell(shop, pushed(before, after), delivery=f"d{number}")
    await serving.take_in()
    await serving.drive()
    assert serving.states() == [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")]


async def test_skip_ci_is_respected_and_says_so(serving: Serving) -> None:
    sha = serving.working().commit(contract(), "Fix a comma\n\n[skip ci]")
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))
    await serving.take_in()
    assert serving.runs() == []
    [arrival] = serving.arrivals(shop)
    assert (arrival.state, "[skip ci]" in arrival.note) == ("ignored", True)


async def test_a_headway_toml_with_faults_is_a_failed_run_that_shows_them(serving: Serving) -> None:
    sha = serving.working().commit(
        {"headway.toml": 'contract = 1\n[service]\nname = "shop"\n[jobs.test]\nrunn = "x"\n'}
    )
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))
    await serving.take_in()
    [run] = serving.runs()
    assert run.state is State.FAILED
    assert run.trigger is not None
    assert run.trigger.faults[0].file == "headway.toml"
    assert any(fault.line == 5 for fault in run.trigger.faults)
    assert "headway.toml:" in run.reason


async def test_a_commit_without_a_headway_toml_runs_nothing(serving: Serving) -> None:
    sha = serving.working().commit({"readme": "hello"})
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))
    await serving.take_in()
    assert serving.runs() == []
    assert "no headway.toml" in serving.arrivals(shop)[0].note


async def test_a_branch_that_was_deleted_meanwhile_runs_nothing(serving: Serving) -> None:
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    working.git("checkout", "-q", "-b", "topic")
    gone = working.commit({"file": "1"})
    working.git("checkout", "-q", "main")
    working.git("branch", "-q", "-D", "topic")
    await serving.tell(shop, pushed(None, gone, "topic"), delivery="d1")
    await serving.tell(shop, pushed(gone, None, "topic"), delivery="d2")
    await serving.take_in()
    assert serving.runs() == []
    notes = [arrival.note for arrival in serving.arrivals(shop)]
    assert "not there any more" in notes[0]
    assert "deleted" in notes[1]


async def test_a_forge_that_is_down_loses_nothing_and_keeps_the_order(serving: Serving) -> None:
    working = serving.working()
    one, two = working.commit(contract()), working.commit({"file": "2"})
    shop = await serving.add()
    away = working.folder.rename(working.folder.with_name("away"))
    await serving.tell(shop, pushed(None, one), delivery="d1")
    await serving.take_in()
    await serving.tell(shop, pushed(one, two), delivery="d2")
    await serving.take_in()
    assert serving.runs() == []
    waiting = serving.arrivals(shop)
    assert [arrival.state for arrival in waiting] == ["waiting", "waiting"]
    assert waiting[0].attempts == 1
    away.rename(working.folder)
    await serving.parts.intake.tick(serving.server.now() + timedelta(hours=1))
    await serving.parts.intake.settle()
    assert [run.commit for run in serving.runs()] == [one, two]


async def test_a_pull_request_from_a_fork_waits_for_a_person(serving: Serving) -> None:
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    working.git("checkout", "-q", "-b", "topic")
    sha = working.commit({"file": "1"})
    working.git("update-ref", "refs/pull/7/head", sha)
    working.git("checkout", "-q", "main")
    await serving.tell(shop, asked(sha, fork=True))
    await serving.take_in()
    await serving.drive()
    [run] = serving.runs()
    assert run.state is State.QUEUED
    assert run.is_held
    assert run.trigger is not None
    assert run.trigger.fork
    await approve_run(serving.server.runs_context, ADA, run, "looked at it")
    await serving.drive()
    [run] = serving.runs()
    assert run.state is State.SUCCEEDED
    assert run.trigger is not None
    assert run.trigger.approved_by == "ada"
    assert run.release is None


async def test_a_fork_that_sends_too_much_keeps_nobody_waiting(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    monkeypatch.setattr(intake_read, "MOST_OF_A_STRANGER", 100_000)
    working.git("checkout", "-q", "-b", "topic")
    large = working.commit({"large": os.urandom(300_000)})
    working.git("update-ref", "refs/pull/7/head", large)
    working.git("checkout", "-q", "main")
    working.git("branch", "-q", "-D", "topic")
    sha = working.commit({"file": "1"})
    await serving.tell(shop, asked(large, fork=True), delivery="d1")
    await serving.tell(shop, pushed(None, sha), delivery="d2")
    await serving.take_in()
    assert [run.commit for run in serving.runs()] == [sha]
    [refused, _] = serving.arrivals(shop)
    assert (refused.state, "a fork's pull request of more than" in refused.note) == ("ignored", True)


async def test_what_takes_git_too_much_is_set_aside_after_some_tries_and_the_queue_goes_on_at_once(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = serving.working()
    bad = working.commit(contract())
    shop = await serving.add()
    working.git("checkout", "-q", "-b", "topic")
    good = working.commit({"file": "1"})
    read = Reader.read

    def too_much(reader: Reader, repository: Repository, arrival: Arrival, *more: object) -> object:
        if arrival.after == bad:
            raise TookTooLong("git took longer than 120 s for shop")
        return read(reader, repository, arrival, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "read", too_much)
    await serving.tell(shop, pushed(None, bad), delivery="d1")
    await serving.tell(shop, pushed(None, good, "topic"), delivery="d2")
    for hours in range(3):
        await serving.parts.intake.tick(serving.server.now() + timedelta(hours=hours))
        await serving.parts.intake.settle()
        assert [run.commit for run in serving.runs()] == [good]
        # More of it, each time.
        await serving.tell(shop, pushed(bad, bad), delivery=f"more{hours}")
    set_aside, _, *more = serving.arrivals(shop)
    assert set_aside.note == "set aside: git took longer than 120 s for shop"
    assert [one.state for one in more] == ["waiting"] * 3


async def test_nothing_of_a_fork_is_compared_before_somebody_lets_it_in(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few kilobytes unpack into a million paths: whose they are decides whether git is asked for them."""
    working = serving.working()
    working.commit(
        contract(
            '[triggers.push]\npaths = ["src/**"]\n[jobs.test]\nrun = "true"\nwhen = "changed(\'src/**\')"\n'
        )
    )
    shop = await serving.add()
    working.git("checkout", "-q", "-b", "topic")
    sha = working.commit({"file": "1"})
    working.git("update-ref", "refs/pull/7/head", sha)
    working.git("checkout", "-q", "main")
    compared: list[str] = []
    asked_git = Bare.changed_paths

    def changed_paths(bare: Bare, base: str, commit: str) -> tuple[str, ...]:
        compared.append(commit)
        return asked_git(bare, base, commit)

    monkeypatch.setattr(Bare, "changed_paths", changed_paths)
    await serving.tell(shop, asked(sha, fork=True))
    await serving.take_in()
    [run] = serving.runs()
    assert run.is_held
    assert compared == []


async def test_an_annotated_tag_is_one_run_whoever_tells_of_it(serving: Serving) -> None:
    working = serving.working()
    sha = working.commit(contract())
    shop = await serving.add()
    await serving.look()
    assert len(serving.runs()) == 1
    working.git("tag", "-a", "v1", "-m", "one")
    of_the_tag = working.git("rev-parse", "refs/tags/v1")
    await serving.tell(shop, Arrival(ArrivalKind.TAG, "refs/tags/v1", None, of_the_tag, "grace"))
    await serving.take_in()
    await serving.look()
    found = serving.runs()
    assert [(run.branch, run.tag, run.commit) for run in found] == [("main", None, sha), (None, "v1", sha)]


async def test_a_new_repository_runs_its_default_branch_and_only_notes_the_rest(serving: Serving) -> None:
    working = serving.working()
    sha = working.commit(contract())
    for number in range(5):
        working.git("branch", f"old-{number}")
    shop = await serving.add(forge=ForgeKind.GIT)
    await serving.look()
    assert [(run.branch, run.commit) for run in serving.runs()] == [("main", sha)]
    known = serving.database.read(lambda tx: repositories.refs_of(tx, shop.id))
    assert len(known) == 6
    later = working.commit({"file": "1"})
    await serving.look()
    assert [run.commit for run in serving.runs()] == [sha, later]


@pytest.mark.slow
async def test_ten_thousand_branches_are_taken_in_within_seconds(serving: Serving) -> None:
    working = serving.working()
    sha = working.commit(contract())
    (working.folder / ".git" / "packed-refs").write_text(
        "# pack-refs with: peeled fully-peeled sorted \n"
        + "".join(sorted(f"{sha} refs/heads/branch-{number:05}\n" for number in range(10_000)))
    )
    shop = await serving.add(forge=ForgeKind.GIT)
    await serving.look()
    assert len(serving.runs()) == 1
    assert len(serving.database.read(lambda tx: repositories.refs_of(tx, shop.id))) == 10_001


async def test_a_service_belongs_to_the_repository_that_declared_it_first(serving: Serving) -> None:
    serving.working().commit(contract())
    await serving.add()
    await serving.look()
    thief = serving.working("thief")
    thief.commit(contract())
    await serving.add("thief")
    await serving.look()
    mine, theirs = serving.runs()
    assert (mine.service, mine.state) == ("shop", State.QUEUED)
    assert (theirs.service, theirs.state) == ("thief", State.FAILED)
    assert "belongs to the repository shop" in theirs.reason


async def test_who_makes_a_repository_a_team_s_stands_in_the_audit(serving: Serving) -> None:
    text = f'{HEAD.format(name="shop")}team = "storefront"\n[jobs.test]\nrun = "true"\n'
    sha = serving.working().commit({"headway.toml": text})
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))
    await serving.take_in()
    wanted = AuditFilter(action="repository.describe")
    [entry] = serving.database.read(lambda tx: list_entries(tx, wanted)).entries
    assert json.loads(entry.before) == {"service": None, "team": None}
    assert json.loads(entry.after) == {"service": "shop", "team": "storefront", "pushed_by": "grace"}


@pytest.mark.parametrize("meanwhile", ["given to another team", "removed"])
async def test_what_was_decided_while_a_commit_was_read_holds(serving: Serving, meanwhile: str) -> None:
    text = (
        f'{HEAD.format(name="shop")}team = "storefront"\n[jobs.test]\nrun = "true"\n'
        '[triggers]\ncron = [{ name = "nightly", at = "0 3 * * *", zone = "Europe/Berlin" }]\n'
    )
    sha = serving.working().commit({"headway.toml": text})
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))
    reader = serving.parts.intake._reader
    loop = asyncio.get_running_loop()

    def decided(*arguments: object) -> object:
        """In the reading thread, before anything is stored."""
        mine = serving.server.repositories
        wish = mine.remove(ADA, shop) if meanwhile == "removed" else mine.give_to(ADA, shop, "payments")
        asyncio.run_coroutine_threadsafe(wish, loop).result(10)  # type: ignore[arg-type]
        return reader.commits(*arguments)  # type: ignore[arg-type]

    serving.parts.intake._reader = _Beside(reader, decided)  # type: ignore[assignment]
    await serving.take_in()

    def work(tx: Transaction) -> tuple[str | None, int]:
        row = tx.one("SELECT team FROM repositories WHERE id = :id", id=shop.id)
        assert row is not None
        return row["team"], len(repositories.schedules_of(tx, shop.id))

    kept = (None, 0) if meanwhile == "removed" else ("payments", 1)
    assert serving.database.read(work) == kept


class _Beside:
    """A reader during whose reading something happens."""

    def __init__(self, reader: Reader, commits: Callable[..., object]) -> None:
        self._reader = reader
        self.commits = commits

    def __getattr__(self, name: str) -> object:
        return getattr(self._reader, name)


async def test_a_commit_message_of_a_megabyte_is_no_burden(serving: Serving) -> None:
    sha = serving.working().commit(contract(), "x" * 100_000 + "\n\n" + "y" * 20_000)
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))
    await serving.take_in()
    [run] = serving.runs()
    row = serving.database.read(lambda tx: tx.one("SELECT LENGTH(subject) AS size FROM commits"))
    assert run.state is State.QUEUED
    assert row["size"] <= 1000


async def test_what_arrived_before_the_clock_was_set_back_is_taken_in_all_the_same(serving: Serving) -> None:
    sha = serving.working().commit(contract())
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))
    await serving.parts.intake.tick(serving.server.now() - timedelta(days=1))
    await serving.parts.intake.settle()
    assert len(serving.runs()) == 1


@pytest.mark.slow
async def test_one_repository_with_a_thousand_waiting_keeps_no_other_from_its_turn(serving: Serving) -> None:
    flooded, quiet = serving.working("flooded"), serving.working("quiet")
    sha = flooded.commit(contract(name="flooded"))
    one = await serving.add("flooded")
    other = await serving.add("quiet")
    await serving.tell(one, *(pushed(None, sha, f"topic-{number}") for number in range(1000)), delivery="d")
    await serving.tell(other, pushed(None, quiet.commit(contract(name="quiet"))))
    await serving.parts.intake.tick(serving.server.now())
    for _ in range(1000):
        if any(run.service == "quiet" for run in serving.runs()):
            break
        await asyncio.sleep(0.01)
    waiting = [stored for stored in serving.arrivals(one) if stored.state == "waiting"]
    assert any(run.service == "quiet" for run in serving.runs())
    assert waiting
    await serving.parts.intake.stop()


_TEAM = '[people.ada]\n[teams.payments]\nmembers = { ada = "operator" }\n'


@pytest.mark.parametrize("owned", ["hosts", "members", "secrets"])
async def test_no_push_makes_itself_of_a_team_that_owns_something(serving: Serving, owned: str) -> None:
    """Not by the first word of a new repository either: else it would reach the team's hosts and secrets."""
    if owned == "secrets":
        scope, vault = team_scope("payments"), open_vault(serving.settings)
        serving.database.transact(lambda tx: vault.put(tx, scope, "A", "hunter2", ADA, NOON))
    else:
        hosts = '[hosts.till1]\nteams = ["payments"]\n' if owned == "hosts" else ""
        serving.options.org_file.write_text(_TEAM + hosts)
        serving.parts.org.reload()
    working = serving.working()
    working.commit({"headway.toml": HEAD.format(name="shop") + 'team = "payments"\n[jobs.a]\nrun = "true"\n'})
    shop = await serving.add()
    await serving.look()
    serving.server.repositories.forget(shop.id)
    found = await serving.server.repositories.by_id(shop.id)
    assert found is not None
    assert (found.service, found.team) == ("shop", None)
    given = await serving.server.repositories.give_to(ADA, shop, "payments")
    assert given.team == "payments"


@pytest.mark.parametrize("end", ["removed", "renamed"])
async def test_the_next_of_a_name_is_given_none_of_the_files_of_the_one_before(
    serving: Serving, end: str
) -> None:
    folder = serving.settings.secrets
    folder.mkdir(parents=True)
    for name in ("shop.env", "shop.production.env", "shop-two.env", "shop%2Etwo.env"):
        (folder / name).touch(0o600)
        (folder / name).write_text("A=of the first\n")
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    await serving.look()
    assert (folder / "shop.env").exists()
    if end == "removed":
        await serving.server.repositories.remove(ADA, shop)
    else:
        working.commit(contract(name="store"))
        await serving.look()
    serving.working("next").commit(contract())
    other = await serving.add("next")
    await serving.look()
    known = serving.database.read(lambda tx: repositories.repository_of_service(tx, "shop"))
    assert known is not None and known.id == other.id
    assert sorted(file.name for file in folder.glob("*.env")) == ["shop%2Etwo.env", "shop-two.env"]
    [entry] = serving.database.read(
        lambda tx: list_entries(tx, AuditFilter(action="secret.set_aside"))
    ).entries
    files = json.loads(entry.after)["files"]
    assert [name.partition(".repo-")[0] for name in files] == ["shop.env", "shop.production.env"]
    assert all((folder / name).read_text() == "A=of the first\n" for name in files)


async def test_a_service_of_no_team_stays_so_whatever_is_pushed_later(serving: Serving) -> None:
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    await serving.look()
    working.commit({"headway.toml": HEAD.format(name="shop") + 'team = "a"\n[jobs.a]\nrun = "true"\n'})
    await serving.look()
    known = serving.database.read(lambda tx: repositories.repository_by_id(tx, shop.id))
    assert known is not None
    assert (known.service, known.team) == ("shop", None)


async def test_a_push_names_the_team_once_and_an_administrator_afterwards(serving: Serving) -> None:
    """Else whoever may push would give themselves another team's secrets and operators."""

    def owned_by(team: str) -> str:
        return HEAD.format(name="shop") + f'team = "{team}"\n[jobs.test]\nrun = "true"\n'

    async def team() -> str | None:
        serving.server.repositories.forget(shop.id)
        found = await serving.server.repositories.by_id(shop.id)
        assert found is not None
        return found.team

    working = serving.working()
    working.commit({"headway.toml": owned_by("storefront")})
    shop = await serving.add()
    await serving.look()
    assert await team() == "storefront"
    working.commit({"headway.toml": owned_by("payments")})
    await serving.look()
    assert await team() == "storefront"
    await serving.server.repositories.give_to(ADA, shop, "payments")
    working.commit({"file": "1"})
    await serving.look()
    assert await team() == "payments"
    with pytest.raises(NotAllowed):
        await serving.server.repositories.give_to(Actor("eve", Role.OPERATOR), shop, "payments")
