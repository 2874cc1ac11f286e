"""What other systems have built and deployed, taken into the same history: it counts in the metrics and stands in the
timeline as ours does. Headway has not done it and cannot undo it: there are no hosts, and no way back.

RecordRefused   2    the record contradicts itself, or names what cannot be
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from headway.base.clock import to_milliseconds
from headway.base.errors import HeadwayError, WrongUse
from headway.base.ids import new_id
from headway.domain.commit import Commit
from headway.domain.contract import EnvironmentSpec
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.domain.people import Actor
from headway.domain.release import Release, release_id
from headway.drivers.git import Git, UnknownCommit
from headway.engine.audit import record as record_audit
from headway.engine.deployments.changes import find_changes, record_changes
from headway.engine.deployments.news import tell_deployment
from headway.engine.permissions import Action, require
from headway.engine.releases.releases import add_release, choose_release
from headway.engine.requests.gate import require_in, team_of
from headway.engine.requests.releases import UnknownService, repository_place
from headway.engine.requests.tools import RequestTools
from headway.engine.standing.what_runs import live_deployment
from headway.store import deployments
from headway.store.commits import add_commit
from headway.store.counters import next_number
from headway.store.database import Database, Transaction
from headway.store.events import add_event
from headway.store.releases import put_release, releases_of_commit

_WHOLE_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_URL = re.compile(r"https?://[^\s<>\"]{1,1990}")
#: How far another machine's clock may be ahead of ours.
_AHEAD = timedelta(minutes=5)
WHY_NO_WAY_BACK = "it was put there by {source}, not by Headway, which does not know the way back"


class RecordRefused(WrongUse):
    http_status = 422


@dataclass(frozen=True, slots=True)
class Record:
    """A deployment as another system tells of it. Instants are aware; `finished_at` is now if not said."""

    service: str
    environment: str
    #: Anything that names a commit of the service's repository; a whole id also where no repository is known.
    commit: str
    #: How it ended.
    state: DeploymentState
    #: Who did it: `jenkins`, `deploy.sh`.
    source: str
    started_at: datetime | None = None
    finished_at: datetime | None = None
    kind: DeploymentKind = DeploymentKind.PLANNED
    #: What its own system calls the release, and where that shows it.
    version: str = ""
    url: str = ""
    #: Told again with the same one, it is the same deployment.
    key: str | None = None
    #: Whether the metrics count it; None: as headway.toml says, else whether it is called `production`.
    production: bool | None = None
    #: The environment in which a release of this commit succeeds before, as headway.toml says.
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    deployment: Deployment
    #: False: it was told before.
    is_new: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What a recorded deployment's own system says of it, for pages."""

    source: str
    version: str
    url: str

    @property
    def why_no_way_back(self) -> str:
        return WHY_NO_WAY_BACK.format(source=self.source)


def told_of(deployment: Deployment) -> Told | None:
    """None for a deployment of Headway's own."""
    if not deployment.origin:
        return None
    found = json.loads(deployment.plan).get("recorded", {})
    return Told(deployment.origin, str(found.get("version", "")), str(found.get("url", "")))


async def record_deployment(tools: RequestTools, actor: Actor, told: Record) -> Recorded:
    """For the server. Raises NotAllowed, RecordRefused, UnknownCommit."""

    await require_in(tools, actor, Action.DEPLOYMENT_REQUEST, told.service, told.environment)
    repository = await tools.database.fetch(lambda tx: repository_place(tx, tools.settings, told.service))
    if repository is not None and (spec := await asyncio.to_thread(_declared, tools, repository, told)):
        production = spec.production if told.production is None else told.production
        told = replace(told, production=production, after=told.after or spec.after)
    return await asyncio.to_thread(
        store_record, tools.database, tools.git, repository, told, actor=actor, now=tools.clock.now()
    )


def _declared(tools: RequestTools, repository: str, told: Record) -> EnvironmentSpec | None:
    """As the headway.toml of its commit says; None where there is none that can be read. Blocks."""
    try:
        sha = tools.git.resolve(repository, told.commit)
        declared = tools.projects.declared(repository, sha, told.service).contract.environments
    except HeadwayError:
        return None
    return declared.get(told.environment)


def store_record(
    database: Database, git: Git, repository: str | None, told: Record, *, actor: Actor, now: datetime
) -> Recorded:
    """Stores it, once for each key. `repository` is where the service's commits lie. Blocks.

    Raises RecordRefused, UnknownCommit.
    """
    told = _checked(told, now)
    if (
        told.key
        and (known := database.read(lambda tx: _recorded(tx, told.service, told.key or ""))) is not None
    ):
        return known
    sha, commit = _commit(git, repository, told.commit)
    place = repository or f"{told.source}:{told.service}"
    key = told.key or f"{told.source} {told.environment} {sha} {_milliseconds(told.started_at)}"
    live = database.read(lambda tx: live_deployment(tx, told.service, told.environment))
    draft = _deployment(told, sha, place, key, actor, live, now)
    base = live.commit if live is not None else None
    changes = find_changes(git, draft, base)

    def work(tx: Transaction) -> Recorded:
        # The counter's row is locked until we are done: two that tell the same come one after the other.
        next_number(tx, told.service, "record")
        if (before := _recorded(tx, told.service, key)) is not None:
            return before
        if commit is not None:
            add_commit(tx, place, commit)
        release = _release(tx, told, sha, place, actor, now)
        number = next_number(tx, told.service, "deployment")
        made = replace(draft, release=release.id, number=number)
        deployments.insert_deployment(tx, made, [], token=0)
        record_changes(tx, made, base, changes)
        tell_deployment(tx, made, now)
        what = {"number": number, "commit": sha, "state": made.state, "source": told.source}
        record_audit(tx, actor, "deployment.record", f"{told.service}/{told.environment}", None, what, now)
        stored = deployments.get_deployment(tx, made.id)
        assert stored is not None
        return Recorded(stored, is_new=True)

    return database.transact(work)


