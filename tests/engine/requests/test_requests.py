"""What people and programs may ask a server for, and what stands at the gate then. No host is needed."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headway.deploy.plan import HostPlan, to_json
from headway.deploy.rollout import Asked
from headway.domain.contract import HostSpec
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.domain.intake import Arrival, ArrivalKind
from headway.domain.org import ApprovalFloor, Floor, Freeze, OrgPerson
from headway.domain.people import Actor
from headway.domain.release import Release
from headway.domain.request import Request, RequestOrigin, RequestState
from headway.domain.run import TriggerEvent
from headway.domain.standing import Standing as HostStanding
from headway.engine.audit import list_entries
from headway.engine.deployments.gate import GateRefused
from headway.engine.deployments.plan import NoSuchHost, UnknownEnvironment
from headway.engine.deployments.rollback import NothingBefore
from headway.engine.permissions import NotAllowed
from headway.engine.releases.releases import NoReleaseYet
from headway.engine.requests import deployments_duty, promotion
from headway.engine.requests.preview import what_it_would_do
from headway.engine.requests.promotion import follow_all
from headway.engine.requests.records import record_release
from headway.engine.requests.releases import UnknownService
from headway.engine.requests.requests import CommentMissing, NotCounted, RequestIsOver
from headway.engine.requests.tools import RequestTools
from headway.engine.work_faults import WorkFaults
from headway.store import deployments, repositories, requests
from headway.store.arrivals import add_arrival
from headway.store.database import Database, Transaction
from headway.store.events import events_after
from headway.store.follow_ups import runs_that_made, unfollowed_runs
from headway.store.standings import put_standing
from tests.deploy.examples import deployment, plan
from tests.support.delivery_line import ANA, BO, EVE, LOU, ORG, Line

S = RequestState


async def followed(tools: RequestTools, now: datetime) -> list[Request]:
    return await follow_all(tools, now, WorkFaults("what follows cannot be asked for"))


START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Standing:
    """A clock that stands until it is moved."""

    at: datetime = START

    def now(self) -> datetime:
        # Two calls in a row are told apart, as they are by a real clock.
        self.at += timedelta(milliseconds=1)
        return self.at

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Line:
    return Line(tmp_path, database, clock=Standing())


def kinds(request: object) -> list[str]:
    return [one.kind for one in request.obstacles]  # type: ignore[attr-defined]


async def test_a_wish_stands_at_the_gate_and_says_what_it_waits_for(line: Line) -> None:
    line.production = 'approval = { from = "team:storefront", count = 2 }'
    release = line.green("one")
    made = await line.requests.request_deployment(
        ANA, service="shop", environment="production", release="HEAD"
    )
    assert (made.state, made.release, made.requested_by) == (S.WAITING, release.id, "ana")
    assert (made.origin, made.kind) == (RequestOrigin.PERSON, DeploymentKind.PLANNED)
    assert kinds(made) == ["after", "approval"]
    assert made.reason == f"{release.id} has not succeeded in staging, which comes before production"
    assert line.standing("production") == made
    [entry] = line.database.read(list_entries).entries
    assert (entry.actor, entry.action) == ("ana", "deployment.request")
    assert entry.subject == f"shop/production {release.id}"
    [event] = line.database.read(lambda tx: events_after(tx, 0))
    assert (event.kind, event.subject, event.data["state"]) == ("request.changed", made.id, "waiting")


async def test_hosts_are_left_out_by_name_and_that_is_written_down(line: Line) -> None:
    line.deploy = '\n[processes.worker]\nhosts = "web1"\nactivate = "true"'
    release = line.green("one")
    ask = partial(
        line.requests.request_deployment, ANA, service="shop", environment="staging", release=release.id
    )
    with pytest.raises(NoSuchHost, match="staging has no host web9"):
        await ask(without=("web9",))
    made = await ask(without=("web1",))
    assert made.without == ("web1",)
    assert line.standing("staging") == made
    [entry] = line.database.read(list_entries).entries
    assert '"without": ["web1"]' in (entry.after or "") or '"without":["web1"]' in (entry.after or "")
    assert (await ask(without=("web1",))).id == made.id
    # With all hosts it is another wish, and takes its place.
    assert (await ask()).without == ()
    assert [str(one.state) for one in line.asked()] == ["superseded", "waiting"]


async def test_who_may_not_and_what_is_not_there_is_refused_before_anything_is_stored(line: Line) -> None:
    line.green("one")
    ask = line.requests.request_deployment
    with pytest.raises(NotAllowed, match="lou is a viewer"):
        await ask(LOU, service="shop", environment="staging", release="HEAD")
    narrow = replace(ANA, scopes=frozenset(), by="token ci")
    with pytest.raises(NotAllowed, match="scope 'deploy'"):
        await ask(narrow, service="shop", environment="staging", release="HEAD")
    with pytest.raises(UnknownEnvironment, match="stagin"):
        await ask(ANA, service="shop", environment="stagin", release="HEAD")
    with pytest.raises(UnknownService, match="no service cart"):
        await ask(EVE, service="cart", environment="staging", release="HEAD")
    bare = line.commit("two")
    with pytest.raises(NoReleaseYet):
        await ask(ANA, service="shop", environment="staging", release=bare)
    with pytest.raises(NothingBefore):
        await line.requests.request_rollback(EVE, service="shop", environment="staging")
    with pytest.raises(NotAllowed, match="needs a developer"):
        await line.requests.request_rollback(LOU, service="shop", environment="staging")
    line.org = replace(ORG, floors=(Floor("careful", rollback=("role:operator",)),))
    with pytest.raises(NotAllowed, match="the floor careful"):
        await line.requests.request_rollback(ANA, service="shop", environment="staging")
    assert line.asked() == []


async def test_what_waiting_does_not_help_is_told_at_once_and_in_full(line: Line) -> None:
    feature = line.green("one", branch="feature")
    line.org = replace(ORG, floors=(Floor("main", branches=("main",), deployers=("role:operator",)),))
    with pytest.raises(GateRefused) as caught:
        await line.requests.request_deployment(ANA, service="shop", environment="staging", release=feature.id)
    assert (
        "takes only releases where branch == 'main'; branch is 'feature', not 'main'" in caught.value.message
    )
    assert "org.toml lets only commits of main go to staging" in caught.value.message
    assert "org.toml lets only role:operator deploy to staging; ana asked" in caught.value.message


@pytest.mark.parametrize("by", ["default branch", "record"])
async def test_a_branch_reaches_no_root_under_another_name(line: Line, by: str) -> None:
    """Else floors on production would hold for its name alone."""
    line.org = replace(ORG, floors=(Floor("main", environments=("production",), branches=("main",)),))
    if by == "default branch":
        line.green("one")
    else:
        web = HostPlan(HostSpec("web1", "127.0.0.1", 22, "nobody"), 0, ("main",), "apps/line/production")
        live = replace(deployment(), service="shop", environment="production", plan=to_json(plan(web)))

        def stands(tx: Transaction) -> None:
            deployments.insert_deployment(tx, live, [], 1)
            put_standing(tx, HostStanding("shop", "production", "web1", deployment=live.id))

        line.database.transact(stands)
    line.production = '[environments.prod2]\nhosts = "web1"\nroot = "apps/line/./production"'
    side = line.green("two", branch="side")
    with pytest.raises(GateRefused, match=r"production on web1 is the root of production, not of prod2"):
        await line.requests.request_deployment(ANA, service="shop", environment="prod2", release=side.id)
    assert line.asked("prod2") == []


async def test_one_commit_on_two_branches_is_good_for_both(line: Line) -> None:
    feature = line.green("one", branch="feature")
    again = line.green("one", event=TriggerEvent.RERUN, commit=feature.commit)
    assert again.id == feature.id
    made = await line.requests.request_deployment(
        ANA, service="shop", environment="staging", release=feature.id
    )
    assert made.obstacles == ()


async def test_a_release_of_a_pull_request_goes_nowhere(line: Line) -> None:
    stranger = line.green("one", event=TriggerEvent.PULL_REQUEST, pull_request=7, fork=True)
    with pytest.raises(GateRefused, match="made for pull request 7"):
        await line.requests.request_deployment(
            ANA, service="shop", environment="staging", release=stranger.id
        )


async def test_another_repository_that_calls_itself_so_deploys_nothing(line: Line) -> None:
    release = line.green("one")
    owner = line.database.read(lambda tx: repositories.repository_by_name(tx, "shop"))
    assert owner is not None

    def give_away(tx: Transaction) -> None:
        repositories.remove_repository(tx, owner.id, START)
        repositories.add_repository(tx, replace(owner, id="repo-2", name="the shop"))

    line.database.transact(give_away)
    line.tree.git("clone", "--quiet", "--bare", ".", str(line.bare.with_name("repo-2.git")))
    with pytest.raises(GateRefused, match="shop belongs to the repository the shop"):
        await line.requests.request_deployment(EVE, service="shop", environment="staging", release=release.id)
    assert await followed(line.tools, line.clock.now()) == []


async def test_hosts_of_org_toml_are_there(line: Line) -> None:
    line.staging_hosts = "group:web"
    line.org = replace(ORG, hosts={"web9": HostSpec("web9", "10.0.0.9")}, groups={"web": ("web9",)})
    release = line.green("one")
    preview = await what_it_would_do(
        line.tools, ANA, service="shop", environment="staging", release=release.id
    )
    assert preview.batches == (("web9",),)


async def test_the_same_key_is_the_same_request_and_the_same_wish_the_one_that_waits(line: Line) -> None:
    release = line.green("one")

    async def ask(by: Actor = ANA, key: str | None = None, **changes: object) -> str:
        made = await line.requests.request_deployment(
            by,
            service="shop",
            environment="production",
            release=release.id,
            key=key,
            **changes,  # type: ignore[arg-type]
        )
        return made.id

    first = await ask(key="build 7")
    assert await ask(key="build 7") == first
    assert await ask(BO) == first
    hotfix = await ask(BO, kind=DeploymentKind.HOTFIX)
    assert hotfix != first
    # Asked once more with the key of the first, it is still that one, superseded as it is.
    assert await ask(key="build 7") == first
    assert [one.state for one in line.asked()] == [S.SUPERSEDED, S.WAITING]


async def test_a_newer_release_takes_the_place_of_the_one_that_waits(line: Line) -> None:
    old, new = line.green("one"), line.green("two")
    ask = line.requests.request_deployment
    first = await ask(ANA, service="shop", environment="production", release=old.id)
    second = await ask(BO, service="shop", environment="production", release=new.id)
    assert line.standing("production") == second
    [before, _] = line.asked("production")
    assert (before.id, before.state) == (first.id, S.SUPERSEDED)
    assert before.reason == f"superseded by a request for {new.id} by bo"


async def test_approvals_open_the_gate_and_one_no_closes_it(line: Line) -> None:
    line.production = 'approval = { from = "team:storefront", count = 2, not_own = true, comment = true }'
    release = line.green("one")
    desk = line.requests
    made = await desk.request_deployment(BO, service="shop", environment="production", release=release.id)
    with pytest.raises(CommentMissing):
        await desk.approve(BO, made.id, yes=True)
    with pytest.raises(NotAllowed):
        await desk.approve(LOU, made.id, yes=True, comment="fine")
    for own in (ANA, BO):
        with pytest.raises(NotCounted, match="asked for it, pushed or wrote it") as refusal:
            await desk.approve(own, made.id, yes=True, comment="mine")
        assert refusal.value.hint == "ask team:storefront"
    with pytest.raises(NotCounted) as refusal:
        await desk.approve(replace(EVE, name="root", by="socket"), made.id, yes=True, comment="mine")
    assert "root is none of team:storefront" in refusal.value.message
    assert "HEADWAY_TOKEN" in (refusal.value.hint or "")
    await line.duty(most=0).tick(line.clock.now())
    waiting = line.standing("production")
    assert waiting is not None
    [approval] = [one for one in waiting.obstacles if one.kind == "approval"]
    assert approval.reason == "production needs 2 approvals from team:storefront with a comment"
    refused = await desk.approve(EVE, made.id, yes=False, comment="the index is missing")
    assert (refused.state, refused.reason) == (S.REFUSED, "eve said no: the index is missing")
    with pytest.raises(RequestIsOver, match="the request is refused: eve said no"):
        await desk.approve(BO, made.id, yes=True, comment="but")
    entries = line.database.read(list_entries).entries
    actions = [entry.action for entry in entries if entry.actor != "headway"]
    assert actions == ["deployment.approve", "deployment.request"]


async def test_a_floor_rests_on_who_pushed_and_not_on_who_is_said_to_have_written_it(line: Line) -> None:
    """The author of a commit is what its maker wrote there."""
    line.database.transact(lambda tx: tx.execute("UPDATE repositories SET forge = 'github'"))
    line.org = replace(ORG, floors=(Floor("four eyes", approvals=ApprovalFloor(1, not_own=True)),))
    first, second = line.green("one"), line.green("two", pushed_by="mallory")
    third = line.green("three", pushed_by="bo-b")
    # What follows from them by itself is asked for before.
    await line.duty(most=0).tick(line.clock.now())

    async def stands(release: Release) -> Request:
        made = await line.requests.request_deployment(
            EVE, service="shop", environment="staging", release=release.id
        )
        await line.requests.approve(BO, made.id, yes=True)
        await line.duty(most=0).tick(line.clock.now())
        [found] = [one for one in line.asked() if one.id == made.id]
        return found

    unknown = await stands(first)
    assert (unknown.state, kinds(unknown)) == (S.WAITING, ["pusher"])
    assert f"nobody who can prove it has told who pushed {first.commit[:12]}" in unknown.reason
    strange = await stands(second)
    assert (
        f"mallory pushed {second.commit[:12]}, and no `aliases` in org.toml have that name" in strange.reason
    )
    known = {"bo": OrgPerson("bo", aliases=("bo-b",)), "ana": OrgPerson("ana", aliases=("ana",))}
    line.org = replace(line.org, people=known)
    with pytest.raises(NotCounted, match="bo asked for it, pushed or wrote it"):
        await stands(third)
    # A look was first, and the webhook told of the same push afterwards.
    late = Arrival(ArrivalKind.PUSH, "refs/heads/main", None, first.commit, "ana")
    line.database.transact(lambda tx: add_arrival(tx, "repo-1", "k", late, delivery="", now=START))
    # It waits for a place, as this duty has none.
    assert kinds(await stands(first)) == ["lock"]


async def test_a_login_of_a_forge_is_nobodys_handle_here_however_it_is_spelled(line: Line) -> None:
    """Whoever renames their account there could push as anybody, and approve it as themselves."""
    line.database.transact(lambda tx: tx.execute("UPDATE repositories SET forge = 'github'"))
    floors = (Floor("four eyes", approvals=ApprovalFloor(1, not_own=True)),)
    line.org = replace(ORG, floors=floors, people={"ana": OrgPerson("ana", email="ana@example.org")})
    await line.duty(most=0).tick(line.clock.now())
    for number, login in enumerate(("ana", "Ana", "eve", "ana@example.org")):
        release = line.green(f"v{number}", pushed_by=login)
        made = await line.requests.request_deployment(
            EVE, service="shop", environment="staging", release=release.id
        )
        approved = await line.requests.approve(BO, made.id, yes=True)
        assert kinds(approved) == ["pusher"], login
        assert f"{login} pushed" in approved.reason


async def test_who_began_a_run_by_hand_with_parameters_has_made_it_as_its_author_did(line: Line) -> None:
    line.org = replace(ORG, floors=(Floor("four eyes", approvals=ApprovalFloor(1, not_own=True)),))
    given = line.green("one", event=TriggerEvent.MANUAL, pushed_by="ana")
    started = "UPDATE runs SET requested_by = 'bo', parameters = :given WHERE release_id = :id"
    line.database.transact(lambda tx: tx.execute(started, given='{"FLAGS": "-O0"}', id=given.id))
    made = await line.requests.request_deployment(
        EVE, service="shop", environment="staging", release=given.id
    )
    with pytest.raises(NotCounted, match="bo asked for it, pushed or wrote it"):
        await line.requests.approve(BO, made.id, yes=True)
    # Who runs it again takes over what was given.
    before = line.database.read(lambda tx: runs_that_made(tx, given.id))[0].run
    again = line.green("two", event=TriggerEvent.RERUN, pushed_by="ana", rerun_of=before)
    line.database.transact(
        lambda tx: tx.execute(started.replace("'bo'", "'lou'"), given='{"FLAGS": "-O0"}', id=again.id)
    )
    line.database.transact(
        lambda tx: tx.execute("UPDATE runs SET release_id = NULL, state = 'failed' WHERE id = :id", id=before)
    )
    made = await line.requests.request_deployment(
        EVE, service="shop", environment="staging", release=again.id
    )
    with pytest.raises(NotCounted, match="bo asked for it, pushed or wrote it"):
        await line.requests.approve(BO, made.id, yes=True)
    # Without any, the commit alone decides.
    plain = line.green("three", event=TriggerEvent.MANUAL, pushed_by="ana")
    line.database.transact(lambda tx: tx.execute(started, given="{}", id=plain.id))
    made = await line.requests.request_deployment(
        EVE, service="shop", environment="staging", release=plain.id
    )
    assert "approval" not in kinds(await line.requests.approve(BO, made.id, yes=True))


async def test_what_goes_on_is_steered_by_whom_the_floors_let_begin_it_and_take_it_back(line: Line) -> None:
    """Else who may not go back would let another's deployment turn back, and who may not deploy would hold it up."""
    line.org = replace(
        ORG, floors=(Floor("few", deployers=("eve",), rollback=("bo",), environments=("production",)),)
    )
    release, desk = line.green("one"), line.requests
    going = deployment(environment="production")
    line.database.transact(lambda tx: deployments.insert_deployment(tx, going, [], token=1))

    def refused() -> Any:
        return pytest.raises(NotAllowed, match="the floor few")

    for ask in (desk.pause, desk.go_on, desk.stop):
        for actor in (ANA, BO):
            with refused():
                await ask(actor, going.id)
        assert (await ask(EVE, going.id)).id == going.id
    for actor in (ANA, EVE):
        with refused():
            await desk.go_back(actor, going.id)
    assert (await desk.go_back(BO, going.id)).id == going.id
    line.database.transact(lambda tx: tx.execute("UPDATE deployments SET kind = 'rollback'"))
    for ask in (desk.pause, desk.go_on, desk.stop):
        with refused():
            await ask(EVE, going.id)
        assert (await ask(BO, going.id)).id == going.id
    asked = await desk.request_deployment(EVE, service="shop", environment="production", release=release.id)
    with refused():
        await desk.withdraw(ANA, asked.id)
    assert (await desk.withdraw(EVE, asked.id)).state is S.WITHDRAWN


