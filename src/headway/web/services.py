"""The pages of services: all of them, one with its timeline, and all of one commit."""

import re
from urllib.parse import quote

from litestar import get

from headway.engine.permissions import Action
from headway.engine.views.commit import read_commit
from headway.engine.views.find import find_address
from headway.engine.views.service import read_service
from headway.engine.views.services import read_services
from headway.web.asking import requests_of
from headway.web.rendering import segment
from headway.web.visit import NothingThere, PageRequest, PageResponse, enter, go

KINDS = (
    ("", "Everything"),
    ("run", "Runs"),
    ("release", "Releases"),
    ("deployment", "Deployments"),
    ("request", "Requests"),
    ("change", "Settings"),
)
#: Ways back that get a button; others stand on the pages of their deployments.
_MOST_BACKS = 2
_SHA = re.compile(r"[0-9a-f]{4,64}")


@get("/")
async def services(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    search, everything = visit.query.get("q", "")[:200], visit.query.get("all") == "1"
    view = await visit.read(lambda tx: read_services(tx, search=search, everything=everything))
    return await visit.page("services.html", title="Services", here="services", view=view, search=search)


@get("/services/{service:str}")
async def service(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    name, kind = visit.path["service"], visit.query.get("kind", "")
    team = await visit.team_of(name)
    hidden = () if visit.may(Action.SECRET_LIST, team) else ("change",)
    view = await visit.read(
        lambda tx: read_service(tx, name, kind=kind, before=visit.query.get("before", ""), hidden=hidden)
    )
    if view is None:
        raise NothingThere(
            f"Headway knows no service “{name}”: nothing of it was ever run, released or deployed."
        )
    kinds = [pair for pair in KINDS if pair[0] not in hidden]
    can_ask, places = requests_of(visit.server) is not None, view.row.places
    newest_is_everywhere = bool(places) and all(
        place.live_release == view.newest_release and environment not in view.row.troubles
        for environment, place in places.items()
    )
    backs = [
        (environment, f"/services/{segment(name)}/deployments/{place.live}/roll-back")
        for environment, place in places.items()
        if place.production and place.live is not None and place.number > 1
        if can_ask and await visit.may_there(Action.DEPLOYMENT_ROLLBACK, name, environment)
    ]
    return await visit.page(
        "service.html",
        title=name,
        here="services",
        view=view,
        kind=kind,
        kinds=kinds,
        may_start=view.repository is not None and visit.may(Action.RUN_START, team),
        may_deploy=can_ask and not newest_is_everywhere and visit.may(Action.DEPLOYMENT_REQUEST, team),
        backs=backs[:_MOST_BACKS],
    )


@get("/c/{sha:str}")
async def commit(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    sha = visit.path["sha"].lower()
    view = await visit.read(lambda tx: read_commit(tx, sha)) if _SHA.fullmatch(sha) else None
    if view is None:
        raise NothingThere(f"No commit {sha[:40]} was run, released or deployed here.")
    return await visit.page("commit.html", title=f"Commit {view.sha[:7]}", view=view)


@get("/find")
async def find(request: PageRequest) -> PageResponse:
    """Where the search field leads: to the one thing that was meant, else to the services that match."""
    visit = await enter(request)
    text = visit.query.get("q", "").strip()[:200]
    address = await visit.read(lambda tx: find_address(tx, text))
    return go(address or (f"/?q={quote(text)}" if text else "/"))


ROUTES = [services, service, commit, find]
