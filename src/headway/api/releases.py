"""Releases: a service's list, one of them, and those that another system built."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec
from litestar.datastructures import UploadFile
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from headway.api.access import ApiRequest, actor_of, looker, server_of
from headway.api.requests import requests_here
from headway.api.routes import Cursor, Limit, Name, Named, Wanted, faults_of, place_of, posts, reads
from headway.api.services import require_service
from headway.base.errors import WrongUse
from headway.domain.release import Release
from headway.engine.releases.releases import Aim, Found, find_for, view_releases
from headway.engine.requests.records import record_release
from headway.engine.requests.releases import release_for, repository_place
from headway.engine.server.server import Server
from headway.engine.views.documents import release_document
from headway.store.database import Transaction
from headway.store.pages import cut
from headway.store.releases import get_release
from headway.store.views.releases import release_lines
from headway.wire.shapes_delivery import FoundReleaseDocument, ReleaseDocument

#: What an artifact's path may be: relative, without steps up, printable.
_PATH = re.compile(r"(?!/)(?!.*(?:^|/)\.{1,2}(?:/|$))[^\x00-\x1f\x7f\\]{1,1000}")


class UnknownRelease(WrongUse):
    http_status = 404


class UploadWrong(WrongUse):
    http_status = 400

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults), hint="docs/api.md shows an upload")
        self.faults = faults


class ReleasePage(TypedDict):
    items: list[ReleaseDocument]
    next: str | None


class NewRelease(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    service: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    #: What it was built of.
    commit: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


@dataclass
class _UploadOperation(Operation):
    def __post_init__(self) -> None:
        word = Schema(type=OpenAPIType.STRING, min_length=1, max_length=200)
        plain = Schema(
            type=OpenAPIType.OBJECT,
            properties={"service": word, "commit": word},
            required=["service", "commit"],
            additional_properties=False,
        )
        upload = Schema(
            type=OpenAPIType.OBJECT,
            properties={
                "service": word,
                "commit": word,
                "executable": Schema(
                    type=OpenAPIType.STRING, description="The path of a file that may be executed; repeat it."
                ),
            },
            required=["service", "commit"],
            additional_properties=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY),
        )
        self.request_body = RequestBody(
            description="JSON for a release without files; a form for one with files, each in a field that is "
            "called as the artifact's path.",
            content={
                "application/json": OpenAPIMediaType(schema=plain),
                "multipart/form-data": OpenAPIMediaType(schema=upload),
            },
            required=True,
        )


@reads(
    "/api/services/{service:str}/releases",
    id="listReleases",
    does="The service's releases that stand, newest first.",
    of="releases",
)
async def list_releases(
    request: ApiRequest, service: Name, after: Cursor = None, limit: Limit = 50
) -> ReleasePage:
    server = await looker(request)
    place = place_of(after)
    await require_service(request, service)

    def read(tx: Transaction) -> tuple[list[Release], str | None]:
        lines = release_lines(tx, service, place=place, limit=limit + 1)
        page, older = cut(lines, limit, lambda line: (line.at, line.id))
        found = [get_release(tx, line.id) for line in page if line.removed_at is None]
        return [one for one in found if one is not None], older

    found, older = await server.database.fetch(read)
    views = await asyncio.to_thread(view_releases, server.database, service, found)
    return {"items": [release_document(view) for view in views], "next": older}


@reads("/api/releases/{id:str}", id="getRelease", does="One release.", of="releases")
async def get_one(request: ApiRequest, id: Name) -> ReleaseDocument:
    server = await looker(request)
    release = await server.database.fetch(lambda tx: get_release(tx, id))
    if release is None:
        raise UnknownRelease(f"there is no release '{id[:60]}'", hint="headway release lists them")
    return await _document(server, release)


@reads(
    "/api/services/{service:str}/releases/find",
    id="findRelease",
    does="The release that a text names: an id or its beginning, a commit, a branch, a tag.",
    of="releases",
)
async def find(
    request: ApiRequest, service: Name, name: Named, environment: Wanted = None
) -> FoundReleaseDocument:
    """Of a commit with several, the one that a deployment to `environment` takes, and in `chosen` why."""
    server = await looker(request)
    await require_service(request, service)

    def work() -> Found:
        place = server.database.read(lambda tx: repository_place(tx, server.settings, service))
        if place is None:
            raise UnknownRelease(f"{service} has no release '{name[:100]}'")
        if environment and server.deployments is not None:
            tools = server.deployments.requests.tools
            return release_for(tools, service=service, text=name, environment=environment)
        aim = Aim(environment)
        return find_for(server.database, server.tools.git, aim, service=service, repository=place, text=name)

    found = await asyncio.to_thread(work)
    return {**await _document(server, found.release), "chosen": found.said}


@posts(
    "/api/releases",
    id="addRelease",
    does="A release of what another system built.",
    of="releases",
    operation_class=_UploadOperation,
)
async def add(request: ApiRequest) -> ReleaseDocument:
    """The same content is the same release. Without files where a script deploys it."""
    server, actor = server_of(request), await actor_of(request)
    tools = requests_here(server).tools
    if request.content_type[0] == "multipart/form-data":
        try:
            form = await request.form()
        except ValueError as error:
            raise UploadWrong(f"the form cannot be read: {error}") from error
        told, files, executable = _upload(form.multi_items())
    else:
        body, files, executable = await request.body(), {}, set[str]()
        if faults := faults_of(body, NewRelease):
            raise UploadWrong(*faults)
        told = msgspec.json.decode(body, type=NewRelease)
    with tempfile.TemporaryDirectory(prefix=".headway-upload-", dir=server.settings.data) as folder:
        placed = await asyncio.to_thread(_placed, Path(folder), files, executable)
        made = await record_release(tools, actor, service=told.service, commit=told.commit, files=placed)
    return await _document(server, made)


def _upload(fields: Any) -> tuple[NewRelease, dict[str, UploadFile], set[str]]:
    """What a form says. Raises UploadWrong with all that is wrong."""
    words: dict[str, str] = {}
    files: dict[str, UploadFile] = {}
    executable: set[str] = set()
    faults: list[str] = []
    for name, value in fields:
        if isinstance(value, UploadFile):
            if not _PATH.fullmatch(name):
                faults.append(f"'{name[:100]}' cannot be an artifact's path: relative, without ..")
            elif name in files:
                faults.append(f"'{name[:100]}' is there twice")
            files[name] = value
        elif name == "executable":
            executable.add(str(value))
        elif name in ("service", "commit") and isinstance(value, str) and 0 < len(value) <= 200:
            words[name] = value
        else:
            faults.append(f"{name[:100]}: is no field of a release, and no file")
    faults += [f"{name}: is missing" for name in ("service", "commit") if name not in words]
    faults += [f"executable: '{name[:100]}' is none of the files" for name in executable - files.keys()]
    if faults:
        raise UploadWrong(*faults)
    return NewRelease(service=words["service"], commit=words["commit"]), files, executable


def _placed(folder: Path, files: Mapping[str, UploadFile], executable: set[str]) -> dict[str, Path]:
    """As files: named by number, for a path is a stranger's. Blocks."""
    found = {}
    for number, (path, upload) in enumerate(files.items()):
        place = folder / str(number)
        upload.file.seek(0)
        with place.open("wb") as target:
            shutil.copyfileobj(upload.file, target)
        place.chmod(0o700 if path in executable else 0o600)
        found[path] = place
    return found


async def _document(server: Server, release: Release) -> ReleaseDocument:
    [view] = await asyncio.to_thread(view_releases, server.database, release.service, [release])
    return release_document(view)


ROUTES = (list_releases, get_one, find, add)
