"""Where a wish for a deployment stands: one waits at a gate; what comes to it there, and in place of what."""

from dataclasses import replace
from datetime import datetime, timedelta

from headway.base.ids import new_id
from headway.domain.deployment import DeploymentKind
from headway.domain.release import Release
from headway.domain.request import Request, RequestOrigin, RequestState
from headway.engine.audit import HEADWAY, record
from headway.engine.deployments.news import tell_request
from headway.engine.permissions import Action
from headway.store import requests
from headway.store.counters import next_number
from headway.store.database import Transaction

#: A request that nobody lets pass for so long is over.
EXPIRES = timedelta(days=14)


def new_request(  # noqa: PLR0917  (of what, where to, by whom, why, when)
    release: Release,
    environment: str,
    requested_by: str,
    origin: RequestOrigin,
    cause: str,
    now: datetime,
) -> Request:
    return Request(
        id=new_id("req", now),
        service=release.service,
        environment=environment,
        release=release.id,
        commit=release.commit,
        repository=release.repository,
        kind=DeploymentKind.PLANNED,
        force=False,
        requested_by=requested_by,
        requested_at=now,
        origin=origin,
        cause=cause,
        state=RequestState.WAITING,
        reason="the gate is asked in a moment",
        expires_at=now + EXPIRES,
        due_at=now,
    )


def place(tx: Transaction, made: Request, now: datetime) -> tuple[Request, bool]:
    """Puts it at the gate; answers with what stands there for it now, and whether it is new.

    The rule. The same cause makes it once. The same wish as the one that waits is that one. Another release takes the
    place of the one that waits; but what Headway asks for by itself never takes that of a hotfix or of a way back.
    """
    # The counter's row is locked until we are done: two that come at once are placed one after the other.
    next_number(tx, made.service, "request")
    before = requests.request_by_cause(tx, made.service, made.environment, made.release, made.cause)
    if before is not None:
        return before, False
    standing = requests.waiting_at(tx, made.service, made.environment)
    if standing is not None:
        if _wish(standing) == _wish(made):
            return standing, False
        urgent = standing.kind in (DeploymentKind.HOTFIX, DeploymentKind.ROLLBACK)
        if made.origin is RequestOrigin.AUTOMATIC and urgent:
            told = f"a {standing.kind} to {standing.release} waits there, which goes first"
            made = replace(
                made, state=RequestState.SUPERSEDED, reason=told, due_at=None, obstacles=(), ended_at=now
            )
        else:
            told = f"superseded by a request for {made.release} by {made.requested_by}"
            requests.end_waiting(tx, standing.id, RequestState.SUPERSEDED, told, now)
            told_anew(tx, standing.id, now)
    requests.insert_request(tx, made)
    return told_anew(tx, made.id, now), True


def _wish(request: Request) -> tuple[object, ...]:
    return request.release, request.kind, request.force, frozenset(request.without)


def place_automatic(
    tx: Transaction, release: Release, environment: str, cause: str, now: datetime
) -> Request:
    """What Headway asks for by itself, once for each cause; within the transaction that marks the cause as followed."""
    made = new_request(release, environment, HEADWAY.name, RequestOrigin.AUTOMATIC, cause, now)
    placed, is_new = place(tx, made, now)
    if is_new:
        record(tx, HEADWAY, Action.DEPLOYMENT_REQUEST, subject_of(made), None, {"cause": cause}, now)
    return placed


def told_anew(tx: Transaction, request_id: str, now: datetime) -> Request:
    found = requests.get_request(tx, request_id)
    assert found is not None
    tell_request(tx, found, now)
    return found


def subject_of(request: Request) -> str:
    return f"{request.service}/{request.environment} {request.release}"