async def test_a_floor_may_let_only_what_this_server_built_pass(line: Line) -> None:
    line.org = replace(ORG, floors=(Floor("ours", built_here=True),))
    release = line.green("one")
    ask = line.requests.request_deployment
    assert (await ask(EVE, service="shop", environment="staging", release=release.id)).obstacles == ()
    by_command = line.green("two")
    line.database.transact(
        lambda tx: tx.execute("UPDATE runs SET event = '' WHERE release_id = :id", id=by_command.id)
    )
    with pytest.raises(
        GateRefused, match="only what this server built go to staging; a command on a machine"
    ):
        await ask(EVE, service="shop", environment="staging", release=by_command.id)
    uploaded = await record_release(line.tools, EVE, service="shop", commit=line.commit("three"), files={})
    with pytest.raises(GateRefused, match="another system built it"):
        await ask(EVE, service="shop", environment="staging", release=uploaded.id)


async def test_a_run_has_built_a_release_only_if_it_made_each_of_its_bytes(line: Line) -> None:
    """An id is a short name: where two contents share one, the run's is not the one that was uploaded."""
    line.org = replace(ORG, floors=(Floor("ours", built_here=True),))
    ask = line.requests.request_deployment
    for version, column, value in (
        ("one", "sha256", "f" * 64),
        ("two", "path", "b.tar.gz"),
        ("three", "executable", 1),
    ):
        release = line.green(version)
        assert (await ask(EVE, service="shop", environment="staging", release=release.id)).obstacles == ()
        change = f"UPDATE release_artifacts SET {column} = :value WHERE release_id = :id"
        line.database.transact(partial(Transaction.execute, sql=change, value=value, id=release.id))
        with pytest.raises(GateRefused, match="another system built it"):
            await ask(EVE, service="shop", environment="staging", release=release.id)


