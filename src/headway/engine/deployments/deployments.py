"""Deployments: begun, gone on with, superseded, taken back. The rules stand in `deploy`; here they meet rows and hosts."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headway.base.errors import WrongUse
from headway.base.ids import new_id
from headway.deploy.own_files import Found, with_own_files
from headway.deploy.plan import Plan, Predecessor, differences, fingerprint, from_json
from headway.deploy.rollout import Asked
from headway.deploy.roots import why_moved
from headway.domain.contract import Contract
from headway.domain.deployment import Deployment, DeploymentKind, HostRow, Wishes
from headway.domain.people import Actor, Role
from headway.domain.release import Release
from headway.engine.deployments.begin import begin, is_live, resume
from headway.engine.deployments.drive import Drive
from headway.engine.deployments.files import at_hand, contract_for, own_file_of, plan_of
from headway.engine.deployments.gate import Approve, Permission, pass_gate
from headway.engine.deployments.hold import Begun, EnvironmentHeld, Hold, World
from headway.engine.deployments.left import ActedSince
from headway.engine.deployments.plan import compose, environment_of
from headway.engine.deployments.steer import leave_hosts
from headway.engine.deployments.work import make_drive, secrets_of
from headway.engine.standing.what_runs import live_deployment
from headway.store import deployments as rows
from headway.store.database import Database, Transaction
from headway.store.standings import get_standing

if TYPE_CHECKING:
    from headway.drivers.git import Git
    from headway.engine.projects import Project


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    environment: str
    release: Release
    kind: DeploymentKind = DeploymentKind.PLANNED
    #: Also when it is live already with the same settings.
    force: bool = False
    #: rollback: the deployment whose settings are taken over.
    settings_of: str | None = None
    #: Hosts that are left out: they are away, and the next deployment brings them to what the others have.
    without: tuple[str, ...] = ()
    #: A server's request that this fulfils: it begins with the deployment, or the deployment does not begin.
    request: str | None = None
    #: The gate has been asked already, and this is who approved.
    permission: Permission | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it. `deployment` is None when nothing had to be done."""

    deployment: Deployment | None
    hosts: tuple[HostRow, ...] = ()
    #: It had been begun before, and was gone on with or waited for.
    resumed: bool = False
    already_live: Deployment | None = None
    #: What differs from the deployment that is live, when the release is the same.
    differences: tuple[str, ...] = ()


class RootMoved(WrongUse):
    """What is gone back to stood in another root: the new one would be left current, and the old one not be known."""


