"""What a button would do, said before it is pressed: where to, in which order, in place of what, and what stands in the
way. Reads only, and asks no host."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from headway.base.durations import format_duration
from headway.base.errors import HeadwayError
from headway.deploy.plan import HostPlan
from headway.domain.commit import Commit
from headway.domain.contract import DeploySpec
from headway.domain.deployment import Deployment, DeploymentKind
from headway.domain.people import Actor
from headway.domain.release import Release
from headway.domain.request import Obstacle, RequestOrigin
from headway.engine.deployments.plan import HALF_AT_ONCE, environment_of, host_plans
from headway.engine.deployments.rollback import target_of
from headway.engine.releases.projects import bare_of
from headway.engine.releases.releases import UnknownRelease
from headway.engine.requests.gate import Asking, ask_gate, where_it_is_live
from headway.engine.requests.place import new_request
from headway.engine.requests.releases import UnknownService, release_for, repository_place
from headway.engine.requests.tools import RequestTools
from headway.engine.standing.what_runs import live_deployment
from headway.store.database import Transaction
from headway.store.releases import get_release

_MOST_COMMITS = 200


@dataclass(frozen=True, slots=True)
class Preview:
    """The text beside a button."""

    #: One sentence: what happens, where, in place of what, how long it took the last time.
    sentence: str
    environment: str
    release: str
    commit: str
    kind: DeploymentKind
    #: Hosts by batch, in the order of their switch.
    batches: tuple[tuple[str, ...], ...]
    #: The release that is live there; None the first time.
    before: str | None
    #: What it brings; going back: what it takes away. Newest first.
    commits: tuple[Commit, ...]
    #: Why those cannot be told; empty where they can.
    commits_unknown: str
    #: How long the last good deployment there took.
    last_took: timedelta | None
    #: Sentences that one should have read before, such as what `once` means for a way back.
    notes: tuple[str, ...]
    #: What stands in the way now; with one that is final the button is not offered.
    obstacles: tuple[Obstacle, ...]

    @property
    def is_possible(self) -> bool:
        return not any(one.final for one in self.obstacles)


async def what_it_would_do(
    tools: RequestTools,
    actor: Actor,
    *,
    service: str,
    environment: str,
    release: str | None = None,
    kind: DeploymentKind = DeploymentKind.PLANNED,
    force: bool = False,
    without: Sequence[str] = (),
) -> Preview:
    """Of a deployment of `release`; going back (kind `rollback`), without one, of the release it would go to.

    `without` are hosts that are left out. Raises what asking for it would raise, except for what only stands in the way.
    """
    now = tools.clock.now()

    def find(tx: Transaction) -> tuple[str | None, Release | None, str | None, Deployment | None]:
        settings_of, found = None, None
        if kind is DeploymentKind.ROLLBACK:
            target = target_of(tx, service, environment, to=release, force=True)
            settings_of, found = target.deployment, get_release(tx, target.release)
        place = repository_place(tx, tools.settings, service)
        return place, found, settings_of, live_deployment(tx, service, environment)

    place, found, settings_of, live = await tools.database.fetch(find)
    if place is None:
        raise UnknownService(f"there is no service {service} here", hint="the first page lists them")
    said = ""
    if found is None:
        if release is None:
            raise UnknownRelease("no release was named", hint="name one: an id, a commit, a branch")
        meant = await asyncio.to_thread(
            release_for, tools, service=service, text=release, environment=environment
        )
        found, said = meant.release, meant.said
    wish = new_request(found, environment, actor.name, RequestOrigin.PERSON, "", now)
    wish = replace(wish, kind=kind, force=force, settings_of=settings_of, without=tuple(without))
    asking = await ask_gate(tools, wish, now)
    project = asking.project
    if kind is DeploymentKind.ROLLBACK:
        project = await where_it_is_live(tools, wish, project)
    contract = project.contract
    plans = host_plans(
        contract,
        environment_of(contract, environment),
        strategy=HALF_AT_ONCE if kind is DeploymentKind.ROLLBACK else None,
        without=wish.without,
    )
    commits, unknown = await asyncio.to_thread(_commits, tools, found, live, kind)
    notes = [*([said] if said else []), *_once(asking.project.contract.deploy, kind)]
    if kind is DeploymentKind.ROLLBACK and not force:
        notes += await _in_the_way(tools, service, environment, found.id)
    if wish.without:
        notes.append(
            f"left out: {', '.join(wish.without)}; the next deployment brings them to what the others have"
        )
    return _preview(found, asking, plans, kind, live, commits, unknown, notes)


def _preview(  # noqa: PLR0917  (all that was found out)
    release: Release,
    asking: Asking,
    plans: Sequence[HostPlan],
    kind: DeploymentKind,
    live: Deployment | None,
    commits: tuple[Commit, ...],
    unknown: str,
    notes: Sequence[str],
) -> Preview:
    batches: dict[int, list[str]] = {}
    for plan in plans:
        batches.setdefault(plan.batch, []).append(plan.spec.name)
    took = _took(live)
    where = f"{len(plans)} host{'s' if len(plans) != 1 else ''}"
    if len(batches) > 1:
        where += f" in {len(batches)} batches"
    does = "puts {} back into" if kind is DeploymentKind.ROLLBACK else "deploys {} to"
    parts = [f"{does.format(release.id)} {asking.environment.name} on {where}"]
    if live is not None and live.release != release.id:
        parts[0] += f", in place of {live.release}"
    if commits:
        moves = "takes" if kind is DeploymentKind.ROLLBACK else "brings"
        many = "commit" if len(commits) == 1 else "commits"
        more = "at least " if len(commits) == _MOST_COMMITS else ""
        parts.append(f"{moves} {more}{len(commits)} {many}{' away' if moves == 'takes' else ''}")
    elif live is not None and live.release == release.id:
        parts.append("it is live already, and with the same settings nothing is done")
    if took is not None:
        parts.append(f"the last one took {format_duration(took)}")
    return Preview(
        sentence="; ".join(parts),
        environment=asking.environment.name,
        release=release.id,
        commit=release.commit,
        kind=kind,
        batches=tuple(tuple(names) for _, names in sorted(batches.items())),
        before=live.release if live is not None else None,
        commits=commits,
        commits_unknown=unknown,
        last_took=took,
        notes=tuple(notes),
        obstacles=asking.answer.obstacles,
    )


def _took(live: Deployment | None) -> timedelta | None:
    if live is None or not live.has_plan or live.started_at is None or live.finished_at is None:
        return None
    return live.finished_at - live.started_at


def _commits(
    tools: RequestTools, release: Release, live: Deployment | None, kind: DeploymentKind
) -> tuple[tuple[Commit, ...], str]:
    """What differs from what is live; blocks."""
    if live is None or live.commit == release.commit:
        return (), ""
    base, new = live.commit, release.commit
    if kind is DeploymentKind.ROLLBACK:
        base, new = new, base
    try:
        bare = bare_of(Path(release.repository), tools.settings.environment)
        return bare.commits_between(base, new, _MOST_COMMITS), ""
    except HeadwayError as error:
        return (), error.message


def _once(deploy: DeploySpec | None, kind: DeploymentKind) -> list[str]:
    if deploy is None or deploy.once is None or kind is DeploymentKind.ROLLBACK:
        return []
    if deploy.once.rollback_compatible:
        return ["`once` runs before the first host is switched; a rollback may pass it"]
    return [
        '`once` is declared rollback = "incompatible": from its first host on there is no way back from this'
    ]


async def _in_the_way(tools: RequestTools, service: str, environment: str, to: str) -> list[str]:
    try:
        await tools.database.fetch(lambda tx: target_of(tx, service, environment, to=to, force=False))
    except HeadwayError as error:
        return [f"{error.message}: it needs force"]
    return []
