"""What a green run and a good deployment lead to: each is looked at once, and the requests that follow are stored in the
transaction that marks it. Killed between any two lines, the next look finds it unmarked or finds all of it done."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from headway.base.errors import HeadwayError, WrongUse
from headway.deploy.guards import Guards, applying, stricter
from headway.deploy.promotion import BY_THEMSELVES, Follow, Offer, after_deployment, after_release, offers
from headway.domain.contract import Contract, EnvironmentSpec
from headway.domain.request import Request
from headway.drivers.git.bare import Bare
from headway.engine.releases.projects import bare_of
from headway.engine.requests.gate import is_foreign, when_holds
from headway.engine.requests.place import place_automatic
from headway.engine.requests.tools import RequestTools
from headway.engine.standing.what_runs import live_deployment
from headway.engine.work_faults import WorkFaults
from headway.store import deployments, requests
from headway.store.database import Transaction
from headway.store.errors import DatabaseUnavailable
from headway.store.follow_ups import (
    GoodDeployment,
    Making,
    follow_deployment,
    follow_run,
    unfollowed_deployments,
    unfollowed_runs,
)
from headway.store.releases import get_release

log = logging.getLogger("headway.promotion")

#: For so long after its end something is looked at again when that fails.
_LOOKED_AT_FOR = timedelta(hours=1)
#: Between two looks, about; one that is given up is told of for as long as it was tried.
_SOON = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Green:
    """What is followed: a release of a service, from a run or from an environment."""

    service: str
    repository: str
    release: str
    commit: str


async def follow_all(tools: RequestTools, now: datetime, faults: WorkFaults) -> list[Request]:
    """Looks at what nobody has looked at; the requests that were made of it. Late is fine: it is all still there."""
    made: list[Request] = []
    for run in await tools.database.fetch(unfollowed_runs):
        made += await _follow_run(tools, run, now, faults)
    for done in await tools.database.fetch(unfollowed_deployments):
        made += await _follow_deployment(tools, done, now, faults)
    return made


async def _follow_run(tools: RequestTools, run: Making, now: datetime, faults: WorkFaults) -> list[Request]:
    follows: tuple[Follow, ...] = ()
    green = _Green(run.service, run.repository, run.release, run.commit)
    try:
        if run.event in BY_THEMSELVES and run.pull_request is None and not run.is_fork:
            follows = await _after_run(tools, run, green)
    except WrongUse as error:
        # Nothing that waiting would mend: the commit's own files.
        log.warning("nothing follows from run %d of %s: %s", run.number, run.service, error.message)
    except Exception as error:
        what = f"what follows from run {run.number} of {run.service} cannot be asked for"
        href = f"/services/{run.service}/runs/{run.number}"
        if _is_tried_again(error, faults, run.run, run.finished_at, now, what=what, href=href):
            return []
    else:
        faults.over(run.run)
    return await tools.database.perform(
        lambda tx: _place(tx, follows, green, now) if follow_run(tx, run.run, now) else []
    )


async def _follow_deployment(
    tools: RequestTools, done: GoodDeployment, now: datetime, faults: WorkFaults
) -> list[Request]:
    follows: tuple[Follow, ...] = ()
    green = _Green(done.service, done.repository, done.release, done.commit)
    try:
        # What a command on this machine or another system has deployed, a person has in hand.
        if done.request and not done.is_rollback:
            contract = await _contract(tools, green)
            found = after_deployment(
                contract.environments, _guards(tools, contract, done.service), done.environment
            )
            follows = await _with_news(tools, found, green)
    except WrongUse as error:
        log.warning("nothing follows from %s in %s: %s", done.release, done.environment, error.message)
    except Exception as error:
        what = f"what follows from {done.release} of {done.service} in {done.environment} cannot be asked for"
        href = f"/services/{done.service}"
        if _is_tried_again(error, faults, done.deployment, done.finished_at, now, what=what, href=href):
            return []
    else:
        faults.over(done.deployment)
    return await tools.database.perform(
        lambda tx: _place(tx, follows, green, now) if follow_deployment(tx, done.deployment, now) else []
    )


def _is_tried_again(
    error: Exception,
    faults: WorkFaults,
    key: str,
    finished_at: datetime | None,
    now: datetime,
    *,
    what: str,
    href: str,
) -> bool:
    """Tells of it. False: looked at for long enough; one that stays broken would take the room of others with every look."""
    again = (
        isinstance(error, DatabaseUnavailable) or finished_at is None or now - finished_at < _LOOKED_AT_FOR
    )
    rest = _SOON if again else _LOOKED_AT_FOR
    faults.note(key, error, what=what, href=href, began_at=now, now=now, rest=rest)
    if again:
        log.warning("%s, and is looked at again: %s", what, error)
    else:
        log.error("%s", what, exc_info=error)
    return again


async def _after_run(tools: RequestTools, run: Making, green: _Green) -> tuple[Follow, ...]:
    contract = await _contract(tools, green)
    asked = [spec for spec in contract.environments.values() if spec.when and spec.after is None]
    if contract.deploy is None or not asked:
        return ()
    live = await tools.database.fetch(
        lambda tx: {spec.name: live_deployment(tx, green.service, spec.name, ours=True) for spec in asked}
    )

    def judge() -> dict[str, tuple[bool, str]]:
        told = {spec.name: when_holds(tools, spec, [run], live[spec.name], run.commit) for spec in asked}
        return {name: verdict for name, verdict in told.items() if verdict is not None}

    when = await asyncio.to_thread(judge)
    return await _with_news(
        tools, after_release(contract.environments, _guards(tools, contract, green.service), when), green
    )


async def _with_news(tools: RequestTools, follows: tuple[Follow, ...], green: _Green) -> tuple[Follow, ...]:
    """Those that go by themselves to where the commit is not known yet: neither live there, nor on its way."""
    wanted = [follow for follow in follows if follow.by_itself]

    def there(tx: Transaction) -> dict[str, list[str]]:
        if is_foreign(tx, tools.settings, green.service, green.repository):
            return {}
        return {follow.environment: _commits_there(tx, green, follow.environment) for follow in wanted}

    if not wanted:
        return ()
    commits = await tools.database.fetch(there)
    wanted = [follow for follow in wanted if follow.environment in commits]

    def new(follow: Follow) -> bool:
        bare = bare_of(Path(green.repository), tools.settings.environment)
        return not any(_holds(bare, one, green.commit) for one in commits[follow.environment])

    return tuple([follow for follow in wanted if await asyncio.to_thread(new, follow)])


def _commits_there(tx: Transaction, green: _Green, environment: str) -> list[str]:
    found = [
        live_deployment(tx, green.service, environment),
        *deployments.unfinished(tx, green.service, environment),
        requests.waiting_at(tx, green.service, environment),
    ]
    return [one.commit for one in found if one is not None]


def _holds(bare: Bare, newer: str, commit: str) -> bool:
    try:
        return bare.is_ancestor(commit, newer)
    except HeadwayError:
        # What another system put there may be of another repository.
        return False


def _place(tx: Transaction, follows: tuple[Follow, ...], green: _Green, now: datetime) -> list[Request]:
    release = get_release(tx, green.release)
    if release is None or release.removed_at is not None:
        return []
    return [place_automatic(tx, release, follow.environment, follow.cause, now) for follow in follows]


async def _contract(tools: RequestTools, green: _Green) -> Contract:
    project = await asyncio.to_thread(tools.projects.declared, green.repository, green.commit, green.service)
    return project.contract


def _guards(tools: RequestTools, contract: Contract, service: str) -> Mapping[str, Guards]:
    floors = tools.org().floors
    return {
        name: stricter(spec, applying(floors, service, name)) for name, spec in contract.environments.items()
    }


def ready_to_promote(
    tx: Transaction, service: str, environments: Mapping[str, EnvironmentSpec]
) -> tuple[Offer, ...]:
    """For pages: what is live in one environment and may be sent on to the next by a person."""
    live = {}
    for name in environments:
        if (found := live_deployment(tx, service, name)) is not None:
            live[name] = found.release
    waiting = {request.environment: request.release for request in requests.waiting_requests(tx, service)}
    return tuple(
        offer
        for offer in offers(environments.values(), live)
        if waiting.get(offer.environment) != offer.release
    )
