"""The gate of a server: its facts about one request from rows, git and org.toml, and its answer. Changes nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from headway.base.errors import HeadwayError
from headway.deploy.freeze import active, ends_at
from headway.deploy.gate import Answer, Frozen, GateFacts, may_deploy, nothing_to_repair
from headway.deploy.guards import Who, Word, applying, stricter, why_not_counted
from headway.deploy.roots import Claim
from headway.domain.contract import EnvironmentSpec
from headway.domain.deployment import Deployment, DeploymentKind
from headway.domain.org import Org
from headway.domain.people import Actor, Role
from headway.domain.request import Approval, Request
from headway.domain.when import parse_when
from headway.engine.actors import actor_of
from headway.engine.deployments.gate import Before, Permission, came_before
from headway.engine.deployments.plan import environment_of
from headway.engine.permissions import Action, require_there
from headway.engine.projects import Project
from headway.engine.releases.projects import bare_of, repository_id
from headway.engine.releases.pushers import pushers_of
from headway.engine.requests.roots import root_taken, roots_on_record
from headway.engine.requests.tools import RequestTools
from headway.engine.settings import Settings
from headway.engine.standing.claims import who_is_at_work
from headway.engine.standing.what_runs import live_deployment
from headway.pipeline.when import WhenFacts, evaluate, few_enough
from headway.store import deployments as rows
from headway.store import people, requests, runs
from headway.store.commits import commit_by_sha
from headway.store.database import Transaction
from headway.store.follow_ups import Making, runs_that_made
from headway.store.repositories import repository_of_service


@dataclass(frozen=True, slots=True)
class Asking:
    """One question to the gate, with what was found out for it."""

    project: Project
    environment: EnvironmentSpec
    facts: GateFacts
    answer: Answer
    #: Who approved, once it is open.
    permission: Permission


@dataclass(frozen=True, slots=True)
class _Rows:
    words: tuple[Word, ...]
    asked_by: Who
    own: frozenset[str]
    unknown_pusher: str
    built_elsewhere: str
    before: Before
    live: Deployment | None
    makings: Sequence[Making]
    locked: str
    foreign: str
    roots: tuple[Claim, ...]
    last: Deployment | None


async def where_it_is_live(tools: RequestTools, request: Request, otherwise: Project) -> Project:
    """Going back, the hosts are those of what is live: the older file may not know all of them."""
    live = await tools.database.fetch(lambda tx: live_deployment(tx, request.service, request.environment))
    if live is None or not live.has_plan:
        return otherwise
    try:
        found = await asyncio.to_thread(tools.projects.of, request.repository, live.commit, request.service)
    except HeadwayError:
        return otherwise
    return found if request.environment in found.contract.environments else otherwise


async def ask_gate(tools: RequestTools, request: Request, now: datetime) -> Asking:
    """Raises what the release's headway.toml and org.toml raise: then it cannot be asked at all."""
    project = await asyncio.to_thread(tools.projects.of, request.repository, request.commit, request.service)
    environment = environment_of(project.contract, request.environment)
    org = tools.org()
    found = await tools.database.fetch(lambda tx: _rows(tx, tools.settings, org, environment, request, now))
    makings = found.makings or await asyncio.to_thread(_made_elsewhere, tools, request)
    when = await asyncio.to_thread(when_holds, tools, environment, makings, found.live, request.commit)
    taken = await asyncio.to_thread(root_taken, tools, request, project.contract, environment, found.roots)
    floors = applying(org.floors, request.service, environment.name)
    facts = GateFacts(
        when=when,
        succeeded_before=found.before.succeeded,
        recorded_by=found.before.recorded_by,
        going_back=request.kind is DeploymentKind.ROLLBACK,
        now=now,
        hotfix=request.kind is DeploymentKind.HOTFIX,
        nothing_to_repair=nothing_to_repair(found.last),
        words=found.words,
        own=found.own,
        unknown_pusher=found.unknown_pusher,
        built_elsewhere=found.built_elsewhere,
        asked_by=found.asked_by,
        branches=tuple(dict.fromkeys(one.branch for one in makings if one.branch and not one.is_fork)),
        pull_request=_pull_request(makings),
        has_objective=bool(project.contract.objectives),
        frozen=_frozen(org, request.service, environment.name, now),
        locked=found.locked,
        foreign=found.foreign,
        root_taken=taken,
    )
    answer = may_deploy(environment, request.release, facts, floors)
    rules = stricter(environment, floors).approvals
    counted = [
        word.who.handle
        for word in found.words
        if any(why_not_counted(word, rule, found.own, now) is None for rule in rules)
    ]
    permission = Permission(", ".join(counted) or None, verified=bool(counted))
    return Asking(project, environment, facts, answer, permission)


def _rows(  # noqa: PLR0917  (of what, by which rules, when)
    tx: Transaction,
    settings: Settings,
    org: Org,
    environment: EnvironmentSpec,
    request: Request,
    now: datetime,
) -> _Rows:
    team = team_of(tx, request.service)
    pushers, makings = pushers_of(tx, settings, org, request), runs_that_made(tx, request.release)
    return _Rows(
        words=tuple(_word(tx, org, team, one) for one in requests.approvals_of(tx, request.id)),
        asked_by=who_is(tx, org, team, request.requested_by),
        own=frozenset(
            {
                request.requested_by,
                *pushers.handles,
                *_authors(tx, org, request),
                # What a run is given decides what it makes, as a commit does.
                *runs.parameter_givers(tx, request.release),
            }
        ),
        unknown_pusher=pushers.unknown,
        built_elsewhere=_built_elsewhere(makings),
        before=came_before(tx, environment, request.service, request.release, request.commit),
        live=live_deployment(tx, request.service, environment.name, ours=True),
        makings=makings,
        locked=who_is_at_work(tx, request.service, environment.name, now),
        foreign=is_foreign(tx, settings, request.service, request.repository),
        roots=roots_on_record(tx),
        last=rows.latest(tx, request.service, environment.name, ours=True),
    )