async def test_withdrawn(line: Line) -> None:
    release = line.green("one")
    made = await line.requests.request_deployment(
        ANA, service="shop", environment="production", release=release.id
    )
    gone = await line.requests.withdraw(BO, made.id, "wrong day")
    assert (gone.state, gone.reason) == (S.WITHDRAWN, "withdrawn by bo: wrong day")
    assert line.standing("production") is None


async def test_a_freeze_and_a_floor_hold_until_they_do_not(line: Line) -> None:
    clock = line.clock
    assert isinstance(clock, Standing)
    end = START + timedelta(hours=2)
    feast = Freeze("feast", "nobody is here", environments=("staging",), start=START, end=end, hotfix=False)
    line.org = replace(
        ORG, freezes=(feast,), floors=(Floor("two", approvals=ApprovalFloor(1, ("role:operator",))),)
    )
    release = line.green("one")
    made = await line.requests.request_deployment(
        ANA, service="shop", environment="staging", release=release.id
    )
    assert kinds(made) == ["approval", "freeze"]
    await line.requests.approve(EVE, made.id, yes=True)
    duty = line.duty(most=0)
    await duty.tick(clock.now())
    held = line.standing("staging")
    assert held is not None and kinds(held) == ["freeze"]
    assert held.reason == "staging is frozen until 2026-03-02 11:00 UTC: nobody is here"
    clock.at = end - timedelta(seconds=10)
    await duty.tick(clock.now())
    near = line.standing("staging")
    # Looked at again when it ends, not a minute later.
    assert near is not None and near.due_at == end
    clock.at = START + timedelta(days=15)
    await duty.tick(clock.now())
    [expired] = line.asked("staging")
    assert (expired.state, expired.reason) == (S.EXPIRED, "nobody let it pass within 14 days")