def _recorded(tx: Transaction, service: str, key: str) -> Recorded | None:
    before = deployments.deployment_by_record(tx, service, key)
    return None if before is None else Recorded(before, is_new=False)


async def record_release(
    tools: RequestTools, actor: Actor, *, service: str, commit: str, files: Mapping[str, Path]
) -> Release:
    """A release of what another system built: uploaded files by the artifact's path; none, where a script deploys it.

    The same content is the same release. Raises NotAllowed, UnknownService, UnknownCommit, ArtifactNotThere.
    """

    def find(tx: Transaction) -> tuple[str | None, str | None]:
        return team_of(tx, service), repository_place(tx, tools.settings, service)

    team, repository = await tools.database.fetch(find)
    require(actor, Action.RELEASE_ADD, team=team)
    if repository is None:
        raise UnknownService(f"there is no service {service} here", hint="connect its repository first")
    now = tools.clock.now()

    def also(tx: Transaction, release: Release) -> None:
        data = {"release": release.id, "commit": release.commit}
        record_audit(tx, actor, Action.RELEASE_ADD, f"{service} {release.id}", None, data, now)
        add_event(tx, "release.made", service=service, subject=release.id, data=data, now=now)

    return await asyncio.to_thread(
        add_release,
        tools.database,
        replace(tools.settings, user=actor.name),
        service=service,
        repository=Path(repository),
        commit=commit,
        files=files,
        now=now,
        also=also,
    )


def _checked(told: Record, now: datetime) -> Record:
    finished = told.finished_at or now
    started = told.started_at or finished
    faults = {
        f"'{told.service[:100]}' cannot be the name of a service": not _NAME.fullmatch(told.service),
        f"'{told.environment[:100]}' cannot be the name of an environment": not _NAME.fullmatch(
            told.environment
        ),
        f"'{told.source[:100]}' cannot be the name of who deployed": not _NAME.fullmatch(told.source),
        f"a deployment that is {told.state} has not ended: tell of it when it has": not told.state.is_final,
        "it cannot end before it begins": finished < started,
        "it cannot end in the future": finished > now + _AHEAD,
        "its version is longer than 200 characters": len(told.version) > 200,
        "its key is longer than 200 characters": len(told.key or "") > 200,
        "its address is no address of the web": bool(told.url) and not _URL.fullmatch(told.url),
    }
    found = [fault for fault, holds in faults.items() if holds]
    if found:
        raise RecordRefused("; ".join(found), hint="docs/promotion.md describes what can be recorded")
    return replace(told, started_at=started, finished_at=finished)


def _commit(git: Git, repository: str | None, text: str) -> tuple[str, Commit | None]:
    """Raises UnknownCommit for what is neither a commit here nor a whole id."""
    if repository is not None:
        try:
            found = git.commit(repository, text)
        except UnknownCommit:
            if not _WHOLE_ID.fullmatch(text):
                raise
        else:
            return found.sha, found
    if not _WHOLE_ID.fullmatch(text):
        raise RecordRefused(f"'{text[:100]}' is no commit that is known here", hint="say its whole id")
    return text, None


def _release(  # noqa: PLR0917  (of what, from where, by whom, when)
    tx: Transaction, told: Record, sha: str, repository: str, actor: Actor, now: datetime
) -> Release:
    """The commit's release that a deployment of it would take; else one without artifacts, which names it."""
    known = releases_of_commit(tx, told.service, sha)
    if known:
        stand = [one for one in known if one.removed_at is None] or known[:1]
        return choose_release(tx, stand, environment=told.environment, after=told.after)[0]
    service = told.service
    made = Release(release_id(service, sha, ()), service, repository, sha, (), now, actor.name)
    return put_release(tx, made, now=now)


def _deployment(  # noqa: PLR0917  (what was told, and what was found)
    told: Record,
    sha: str,
    repository: str,
    key: str,
    actor: Actor,
    live: Deployment | None,
    now: datetime,
) -> Deployment:
    assert told.started_at is not None and told.finished_at is not None
    production = told.production if told.production is not None else told.environment == "production"
    reached = told.state is not DeploymentState.CANCELLED
    good = told.state is DeploymentState.SUCCEEDED
    called = f" {told.version}" if told.version else ""
    return Deployment(
        id=new_id("dep", now),
        number=0,
        service=told.service,
        repository=repository,
        environment=told.environment,
        production=production,
        release="",
        commit=sha,
        previous_release=live.release if live is not None else None,
        kind=told.kind,
        state=told.state,
        reason=f"deployed{called} by {told.source}, which told of it",
        requested_by=actor.name,
        requested_at=told.started_at,
        started_at=told.started_at,
        first_switched_at=told.started_at if reached else None,
        verified_at=told.finished_at if good else None,
        finished_at=told.finished_at,
        plan=json.dumps({"recorded": {"version": told.version, "url": told.url}}),
        origin=told.source,
        record_key=key,
    )


def _milliseconds(instant: datetime | None) -> int:
    assert instant is not None
    return to_milliseconds(instant)
