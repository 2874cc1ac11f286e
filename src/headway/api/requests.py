"""Requests for deployments: asked for, looked at beforehand, approved, withdrawn; ways back; what became of them."""

import asyncio
from typing import Annotated, Literal, TypedDict

import msgspec
from litestar.params import JSONBody, QueryParameter

from headway.api.access import ApiRequest, actor_of, caller, looker, server_of
from headway.api.routes import (
    Body,
    Cursor,
    Limit,
    Name,
    Named,
    Text,
    Wanted,
    Word,
    key_of,
    place_of,
    posts,
    reads,
)
from headway.base.errors import Held
from headway.domain.deployment import DeploymentKind
from headway.engine.deployments.deployments import Wish, dry_run
from headway.engine.permissions import Action
from headway.engine.requests.preview import what_it_would_do
from headway.engine.requests.releases import release_for
from headway.engine.requests.requests import Requests
from headway.engine.server.server import Server
from headway.engine.views.documents import plan_document
from headway.store.pages import cut
from headway.store.requests import approvals_of, requests_of, waiting_requests
from headway.wire.shapes_delivery import (
    DeploymentDocument,
    ObstacleDocument,
    PlanDocument,
    RequestDocument,
    WholeRequest,
    approval_json,
    deployment_json,
    obstacle_json,
    request_json,
)


class NotHere(Held):
    """This server leaves deployments to another one on the same database."""

    http_status = 503


class RequestPage(TypedDict):
    items: list[RequestDocument]
    next: str | None


class GoingBackDocument(TypedDict):
    """A request for an older release, or the deployment under way that turns back."""

    request: RequestDocument | None
    deployment: DeploymentDocument | None


class CommitLine(TypedDict):
    sha: str
    subject: str
    author: str


class PreviewDocument(TypedDict):
    #: What happens, where, in place of what.
    sentence: str
    environment: str
    release: str
    commit: str
    kind: str
    #: Hosts by batch, in the order of their switch.
    batches: list[list[str]]
    before: str | None
    commits: list[CommitLine]
    notes: list[str]
    obstacles: list[ObstacleDocument]
    is_possible: bool


Hosts = Annotated[list[Word], msgspec.Meta(max_length=1000)]


class Wanting(Body):
    service: Word
    environment: Word
    #: An id or a beginning of it, a commit, a branch, a tag.
    release: Word
    kind: Literal["planned", "hotfix"] = "planned"
    #: Also when it is live already with the same settings.
    force: bool = False
    #: Hosts to leave out; the next deployment brings them to what the others have.
    without: Hosts = msgspec.field(default_factory=list)


class WantingBack(Body):
    service: Word
    environment: Word
    #: The whole id of a release that was good there; the last one before the live one, if not said.
    to: Word | None = None
    #: Also past a `once` that is declared incompatible.
    force: bool = False
    #: Hosts to leave out; the next deployment brings them to what the others have.
    without: Hosts = msgspec.field(default_factory=list)


class Said(Body):
    #: False: no, which ends the request.
    yes: bool
    comment: Text = ""


class Reason(Body):
    reason: Text = ""


@reads(
    "/api/requests",
    id="listRequests",
    does="What waits at gates; of one service also what came of them.",
    of="deployments",
)
async def list_requests(
    request: ApiRequest, service: Wanted = None, after: Cursor = None, limit: Limit = 50
) -> RequestPage:
    server = await looker(request)
    place = place_of(after)
    found = await server.database.fetch(
        lambda tx: (
            waiting_requests(tx, place=place, limit=limit + 1)
            if service is None
            else requests_of(tx, service, place=place, limit=limit + 1)
        )
    )
    page, more = cut(found, limit, lambda one: (one.requested_at, one.id))
    return {"items": [request_json(one) for one in page], "next": more}


@posts("/api/requests", id="requestDeployment", does="Ask for a deployment.", of="deployments")
async def ask(request: ApiRequest, data: JSONBody[Wanting]) -> RequestDocument:
    """It stands at the environment's gate until nothing is in its way, then goes host by host."""
    made = await requests_here(server_of(request)).request_deployment(
        await actor_of(request),
        service=data.service,
        environment=data.environment,
        release=data.release,
        kind=DeploymentKind(data.kind),
        force=data.force,
        without=data.without,
        key=key_of(request),
    )
    return request_json(made)


