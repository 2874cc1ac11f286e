"""Trying a working tree: which commits the server has, and a run of the bundle it is sent."""

import io
from dataclasses import dataclass
from typing import Annotated, TypedDict

import msgspec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import JSONBody, QueryParameter

from headway.api.access import ApiRequest, actor_of, server_of
from headway.api.routes import Body, Flag, Name, Wanted, key_of, posts, reads
from headway.engine.intake.tries import Tried, commits_here, look_up, start_try
from headway.engine.runs.wishes import read_given
from headway.wire.shapes import RunDocument, run_json

BUNDLE = "application/x-git-bundle"
_Sha = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}([0-9a-f]{24})?$")]


class Asked(Body):
    commits: Annotated[list[_Sha], msgspec.Meta(max_length=2000)]


class Known(TypedDict):
    known: list[str]


class CommitDocument(TypedDict):
    #: Its objects lie on the server.
    is_here: bool
    branches: list[str]
    #: Its newest run, of all of it as it was committed.
    run: RunDocument | None


@dataclass
class _BundleOperation(Operation):
    def __post_init__(self) -> None:
        content = {
            BUNDLE: OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY))
        }
        self.request_body = RequestBody(
            description="A bundle of git with one commit; what it builds on, the server has.",
            content=content,
            required=True,
        )


@posts(
    "/api/services/{service:str}/commits/known",
    id="knownCommits",
    does="Which of these commits the server has. Changes nothing.",
    of="runs",
    status_code=200,
)
async def known(request: ApiRequest, service: Name, data: JSONBody[Asked]) -> Known:
    found = await commits_here(
        server_of(request).runs_context, await actor_of(request), service, data.commits
    )
    return {"known": [sha for sha in data.commits if sha in found]}


@reads(
    "/api/services/{service:str}/commits/{sha:str}",
    id="getCommit",
    does="Whether the server has a commit, on which branches, and its newest run.",
    of="runs",
)
async def commit(request: ApiRequest, service: Name, sha: Name) -> CommitDocument:
    found = await look_up(server_of(request).runs_context, await actor_of(request), service, sha)
    return {
        "is_here": found.is_here,
        "branches": list(found.branches),
        "run": None if found.run is None else run_json(found.run),
    }


@posts(
    "/api/services/{service:str}/tries",
    id="tryTree",
    does="Run somebody's working tree, which is sent as a bundle of git. It makes no release.",
    of="runs",
    operation_class=_BundleOperation,
)
async def try_tree(
    request: ApiRequest,
    *,
    service: Name,
    branch: Wanted = None,
    dirty: Flag = False,
    only: Annotated[list[str] | None, QueryParameter(max_items=200)] = None,
    parameter: Annotated[list[str] | None, QueryParameter(max_items=200, description="NAME=VALUE")] = None,
    fail_fast: Flag = False,
) -> RunDocument:
    bundle = io.BytesIO(await request.body())
    tried = Tried(branch, dirty, tuple(only or ()), read_given(parameter or ()), fail_fast)
    server, actor = server_of(request), await actor_of(request)
    return run_json(await start_try(server.runs_context, actor, service, bundle, tried, key=key_of(request)))


ROUTES = (known, commit, try_tree)
