"""Services: all of them, one with what runs where, its timeline, its status as the command line shows it."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal, TypedDict

from litestar.params import QueryParameter

from headway.api.access import ApiRequest, looker, server_of
from headway.api.routes import Cursor, Limit, Name, Wanted, place_of, reads
from headway.base.errors import WrongUse
from headway.engine.standing.status import read_status
from headway.engine.views.documents import status_document, trouble_json
from headway.engine.views.service import read_timeline
from headway.engine.views.services import Need, ServiceRow, read_service_row, read_services
from headway.store.views.commits import service_exists
from headway.store.views.timeline import KINDS, Happening
from headway.wire.shapes_delivery import PlaceTroubleDocument, StatusDocument


class UnknownService(WrongUse):
    http_status = 404


class PlaceDocument(TypedDict):
    environment: str
    production: bool
    live_release: str | None
    live_commit: str | None
    live_at: datetime | None
    live_deployment: int | None
    last_deployment: int
    last_state: str
    last_reason: str
    #: What is wrong there, the worst first.
    troubles: list[PlaceTroubleDocument]


class WaitDocument(TypedDict):
    what: str
    reason: str
    for_person: bool


class ServiceDocument(TypedDict):
    name: str
    team: str | None
    #: Of its newest run.
    branch: str | None
    run: int | None
    state: str | None
    reason: str
    commit: str | None
    subject: str | None
    at: datetime | None
    places: list[PlaceDocument]
    waits: list[WaitDocument]
    needs: str


class ServicePage(TypedDict):
    items: list[ServiceDocument]
    next: str | None


class HappeningDocument(TypedDict):
    at: datetime
    kind: str
    id: str
    state: str
    reason: str
    who: str
    number: int | None
    commit: str | None
    subject: str | None
    branch: str | None
    release: str | None
    environment: str | None
    what: str
    finished_at: datetime | None


class Timeline(TypedDict):
    items: list[HappeningDocument]
    next: str | None


@reads("/api/services", id="listServices", does="All services; who needs somebody first.", of="services")
async def list_services(request: ApiRequest, search: Wanted = None) -> ServicePage:
    server = await looker(request)
    found = await server.database.fetch(lambda tx: read_services(tx, search=search or "", everything=True))
    return {"items": [_service(row) for row in found.rows], "next": None}


@reads(
    "/api/services/{service:str}", id="getService", does="One service, and what runs where.", of="services"
)
async def get_service(request: ApiRequest, service: Name) -> ServiceDocument:
    server = await looker(request)
    row = await server.database.fetch(lambda tx: read_service_row(tx, service))
    if row is None:
        raise unknown_service(service)
    return _service(row)


@reads(
    "/api/services/{service:str}/timeline",
    id="getTimeline",
    does="Everything that happened to it, newest first.",
    of="services",
)
async def timeline(
    request: ApiRequest,
    service: Name,
    kind: Annotated[
        Literal["run", "release", "deployment", "request", "change"] | None, QueryParameter()
    ] = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> Timeline:
    server = await looker(request)
    place_of(after)
    await require_service(request, service)
    kinds = [name for name in KINDS if kind in (None, name)]
    found, older = await server.database.fetch(
        lambda tx: read_timeline(tx, service, kinds, before=after or "", limit=limit)
    )
    return {"items": [_happening(one) for one in found], "next": older}


@reads(
    "/api/services/{service:str}/status",
    id="getStatus",
    does="What runs where and what goes on, as `headway status --json` prints it.",
    of="services",
)
async def status(request: ApiRequest, service: Name, environment: Wanted = None) -> StatusDocument:
    server = await looker(request)
    await require_service(request, service)
    found = await asyncio.to_thread(read_status, server.database, service, environment)
    return status_document(found)


async def require_service(request: ApiRequest, service: str) -> None:
    """Raises UnknownService."""
    if not await server_of(request).database.fetch(lambda tx: service_exists(tx, service)):
        raise unknown_service(service)


def unknown_service(service: str) -> UnknownService:
    return UnknownService(
        f"this server knows no service '{service[:100]}'",
        hint="connect its repository: headway repository add URL; headway repository list shows those that are",
    )


def _service(row: ServiceRow) -> ServiceDocument:
    line = row.line
    needs = {Need.BROKEN: "repair", Need.WAITS: "somebody", Need.NOTHING: "nothing"}
    return {
        "name": line.name,
        "team": line.team,
        "branch": line.branch,
        "run": line.run,
        "state": line.state,
        "reason": line.reason,
        "commit": line.commit,
        "subject": line.subject,
        "at": line.at,
        "places": [
            {
                "environment": place.environment,
                "production": place.production,
                "live_release": place.live_release,
                "live_commit": place.live_commit,
                "live_at": place.live_at,
                "live_deployment": place.live,
                "last_deployment": place.number,
                "last_state": place.state,
                "last_reason": place.reason,
                "troubles": [trouble_json(one) for one in row.troubles.get(place.environment, ())],
            }
            for place in row.places.values()
        ],
        "waits": [
            {"what": wait.text, "reason": wait.reason, "for_person": wait.for_person} for wait in row.waits
        ],
        "needs": needs[row.need],
    }


def _happening(one: Happening) -> HappeningDocument:
    return {
        "at": one.at,
        "kind": one.kind,
        "id": one.key,
        "state": one.state,
        "reason": one.reason,
        "who": one.who,
        "number": one.number,
        "commit": one.commit,
        "subject": one.subject,
        "branch": one.branch,
        "release": one.release,
        "environment": one.environment,
        "what": one.what,
        "finished_at": one.finished_at,
    }


ROUTES = (list_services, get_service, timeline, status)