@dataclass
class Deployments:
    """The deployments of one service in one database."""

    world: World
    database: Database
    git: "Git"
    project: "Project"
    #: Asks a person for an approval; None: nobody can be asked.
    approve: Approve | None = None

    @property
    def service(self) -> str:
        return self.project.contract.service.name

    async def deploy(self, wish: Wish) -> Result:
        """To its end. Raises Held (gate, lock), the errors of configuration, hosts and releases, and TakenOver.

        An unfinished deployment of the same release is gone on with; one of another release is superseded.
        """
        environment = environment_of(self.project.contract, wish.environment)
        going_back = wish.kind is DeploymentKind.ROLLBACK
        unfinished = await self._unfinished(wish.environment)
        plan, settings, said = await self._planned(wish)
        if unfinished is None and (standing := await self._already_live(wish, plan, settings)):
            # No gate for what changes nothing.
            return standing
        if said:
            self.world.watcher.note(said)
        permission = wish.permission
        if permission is None and not _same(unfinished, wish):
            permission = await pass_gate(
                self.database,
                self.git,
                environment,
                wish.release,
                approve=self.approve,
                going_back=going_back,
            )
        hold = Hold(self.world, self.service, wish.environment, f"deploys {wish.release.id}", self.database)
        if (followed := await self._claim(hold, wish, unfinished)) is not None:
            return followed
        unfinished = await self._unfinished(wish.environment)
        if unfinished is not None and _same(unfinished, wish):
            try:
                return await _drive(hold, _or_let_go(hold, resume(hold, unfinished)))
            except ActedSince:
                # It is over, and what others put there is known: what is asked for begins anew, by its gate.
                return await self.deploy(wish)
        changes: tuple[str, ...] = ()
        kind = wish.kind
        if unfinished is None and (live := await self._live_release(wish)) is not None:
            # Asked again: who had the environment may have brought it meanwhile.
            if standing := await _or_let_go(hold, self._already_live(wish, plan, settings)):
                await hold.let_go()
                return standing  # type: ignore[no-any-return]
            changes = _differences(live, plan, settings)
            kind = DeploymentKind.REDEPLOY if kind is DeploymentKind.PLANNED else kind
        begun = begin(
            hold,
            self.git,
            plan,
            kind,
            unfinished,
            repository=str(self.project.root),
            permission=permission,
            brought=None if going_back else wish.release,
            here=at_hand(self.project.contract, environment),
            request=wish.request,
        )
        result = await _drive(hold, _or_let_go(hold, begun))
        return replace(result, differences=changes)

    async def already_live(self, wish: Wish) -> Result | None:
        """What `deploy` answers when nothing has to be done, whatever its gate says; None when something has."""
        if await self._unfinished(wish.environment) is not None or await self._live_release(wish) is None:
            return None
        plan, settings, _ = await self._planned(wish)
        return await self._already_live(wish, plan, settings)

    async def _planned(self, wish: Wish) -> tuple[Plan, dict[str, str], str]:
        """The plan, the settings as they are today, and what is to be said of the file."""
        deployment = new_id("dep", self.world.clock.now())
        own = await self.database.fetch(lambda tx: _own(tx, self.service, wish))
        contract, said = self.project.contract, ""
        if own is None:
            contract, said = await asyncio.to_thread(
                contract_for, self.project, self.git, wish.release, wish.environment
            )
        plan = _compose(contract, wish, deployment, self.world.settings.user, own)
        if own is not None and (moved := why_moved(own.hosts, plan.hosts)):
            raise RootMoved(
                f"{wish.release.id} stood in {moved}: it is not gone back to across a root that moved",
                hint="go back with `root` in headway.toml as it was then; or bring it to the root of now as a new "
                f"deployment: headway deploy {wish.environment} --release {wish.release.id}",
            )
        settings = await asyncio.to_thread(self._settings, plan)
        return await asyncio.to_thread(fingerprint, plan, settings), settings, said

    async def _live_release(self, wish: Wish) -> Deployment | None:
        """The live deployment, if it brought the very release that is wished for going forward."""
        if wish.kind is DeploymentKind.ROLLBACK:
            return None
        live = await self.database.fetch(lambda tx: live_deployment(tx, self.service, wish.environment))
        return live if live is not None and live.release == wish.release.id else None

    async def _already_live(self, wish: Wish, plan: Plan, settings: dict[str, str]) -> Result | None:
        live = await self._live_release(wish)
        if wish.force or live is None or _differences(live, plan, settings):
            return None
        return Result(None, already_live=live) if await is_live(self.world, plan, live) else None

    async def go_on(self, unfinished: Deployment, *, back: bool, without: Sequence[str] = ()) -> Result:
        """As the function of that name."""
        return await go_on(self.world, self.database, unfinished, back=back, without=without)

    async def _claim(self, hold: Hold, wish: Wish, unfinished: Deployment | None) -> Result | None:
        """A result when somebody else did meanwhile what was asked for, and we waited for it."""
        try:
            await hold.claim(wait=False)
        except EnvironmentHeld as held:
            if not self.world.wait:
                raise
            self.world.watcher.note(f"waiting: {held.message}")
            await hold.claim(wait=True)
        if unfinished is None or not _same(unfinished, wish):
            return None

        ended, hosts = await self.database.fetch(
            lambda tx: (rows.get_deployment(tx, unfinished.id), rows.hosts_of(tx, unfinished.id))
        )
        if ended is None or not ended.state.is_final:
            return None
        await hold.let_go()
        return Result(ended, tuple(hosts), resumed=True)

    def _settings(self, plan: Plan) -> dict[str, str]:
        """Environment and secrets by name; a secret that is missing is an error before anything is done."""
        values = dict(plan.environment.env)
        if plan.settings_of is None:
            found = secrets_of(self.world.settings, plan, str(self.project.root))
            values |= {secret.name: secret.reveal() for secret in found}
        return values

    async def _unfinished(self, environment: str) -> Deployment | None:
        found = await self.database.fetch(lambda tx: rows.unfinished(tx, self.service, environment))
        return found[0] if found else None


