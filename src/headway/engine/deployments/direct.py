"""Going back with SSH alone: the database may be gone, the hosts know what they had."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headway.base.errors import HeadwayError, WrongUse
from headway.base.ids import new_id
from headway.deploy.history import Live, good_history
from headway.deploy.hostside import journal_script
from headway.deploy.plan import Plan
from headway.deploy.record import finished_on, is_half_way, journal_entries, left_open, predecessor
from headway.deploy.steps import HostStep
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.domain.release import Release
from headway.engine.deployments.begin import PATIENCE_GOING_BACK, first_rows
from headway.engine.deployments.deployments import Result, drive_to_end
from headway.engine.deployments.files import at_hand, by_own_files
from headway.engine.deployments.hold import Begun, Hold, World
from headway.engine.deployments.plan import compose, environment_of, host_plans
from headway.engine.deployments.rollback import NothingBefore, choose, require_on_all
from headway.engine.hosts.jobs import settle_all
from headway.engine.hosts.link import HostLink, refuse_in_the_way

if TYPE_CHECKING:
    from headway.engine.projects import Project

#: Lines of a journal that are read: some hundred deployments.
_JOURNAL = 5000


async def rollback_direct(
    world: World,
    project: "Project",
    environment: str,
    *,
    to: str | None,
    force: bool = False,
    without: Sequence[str] = (),
) -> Result:
    """Takes the hosts' lock and goes back. Raises HostsHeld, NothingBefore, CannotPass and what the hosts raise."""
    spec = environment_of(project.contract, environment)
    deployment_id = new_id("dep", world.clock.now())
    links = await world.links(
        project.contract.service.name, host_plans(project.contract, spec, without=without)
    )
    hold = Hold(world, project.contract.service.name, environment, "goes back by --direct", None)
    lock = await hold.take_hosts(links, deployment_id, majority=True)
    try:
        ours = [link for link in links if link.name not in lock.unreachable]
        refuse_in_the_way(ours)
        await settle_all(ours, world.clock, world.watcher.note, PATIENCE_GOING_BACK)
        target = await _target(ours, environment, to=to, force=force)
        require_on_all(ours, target.release, "with --direct nothing is brought to a host")
        release = Release(
            id=target.release,
            service=project.contract.service.name,
            repository=str(project.root),
            commit=target.commit,
            artifacts=(),
            created_at=world.clock.now(),
            created_by="",
        )
        plan = compose(
            project.contract,
            spec,
            release,
            deployment=deployment_id,
            requested_by=world.settings.user,
            rollback=True,
            settings_of=target.deployment,
            bring=False,
            without=without,
        )
        plan = await by_own_files(plan, ours, None, at_hand(project.contract, spec), world.watcher.note)
        begun = _begun(
            world, project, plan, links, {name: error.message for name, error in lock.unreachable.items()}
        )
    except BaseException:
        await hold.let_go()
        raise
    try:
        final, hosts = await drive_to_end(hold, begun)
    except BaseException:
        await hold.leave()
        raise
    await hold.let_go()
    return Result(final, hosts)


async def _target(links: Sequence[HostLink], environment: str, *, to: str | None, force: bool) -> Live:
    """What most hosts would go back to, each by its own journal."""
    journals = await asyncio.gather(*(_journal(link) for link in links))
    histories = [good_history(_lives(entries)) for entries in journals]
    if to is None:
        # A host in the middle of a deployment goes back to what was finished there before. Its links do not always
        # show it: drained and not yet switched, or on its way back.
        finished = finished_on(link.record for link in links)
        unfinished = [
            Live(before.deployment, before.release, before.commit, DeploymentKind.PLANNED)
            for link, entries in zip(links, journals, strict=True)
            if (before := predecessor(link.record, finished))
            and (is_half_way(link.record, before) or left_open(entries) not in (None, *finished))
        ]
        if unfinished:
            return Counter(unfinished).most_common(1)[0][0]
    if to is not None:
        to = _whole(to, histories)
    targets: Counter[Live] = Counter()
    problem: HeadwayError | None = None
    for good in histories:
        try:
            targets[choose(good, environment, to=to, force=force)] += 1
        except HeadwayError as error:
            problem = error
    if targets:
        return targets.most_common(1)[0][0]
    raise problem or NothingBefore(f"no host of {environment} knows a release to go back to")


def _whole(text: str, histories: Sequence[Sequence[Live]]) -> str:
    """The whole id of the one release on the hosts that begins so; the text itself when there is none.

    Raises WrongUse when there are several.
    """
    prefix = text if text.startswith("rel-") else f"rel-{text}"
    found = sorted({live.release for good in histories for live in good if live.release.startswith(prefix)})
    if len(found) > 1:
        raise WrongUse(
            f"'{text}' may be {len(found)} releases on the hosts", hint=f"one of {', '.join(found)}"
        )
    return found[0] if found else text


async def _journal(link: HostLink) -> Sequence[Mapping[str, Any]]:
    reply = await link.call(journal_script(link.root, _JOURNAL))
    return journal_entries(reply.output)


def _lives(entries: Sequence[Mapping[str, Any]]) -> list[Live]:
    return [
        Live(
            str(entry.get("deployment")),
            str(entry.get("release")),
            str(entry.get("commit", "")),
            _kind(entry.get("kind")),
            bool(entry.get("passable", True)),
        )
        for entry in entries
        if entry.get("step") == HostStep.FINISH and entry.get("event") == "end" and entry.get("exit") == 0
    ]


def _kind(told: object) -> DeploymentKind:
    """A word that this version does not know is no reason not to go back."""
    word = str(told)
    return DeploymentKind(word) if word in list(DeploymentKind) else DeploymentKind.PLANNED


def _begun(
    world: World, project: "Project", plan: Plan, links: Sequence[HostLink], left_out: Mapping[str, str]
) -> Begun:
    now = world.clock.now()
    deployment = Deployment(
        id=plan.deployment,
        number=0,
        service=plan.service,
        repository=str(project.root),
        environment=plan.environment.name,
        production=plan.environment.production,
        release=plan.release,
        commit=plan.commit,
        previous_release=next((h.predecessor.release for h in plan.hosts if h.predecessor), None),
        kind=DeploymentKind.ROLLBACK,
        state=DeploymentState.RUNNING,
        reason="goes back by --direct",
        requested_by=plan.requested_by,
        requested_at=now,
        started_at=now,
    )
    return Begun(deployment, first_rows(plan, left_out), plan, tuple(links))