def is_foreign(tx: Transaction, settings: Settings, service: str, place: str) -> str:
    """Why this repository may not deploy the service: else whoever may push anywhere could call a service alike, and
    have its hosts. Empty: it is the service's own, or a folder of this machine's user."""
    owner, id = repository_of_service(tx, service), repository_id(settings, place)
    if owner is None or id is None or id == owner.id:
        return ""
    return f"{service} belongs to the repository {owner.name}, and this release is of another one"


async def require_in(
    tools: RequestTools, actor: Actor, action: Action, service: str, environment: str
) -> None:
    """By role, and by the floors there. Raises NotAllowed."""
    team = await tools.database.fetch(lambda tx: team_of(tx, service))
    require_there(actor, action, applying(tools.org().floors, service, environment), team=team)


def team_of(tx: Transaction, service: str) -> str | None:
    """The team as the default branch says: a branch's file gives nobody a right."""
    repository = repository_of_service(tx, service)
    return repository.team if repository is not None else None


def who_is(tx: Transaction, org: Org, team: str | None, handle: str) -> Who:
    """Somebody who is gone or not let in any more counts as one who may only look."""
    person = people.person_by_handle(tx, handle)
    if person is None or person.disabled_at is not None:
        return Who(handle, Role.VIEWER)
    actor = actor_of(person, org, by="", address="", scopes=None)
    return Who(handle, actor.role_in(team), frozenset(name for name, _ in actor.teams))


def _word(tx: Transaction, org: Org, team: str | None, approval: Approval) -> Word:
    return Word(who_is(tx, org, team, approval.person), approval.yes, approval.at, approval.comment)


def _authors(tx: Transaction, org: Org, request: Request) -> frozenset[str]:
    """Handles of who wrote the commit (not of who merged it), by the names that org.toml and accounts know."""
    commit = commit_by_sha(tx, request.repository, request.commit)
    if commit is None:
        return frozenset()
    told = {text.casefold() for text in _names(commit.author)}
    known = {
        person.handle: {person.handle, person.email, person.name, *person.aliases}
        for person in org.people.values()
    }
    for person in people.all_people(tx):
        known.setdefault(person.name, set()).update({person.name, person.email})
    return frozenset(
        handle for handle, names in known.items() if told & {name.casefold() for name in names if name}
    )


def _made_elsewhere(tools: RequestTools, request: Request) -> Sequence[Making]:
    """For what another system built: of the default branch, if that holds its commit. Blocks."""
    bare = bare_of(Path(request.repository), tools.settings.environment)
    try:
        head = bare.refs().get(f"refs/heads/{bare.default_branch}")
        if head is None or not bare.is_ancestor(request.commit, head):
            return ()
    except HeadwayError:
        return ()
    return (
        Making(
            run="",
            number=0,
            service=request.service,
            repository=request.repository,
            release=request.release,
            commit=request.commit,
            branch=bare.default_branch,
            tag=None,
            event="",
            pull_request=None,
            is_fork=False,
        ),
    )


def _names(author: str) -> tuple[str, ...]:
    """`Grace Hopper <grace@example.org>`: the name and the address."""
    name, _, rest = author.partition("<")
    return tuple(text for text in (name.strip(), rest.rstrip(">").strip()) if text)


def _built_elsewhere(makings: Sequence[Making]) -> str:
    """Why no run of this server built it of what was pushed; empty: one did."""
    if any(one.event and one.pull_request is None and not one.is_fork for one in makings):
        return ""
    if not makings:
        return "another system built it"
    return (
        "no run of a push, by the clock or by hand did" if makings[0].event else "a command on a machine did"
    )


def _pull_request(makings: Sequence[Making]) -> int | None:
    """Its number, when only runs of pull requests made the release."""
    if not makings or any(one.pull_request is None and not one.is_fork for one in makings):
        return None
    return makings[0].pull_request or 0


def when_holds(
    tools: RequestTools,
    environment: EnvironmentSpec,
    makings: Sequence[Making],
    live: Deployment | None,
    commit: str,
) -> tuple[bool, str] | None:
    """Whether its `when` holds for any of the runs that made the release: one commit may stand on several branches.

    What changed is since what is live there. Blocks.
    """
    if environment.when is None:
        return None
    expression, changed = parse_when(environment.when), None
    if live is not None and "changed" in environment.when and makings:
        try:
            bare = bare_of(Path(makings[0].repository), tools.settings.environment)
            changed = few_enough(bare.changed_paths(live.commit, commit), [environment.when])
        except HeadwayError:
            # Unknown is an answer that the language knows how to take.
            changed = None
    told: list[str] = []
    for one in makings:
        verdict = evaluate(expression, WhenFacts(branch=one.branch, tag=one.tag, changed=changed))
        if verdict.value:
            return True, verdict.reason
        told.append(verdict.reason)
    if not makings:
        verdict = evaluate(expression, WhenFacts(changed=changed))
        return verdict.value, verdict.reason
    return False, told[0]


def _frozen(org: Org, service: str, environment: str, now: datetime) -> tuple[Frozen, ...]:
    found = active(org.freezes, service, environment, now)
    if found is None:
        return ()
    until = ends_at(org.freezes, service, environment, now)
    return (Frozen(found.name, found.reason, until, found.hotfix),)