async def go_on(
    world: World,
    database: Database,
    unfinished: Deployment,
    *,
    back: bool = False,
    without: Sequence[str] = (),
) -> Result:
    """Takes over an unfinished deployment by what its row says; with `back` it goes back to what was before it.

    `without` are hosts that are not even tried. Raises NoSuchHost, ActedSince and what the hosts raise.
    """
    does = "takes back" if back else "goes on with"
    hold = Hold(world, unfinished.service, unfinished.environment, f"{does} {unfinished.release}", database)
    by = world.settings.user

    def ask(tx: Transaction) -> Wishes:
        """In the row: what was asked before, such as a pause, is over, also for whoever comes after a kill."""
        if without:
            actor = Actor(by, Role.ADMINISTRATOR, by="command")
            leave_hosts(tx, actor, unfinished, without, world.clock.now())
        if back:
            rows.ask(tx, unfinished.id, Asked.BACK, by)
        return rows.wishes_of(tx, unfinished.id)

    async def beginning() -> Begun:
        world.interruption.heed(await database.perform(ask))
        return await resume(hold, unfinished)

    await hold.claim()
    return await _drive(hold, _or_let_go(hold, beginning()))


async def _drive(hold: Hold, beginning: Coroutine[Any, Any, Begun]) -> Result:
    begun = await beginning
    if begun.resumed and hold.database is not None:
        # Fresh from the row, before the first step: a pause outlives whoever drove.
        id = begun.deployment.id
        hold.world.interruption.heed(await hold.database.fetch(lambda tx: rows.wishes_of(tx, id)))
    try:
        final, hosts = await drive_to_end(hold, begun)
    except BaseException:
        # Not let go: whoever comes next finds a dead owner, and goes on.
        await hold.leave()
        raise
    await hold.let_go()
    return Result(final, hosts, resumed=begun.resumed)


async def _or_let_go(hold: Hold, beginning: Coroutine[Any, Any, Any]) -> Any:
    """Until a deployment has begun, whatever goes wrong leaves nothing locked."""
    try:
        return await beginning
    except BaseException:
        await hold.let_go()
        raise


def dry_run(
    database: Database,
    git: "Git",
    project: "Project",
    wish: Wish,
    user: str,
    *,
    note: Callable[[str], None] = lambda _: None,
) -> Plan:
    """What would be done, as far as the database knows what the hosts have. Touches nothing, asks nobody."""
    contract, said = contract_for(project, git, wish.release, wish.environment)
    if said:
        note(said)
    plan = _compose(contract, wish, "dep-new", user, None)
    names = [host.spec.name for host in plan.hosts]
    found = database.read(lambda tx: {name: _found(tx, plan, name) for name in names})
    return with_own_files(plan, found, at_hand(project.contract, plan.environment))


def _found(tx: Transaction, plan: Plan, host: str) -> Found:
    """What stands on a host, and how it was put there, as far as the database knows."""
    known = get_standing(tx, plan.service, plan.environment.name, host)
    if known is None or known.release is None or known.deployment is None:
        return Found(None, None)
    ran = plan_of(rows.get_deployment(tx, known.deployment), plan.service, plan.environment.name)
    return Found(Predecessor(known.release, known.commit, known.deployment), None, own_file_of(ran, host))


def _own(tx: Transaction, service: str, wish: Wish) -> Plan | None:
    """How the release ran that is gone back to."""
    if wish.settings_of is None:
        return None
    return plan_of(rows.get_deployment(tx, wish.settings_of), service, wish.environment)


def _compose(contract: Contract, wish: Wish, deployment: str, user: str, own: Plan | None) -> Plan:
    return compose(
        contract,
        environment_of(contract, wish.environment),
        wish.release,
        deployment=deployment,
        requested_by=user,
        rollback=wish.kind is DeploymentKind.ROLLBACK,
        settings_of=wish.settings_of,
        own=own,
        without=wish.without,
    )


def _differences(live: Deployment, plan: Plan, settings: dict[str, str]) -> tuple[str, ...]:
    if not live.has_plan:
        by = f"by {live.origin}" if live.origin else "without this database"
        return (f"put there {by}: with which settings is not known here",)
    return differences(from_json(live.plan), plan, settings)


def _same(unfinished: Deployment | None, wish: Wish) -> bool:
    """Whether asking for this goes on with that one."""
    return (
        unfinished is not None
        and unfinished.release == wish.release.id
        and (unfinished.kind is DeploymentKind.ROLLBACK) == (wish.kind is DeploymentKind.ROLLBACK)
        and (not unfinished.has_plan or set(from_json(unfinished.plan).without) == set(wish.without))
    )


async def drive_to_end(hold: Hold, begun: Begun) -> tuple[Deployment, tuple[HostRow, ...]]:
    drive: Drive = make_drive(hold, begun)
    final = await drive.run()
    return final, tuple(drive.rows.values())
