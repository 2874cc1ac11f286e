"""The pages of releases: a service's list, one with what it is made of and where it went, and its files."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

from litestar import Response, get
from litestar.response import Stream

from headway.domain.release import Artifact
from headway.drivers.artifacts import ArtifactGone
from headway.engine.permissions import Action
from headway.engine.views.releases import ReleaseView, read_release, read_releases
from headway.web.asking import requests_of
from headway.web.visit import NothingThere, PageRequest, PageResponse, Visit, enter

_PIECE = 256 * 1024


@get("/services/{service:str}/releases")
async def releases(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    service = visit.path["service"]
    view = await visit.read(lambda tx: read_releases(tx, service, before=visit.query.get("before", "")))
    return await visit.page(
        "releases.html", title=f"Releases of {service}", here="services", view=view, service=service
    )


async def _found(visit: Visit) -> ReleaseView:
    service, id = visit.path["service"], visit.path["id"]
    view = await visit.read(lambda tx: read_release(tx, service, id))
    if view is None:
        raise NothingThere(f"{service} has no release {id}.")
    return view


@get("/services/{service:str}/releases/{id:str}")
async def release(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    view = await _found(visit)
    team = await visit.team_of(view.release.service)
    may_deploy = (
        view.release.removed_at is None
        and requests_of(visit.server) is not None
        and visit.may(Action.DEPLOYMENT_REQUEST, team)
    )
    return await visit.page(
        "release.html", title=view.release.id, here="services", view=view, may_deploy=may_deploy
    )


@get("/services/{service:str}/releases/{id:str}/files/{number:int}")
async def file(request: PageRequest) -> Response[bytes] | Stream:
    """The bytes of one artifact, by its place in the list: its path is somebody's word and stands in no address."""
    visit = await enter(request)
    view, number = await _found(visit), visit.path["number"]
    artifacts = view.release.artifacts
    if not 0 <= number < len(artifacts):
        raise NothingThere(f"{view.release.id} has no such file.")
    artifact = artifacts[number]
    try:
        path = visit.server.tools.artifacts.path_of(artifact)
    except ArtifactGone:
        raise NothingThere(f"The bytes of {artifact.path} are no longer here.") from None
    return Stream(_pieces(path), headers=_download(artifact), media_type="application/octet-stream")


def _download(artifact: Artifact) -> dict[str, str]:
    """Never shown by the browser itself: it may be a page of a stranger's making."""
    name = artifact.path.rpartition("/")[2]
    plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in name if c.isascii()) or "artifact"
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Length": str(artifact.size),
        "Cache-Control": "private, no-store",
        "ETag": f'"{artifact.sha256}"',
    }


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as opened:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece


ROUTES = [releases, release, file]