async def test_a_green_release_is_asked_for_by_itself_once(line: Line) -> None:
    release = line.green("one")
    line.green("try", event=TriggerEvent.TRY)
    line.green("hand", event=TriggerEvent.MANUAL)
    line.green("feature", branch="feature")
    tools = line.tools
    [made] = await followed(tools, line.clock.now())
    assert (made.environment, made.release, made.requested_by) == ("staging", release.id, "headway")
    assert (made.origin, made.cause) == (RequestOrigin.AUTOMATIC, "green")
    assert await followed(tools, line.clock.now()) == []
    # Withdrawn, and its run green once more: a person took it back, so it stays back.
    await line.requests.withdraw(ANA, made.id)
    line.green("one", event=TriggerEvent.RERUN, commit=release.commit)
    [same] = await followed(tools, line.clock.now())
    assert (same.id, same.state) == (made.id, S.WITHDRAWN)
    assert len(line.asked()) == 1


async def test_an_older_commit_never_takes_the_place_of_a_newer_one_by_itself(line: Line) -> None:
    older = line.commit("one")
    newer = line.green("two")
    [made] = await followed(line.tools, line.clock.now())
    line.green("one", commit=older)
    assert await followed(line.tools, line.clock.now()) == []
    assert line.standing("staging") == made
    assert made.release == newer.id


