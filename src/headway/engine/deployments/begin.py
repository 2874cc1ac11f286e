"""The beginning of a deployment under the hosts' lock: what stands there, what it supersedes, its first rows."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from headway.base.errors import Held
from headway.deploy.host_states import HostState
from headway.deploy.own_files import OwnFile
from headway.deploy.plan import Plan, from_json, to_json
from headway.deploy.record import HostRecord
from headway.deploy.rollout import Asked, what_stands
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState, HostRow
from headway.domain.people import Actor, Role
from headway.domain.release import Release
from headway.drivers.artifacts import ArtifactStore
from headway.engine.audit import record as record_audit
from headway.engine.deployments.adopt import adopt
from headway.engine.deployments.changes import Found as FoundChanges
from headway.engine.deployments.changes import find_changes, record_changes
from headway.engine.deployments.files import by_own_files
from headway.engine.deployments.gate import Permission
from headway.engine.deployments.hold import Begun, Hold, World
from headway.engine.deployments.left import ActedSince, require_as_left
from headway.engine.deployments.news import tell_deployment, tell_request
from headway.engine.deployments.work import make_drive
from headway.engine.hosts.jobs import settle_all
from headway.engine.hosts.link import HostLink, look_at_all, refuse_anothers, refuse_in_the_way, require_all
from headway.engine.releases.releases import hold_release
from headway.engine.standing.what_runs import live_deployment, note_beginning, note_found
from headway.store import deployments as rows
from headway.store import requests
from headway.store.counters import next_number
from headway.store.database import Transaction
from headway.store.standings import standings_of

if TYPE_CHECKING:
    from headway.drivers.git import Git


class RequestOver(Held):
    """The request was withdrawn or superseded while its deployment was about to begin."""


#: Somebody who goes back does not wait longer than this for another one's step.
PATIENCE_GOING_BACK = 10.0


async def is_live(world: World, plan: Plan, live: Deployment) -> bool:
    """Whether every host says what the database says: this release, finished by this deployment, and nothing open."""
    links = await world.links(plan.service, plan.hosts)
    require_all(await look_at_all(links, world.watcher.note), len(links))
    return all(
        link.record.live_release == live.release
        and link.record.deployed is not None
        and link.record.deployed.get("deployment") == live.id
        for link in links
    )


async def resume(hold: Hold, unfinished: Deployment) -> Begun:
    """Takes its hosts and its rows. What runs there is followed by the actions that go on with it.

    Raises ActedSince where the hosts say that somebody else was there since: then it has ended.
    On its way back, or asked to go back, more than half of the hosts are enough; of the others it is told at the end.
    Those that its row leaves out are not tried.
    """
    assert hold.database is not None
    plan = from_json(unfinished.plan)
    wishes = await hold.database.fetch(lambda tx: rows.wishes_of(tx, unfinished.id))
    links = await hold.world.links(plan.service, plan.hosts, untried=wishes.without)
    back = (
        unfinished.state is DeploymentState.ROLLING_BACK
        or unfinished.kind is DeploymentKind.ROLLBACK
        or hold.world.interruption.asked is Asked.BACK
    )
    lock = await hold.take_hosts(links, unfinished.id, majority=back, without=wishes.without)

    def work(tx: Transaction) -> tuple[Deployment | None, list[HostRow]]:
        rows.adopt_deployment(tx, unfinished.id, hold.token)
        return rows.get_deployment(tx, unfinished.id), rows.hosts_of(tx, unfinished.id)

    deployment, hosts = await hold.database.perform(work)
    assert deployment is not None
    reached = [link for link in links if not lock.out_of_reach(link.name)]
    refuse_anothers(reached, plan.service, plan.environment.name)
    refuse_in_the_way(reached)
    await require_as_left(
        hold,
        deployment,
        hosts,
        plan,
        reached,
        going_back=back,
        patience=PATIENCE_GOING_BACK if back else None,
    )
    hold.world.watcher.note(
        f"goes on with deployment {deployment.number}, which its owner left; epoch {lock.token} on the hosts"
    )
    return Begun(deployment, tuple(hosts), plan, tuple(links), resumed=True)


async def begin(
    hold: Hold,
    git: "Git",
    plan: Plan,
    kind: DeploymentKind,
    unfinished: Deployment | None,
    *,
    repository: str,
    permission: Permission | None,
    brought: Release | None,
    here: Mapping[str, OwnFile],
    request: str | None = None,
) -> Begun:
    """Takes the hosts, ends what is at hand there, stores the deployment with its hosts and commits.

    `here` is what the file at hand says of each host, for what stands there and nobody knows the file of.
    `brought` is the release whose bytes it may need; None when going back, which lives of what stands on the hosts.
    Raises ReleaseGone when retention let it go meanwhile, RequestOver when the request was taken back.
    """
    assert hold.database is not None
    links = await hold.world.links(plan.service, plan.hosts)
    if unfinished is not None and unfinished.verified_at is not None:
        await _let_it_finish(hold, unfinished)
        unfinished = None
    plan, ours = await _take(hold, plan, links, here, going_back=kind is DeploymentKind.ROLLBACK)
    await adopt(
        hold.database,
        hold.world.clock.now(),
        service=plan.service,
        environment=plan.environment,
        repository=repository,
        links=ours,
    )
    live, known = await hold.database.fetch(lambda tx: _known(tx, plan))
    deployment = _new(
        hold.world, plan, kind, repository=repository, permission=permission, live=live, unfinished=unfinished
    )
    assert hold.lock is not None
    unreachable = {name: error.message for name, error in hold.lock.unreachable.items()}
    hosts = first_rows(plan, unreachable, known)
    base = live.commit if live else None
    beginning = _Beginning(
        replace(deployment, request=request),
        hosts,
        plan,
        found={link.name: link.record for link in ours},
        supersedes=unfinished,
        brought=brought,
        base=base,
        changes=await asyncio.to_thread(find_changes, git, deployment, base),
    )
    stored = await hold.database.perform(lambda tx: _store(tx, hold, beginning))
    hold.world.watcher.deployment(stored)
    return Begun(stored, hosts, plan, tuple(links))


async def _take(
    hold: Hold, plan: Plan, links: Sequence[HostLink], here: Mapping[str, OwnFile], *, going_back: bool
) -> tuple[Plan, list[HostLink]]:
    """The hosts in our hands, with nothing under way there; the plan with what stands on each, and who answered."""
    world = hold.world
    lock = await hold.take_hosts(links, plan.deployment, majority=going_back)
    ours = [link for link in links if link.name not in lock.unreachable]
    refuse_anothers(ours, plan.service, plan.environment.name)
    refuse_in_the_way(ours)
    await settle_all(ours, world.clock, world.watcher.note, PATIENCE_GOING_BACK if going_back else None)
    plan = replace(plan, epoch=lock.token)
    return await by_own_files(plan, ours, hold.database, here, world.watcher.note), ours


def _known(tx: Transaction, plan: Plan) -> tuple[Deployment | None, dict[str, str | None]]:
    """What is live there, and what each host had last."""
    service, environment = plan.service, plan.environment.name
    standings = standings_of(tx, service, environment)
    return live_deployment(tx, service, environment), {one.host: one.release for one in standings}


@dataclass(frozen=True, slots=True)
class _Beginning:
    """All that is stored when a deployment begins."""

    deployment: Deployment
    hosts: tuple[HostRow, ...]
    plan: Plan
    #: What the hosts that answered said of what stands there.
    found: Mapping[str, HostRecord]
    supersedes: Deployment | None
    brought: Release | None
    #: The commit that is live, and what is new since then.
    base: str | None
    changes: FoundChanges


def _store(tx: Transaction, hold: Hold, beginning: _Beginning) -> Deployment:
    deployment, plan, now = beginning.deployment, beginning.plan, beginning.deployment.requested_at
    if beginning.brought is not None:
        hold_release(tx, ArtifactStore(hold.world.settings.artifacts), beginning.brought, now=now)
    if beginning.supersedes is not None:
        _supersede(tx, beginning.supersedes, deployment, hold)
    numbered = replace(deployment, number=next_number(tx, plan.service, "deployment"))
    rows.insert_deployment(tx, numbered, beginning.hosts, hold.token)
    note_found(tx, plan.service, plan.environment.name, beginning.found, now)
    note_beginning(tx, numbered, beginning.hosts, now)
    if plan.without and deployment.request is None:
        # What is asked of a server is written down when it is asked.
        what = {"number": numbered.number, "release": plan.release, "without": list(plan.without)}
        person = Actor(plan.requested_by, Role.ADMINISTRATOR, by="command")
        place = f"{plan.service}/{plan.environment.name}"
        record_audit(tx, person, "deployment.without", place, None, what, now)
    record_changes(tx, numbered, beginning.base, beginning.changes)
    if deployment.request is not None:
        _begin_request(tx, deployment.request, numbered)
    tell_deployment(tx, numbered, now)
    return numbered


def first_rows(
    plan: Plan, unreachable: Mapping[str, str], known: Mapping[str, str | None] = MappingProxyType({})
) -> tuple[HostRow, ...]:
    """A host that cannot be reached, or that is left out, takes no part. `known` is what such a host had last."""
    taking_part = (
        HostRow(
            deployment=plan.deployment,
            host=host.spec.name,
            batch=host.batch,
            state=HostState.LEFT_OUT if host.spec.name in unreachable else HostState.WAITING,
            reason=unreachable.get(host.spec.name, ""),
            previous_release=host.predecessor.release
            if host.predecessor
            else known.get(host.spec.name)
            if host.spec.name in unreachable
            else None,
        )
        for host in plan.hosts
    )
    last = max((host.batch for host in plan.hosts), default=0)
    left_out = (
        HostRow(
            plan.deployment,
            name,
            last,
            HostState.LEFT_OUT,
            f"left out by {plan.requested_by}",
            known.get(name),
        )
        for name in plan.without
    )
    return (*taking_part, *left_out)


def _new(
    world: World,
    plan: Plan,
    kind: DeploymentKind,
    *,
    repository: str,
    permission: Permission | None,
    live: Deployment | None,
    unfinished: Deployment | None,
) -> Deployment:
    now = world.clock.now()
    before = next((host.predecessor.release for host in plan.hosts if host.predecessor), None)
    return Deployment(
        id=plan.deployment,
        number=0,
        service=plan.service,
        repository=repository,
        environment=plan.environment.name,
        production=plan.environment.production,
        release=plan.release,
        commit=plan.commit,
        previous_release=before or (live.release if live else None),
        kind=kind,
        state=DeploymentState.RUNNING,
        reason="begins",
        requested_by=plan.requested_by,
        requested_at=now,
        approved_by=permission.approved_by if permission else None,
        approval_verified=permission.verified if permission else False,
        started_at=now,
        supersedes=unfinished.id if unfinished else None,
        plan=to_json(plan),
    )


def _supersede(tx: Transaction, old: Deployment, new: Deployment, hold: Hold) -> None:
    if not rows.adopt_deployment(tx, old.id, hold.token):
        return
    stands = what_stands(old, rows.hosts_of(tx, old.id))
    now = hold.world.clock.now()
    superseded = replace(
        old,
        state=DeploymentState.CANCELLED,
        reason=f"superseded by a deployment of {new.release}; {stands}",
        finished_at=now,
    )
    rows.save_deployment(tx, superseded, hold.token)
    tell_deployment(tx, superseded, now)


def _begin_request(tx: Transaction, request: str, deployment: Deployment) -> None:
    """One transaction begins both: a killed server leaves a request that waits, or a deployment that is its own."""
    if not requests.begin_request(tx, request, deployment.id, f"deployment {deployment.number} goes on"):
        raise RequestOver("the request is over: it was withdrawn or superseded", hint="ask for it anew")
    begun = requests.get_request(tx, request)
    assert begun is not None
    tell_request(tx, begun, deployment.requested_at)


async def _let_it_finish(hold: Hold, unfinished: Deployment) -> None:
    """All its hosts serve and only their records are missing: it succeeded, whatever comes next."""
    try:
        begun = await resume(hold, unfinished)
    except ActedSince:
        # It has ended, and what others put there is known.
        pass
    else:
        await make_drive(hold, begun).run()
    assert hold.lock is not None
    await hold.lock.release()