@posts("/api/rollbacks", id="requestRollback", does="Ask for the last good release back.", of="deployments")
async def ask_back(request: ApiRequest, data: JSONBody[WantingBack]) -> GoingBackDocument:
    """A deployment under way there is taken back instead."""
    going = await requests_here(server_of(request)).request_rollback(
        await actor_of(request),
        service=data.service,
        environment=data.environment,
        to=data.to,
        force=data.force,
        without=data.without,
        key=key_of(request),
    )
    return {
        "request": request_json(going.request) if going.request else None,
        "deployment": deployment_json(going.deployment) if going.deployment else None,
    }


@reads(
    "/api/requests/{id:str}",
    id="getRequest",
    does="One request, and what people said to it.",
    of="deployments",
)
async def get_request(request: ApiRequest, id: Name) -> WholeRequest:
    server = await looker(request)
    found = await requests_here(server).find(id)
    said = await server.database.fetch(lambda tx: approvals_of(tx, id))
    return {**request_json(found), "approvals": [approval_json(one) for one in said]}


@posts(
    "/api/requests/{id:str}/approve",
    id="approveRequest",
    does="Say yes or no to a request.",
    of="deployments",
    status_code=200,
)
async def approve(request: ApiRequest, id: Name, data: JSONBody[Said]) -> RequestDocument:
    requests = requests_here(server_of(request))
    return request_json(
        await requests.approve(await actor_of(request), id, yes=data.yes, comment=data.comment)
    )


@posts(
    "/api/requests/{id:str}/withdraw",
    id="withdrawRequest",
    does="Take a request back that waits.",
    of="deployments",
    status_code=200,
)
async def withdraw(request: ApiRequest, id: Name, data: JSONBody[Reason]) -> RequestDocument:
    return request_json(
        await requests_here(server_of(request)).withdraw(await actor_of(request), id, data.reason)
    )


@reads(
    "/api/preview",
    id="previewDeployment",
    does="What a deployment would do. Changes nothing.",
    of="deployments",
)
async def preview(
    request: ApiRequest,
    service: Named,
    environment: Named,
    release: Wanted = None,
    *,
    kind: Annotated[Literal["planned", "hotfix", "rollback"], QueryParameter()] = "planned",
    without: Wanted = None,
) -> PreviewDocument:
    """Without a `release`, and of kind `rollback`, of the release that it would go back to. `without`: names of hosts to
    leave out, with commas between them."""
    actor = await caller(request, Action.LOOK)
    tools = requests_here(server_of(request)).tools
    found = await what_it_would_do(
        tools,
        actor,
        service=service,
        environment=environment,
        release=release,
        kind=DeploymentKind(kind),
        without=_names(without),
    )
    return {
        "sentence": found.sentence,
        "environment": found.environment,
        "release": found.release,
        "commit": found.commit,
        "kind": found.kind,
        "batches": [list(batch) for batch in found.batches],
        "before": found.before,
        "commits": [
            {"sha": commit.sha, "subject": commit.subject, "author": commit.author}
            for commit in found.commits
        ],
        "notes": list(found.notes),
        "obstacles": [obstacle_json(one) for one in found.obstacles],
        "is_possible": found.is_possible,
    }


@reads(
    "/api/plan",
    id="planDeployment",
    does="Every command for every host, as a deployment would run it. Changes nothing.",
    of="deployments",
)
async def plan(
    request: ApiRequest,
    service: Named,
    environment: Named,
    release: Named,
    *,
    kind: Annotated[Literal["planned", "hotfix"], QueryParameter()] = "planned",
    without: Wanted = None,
) -> PlanDocument:
    """`without`: names of hosts to leave out, with commas between them."""
    actor = await caller(request, Action.LOOK)
    tools = requests_here(server_of(request)).tools

    def work() -> PlanDocument:
        found = release_for(tools, service=service, text=release, environment=environment).release
        project = tools.projects.of(found.repository, found.commit, service)
        wish = Wish(environment, found, DeploymentKind(kind), without=_names(without))
        return plan_document(dry_run(tools.database, tools.git, project, wish, actor.name))

    return await asyncio.to_thread(work)


def _names(told: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(told.split(","))) if told else ()


def requests_here(server: Server) -> Requests:
    """Raises NotHere."""
    if server.deployments is None:
        raise NotHere("this server leaves deployments to another one", hint="ask that one")
    return server.deployments.requests


ROUTES = (list_requests, ask, ask_back, get_request, approve, withdraw, preview, plan)