async def test_what_headway_asks_for_never_takes_the_place_of_a_hotfix(line: Line) -> None:
    line.org = replace(ORG, floors=(Floor("two", approvals=ApprovalFloor(2)),))
    fix = line.green("fix")
    await followed(line.tools, line.clock.now())
    hotfix = await line.requests.request_deployment(
        ANA, service="shop", environment="staging", release=fix.id, kind=DeploymentKind.HOTFIX
    )
    line.green("next")
    [late] = await followed(line.tools, line.clock.now())
    assert (late.state, late.reason) == (
        S.SUPERSEDED,
        f"a hotfix to {fix.id} waits there, which goes first",
    )
    assert line.standing("staging") == hotfix


async def test_a_floor_that_wants_a_person_leaves_it_to_one(line: Line) -> None:
    line.org = replace(ORG, floors=(Floor("ask", environments=("staging",), ask=True),))
    line.green("one")
    assert await followed(line.tools, line.clock.now()) == []


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ends whoever follows at the n-th statement that it writes."""
    from headway.store.database import Transaction

    left: list[int] = []
    plain = Transaction.execute

    def execute(self: Transaction, sql: str, **parameters: object) -> int:
        if left:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
        return plain(self, sql, **parameters)

    monkeypatch.setattr(Transaction, "execute", execute)
    return left


async def test_killed_at_any_line_it_is_asked_for_exactly_once(line: Line, killed_after: list[int]) -> None:
    release = line.green("one")
    kills = 0
    for lines in range(30):
        killed_after[:] = [lines]
        try:
            await followed(line.tools, line.clock.now())
        except Killed:
            kills += 1
        else:
            break
        finally:
            killed_after.clear()
        assert line.asked() == [], "nothing is half done"
    assert kills >= 3
    await followed(line.tools, line.clock.now())
    [made] = line.asked()
    assert (made.release, made.state) == (release.id, S.WAITING)
    entries = line.database.read(list_entries).entries
    assert [entry.actor for entry in entries] == ["headway"]


async def test_there_is_nothing_to_stop_where_nothing_goes_on(line: Line) -> None:
    from headway.engine.deployments.steer import DeploymentIsOver
    from headway.engine.requests.requests import UnknownRequest

    with pytest.raises(UnknownRequest):
        await line.requests.pause(EVE, "dep-9")
    going = deployment(environment="staging")
    line.database.transact(lambda tx: deployments.insert_deployment(tx, going, [], token=1))
    asked = await line.requests.pause(ANA, "dep-2")
    assert (asked.asked, asked.asked_by) == (Asked.PAUSE, "ana")
    back = await line.requests.request_rollback(EVE, service="shop", environment="staging")
    assert back.deployment is not None and back.deployment.asked == Asked.BACK
    ended = replace(going, state=DeploymentState.CANCELLED)
    line.database.transact(lambda tx: deployments.save_deployment(tx, ended, 1))
    with pytest.raises(DeploymentIsOver):
        await line.requests.stop(EVE, "dep-2")


async def test_a_way_back_that_is_asked_for_twice_goes_one_release_back(line: Line) -> None:
    releases = [line.green(version) for version in ("one", "two", "three")]
    ended = [
        deployment(
            id=f"dep-{number}",
            number=number,
            environment="staging",
            release=release.id,
            repository=release.repository,
            commit=release.commit,
            state=DeploymentState.SUCCEEDED,
            requested_at=START + timedelta(minutes=number),
            finished_at=START + timedelta(minutes=number),
        )
        for number, release in enumerate(releases, start=1)
    ]

    def succeed(*made: Deployment) -> None:
        for one in made:
            line.database.transact(lambda tx, one=one: deployments.insert_deployment(tx, one, [], token=1))  # type: ignore[misc]

    succeed(*ended)
    ask = partial(line.requests.request_rollback, EVE, service="shop", environment="staging", key="k")
    first = (await ask()).request
    assert first is not None and first.release == releases[1].id
    # It went, and the answer was lost with the server: by now the same words mean the release before that one.
    line.database.transact(
        lambda tx: requests.end_waiting(tx, first.id, S.WITHDRAWN, "gone", line.clock.now())
    )
    succeed(replace(ended[1], id="dep-9", number=9, requested_at=START + timedelta(hours=1)))
    again = (await ask()).request
    assert again is not None and again.id == first.id
    assert len(line.asked()) == 1
    other = (await line.requests.request_rollback(EVE, service="shop", environment="staging")).request
    assert other is not None and other.release != first.release


async def test_a_deployment_that_is_taken_back_twice_is_taken_back_once(line: Line) -> None:
    going = deployment(environment="staging")
    line.database.transact(lambda tx: deployments.insert_deployment(tx, going, [], token=1))
    ask = partial(line.requests.request_rollback, EVE, service="shop", environment="staging", key="k")
    first = (await ask()).deployment
    back = replace(going, state=DeploymentState.ROLLED_BACK, finished_at=START, asked=Asked.BACK)
    line.database.transact(lambda tx: deployments.save_deployment(tx, back, 1))
    again = (await ask()).deployment
    assert first is not None and again is not None and again.id == first.id
    assert line.asked() == []


async def test_what_cannot_be_followed_is_tried_for_an_hour_and_leaves_room_for_others(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.green("one")
    [run] = line.database.read(unfollowed_runs)

    async def fail(*_: object) -> None:
        raise OSError("the repository's disk is gone")

    monkeypatch.setattr(promotion, "_contract", fail)
    assert run.finished_at is not None
    for after, left in ((timedelta(minutes=59), 1), (timedelta(hours=1), 0)):
        assert await followed(line.tools, run.finished_at + after) == []
        assert len(line.database.read(unfollowed_runs)) == left


async def test_a_gate_that_fails_by_a_fault_of_ours_holds_up_no_other(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.green("one")
    duty = line.duty()
    asked: list[str] = []

    async def fail(_: object, request: Request, __: datetime) -> None:
        asked.append(request.environment)
        raise KeyError("surprise")

    monkeypatch.setattr(deployments_duty, "ask_gate", fail)
    for environment in ("staging", "production"):
        await line.requests.request_deployment(ANA, service="shop", environment=environment, release="HEAD")
    await duty.tick(line.clock.now())
    assert sorted(asked) == ["production", "staging"]
    for request in line.asked():
        assert (request.state, kinds(request)) == (S.WAITING, ["fault"])
        assert "KeyError" in request.reason


async def test_nothing_begins_once_the_server_stops(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.green("one")
    duty = line.duty()
    ask = deployments_duty.ask_gate

    async def stopped_meanwhile(*values: Any) -> Any:
        found = await ask(*values)
        await duty.stop()
        return found

    monkeypatch.setattr(deployments_duty, "ask_gate", stopped_meanwhile)
    await line.requests.request_deployment(ANA, service="shop", environment="staging", release="HEAD")
    await duty.tick(line.clock.now())
    assert duty.active == 0
    assert [one.state for one in line.asked()] == [S.WAITING]
    assert line.database.read(deployments.unfinished_anywhere) == []
