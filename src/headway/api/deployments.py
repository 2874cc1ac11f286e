"""Deployments: the list, one of them, what can be asked of it, and those that something else did."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal, TypedDict

import msgspec
from litestar.params import JSONBody, PathParameter, QueryParameter

from headway.api.access import ApiRequest, actor_of, looker, server_of
from headway.api.requests import requests_here
from headway.api.routes import (
    Body,
    Cursor,
    Limit,
    Name,
    Text,
    Wanted,
    Word,
    key_of,
    place_of,
    posts,
    reads,
)
from headway.base.errors import WrongUse
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.drivers.ssh.connections import Connections
from headway.engine.deployments.gone import end_gone
from headway.engine.deployments.hold import World
from headway.engine.deployments.rename import rename_environment
from headway.engine.permissions import Action
from headway.engine.requests.gate import require_in
from headway.engine.requests.records import Record, record_deployment
from headway.engine.requests.requests import Requests
from headway.engine.requests.roots import declared_today
from headway.engine.server.server import Server
from headway.store import deployments as rows
from headway.store.database import Transaction
from headway.store.pages import cut
from headway.store.views.deployments import deployment_lines
from headway.wire.shapes_delivery import (
    DeploymentDocument,
    DeploymentStepDocument,
    HostRowDocument,
    deployment_json,
    deployment_step_json,
    host_row_json,
)


class UnknownDeployment(WrongUse):
    http_status = 404


class DeploymentPage(TypedDict):
    items: list[DeploymentDocument]
    next: str | None


class WholeDeployment(TypedDict):
    deployment: DeploymentDocument
    hosts: list[HostRowDocument]
    steps: list[DeploymentStepDocument]
    #: The request that it fulfils; what a person asks of it now.
    request: str | None
    asked: str | None
    #: Why it cannot be driven now, and what is asked of it not heeded; None when it can.
    fault: str | None


class GoneDocument(TypedDict):
    host: str
    #: What it had.
    release: str | None


class Recorded(TypedDict):
    deployment: DeploymentDocument
    #: False: it was told before.
    is_new: bool


Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class Recording(Body):
    """What another system has deployed."""

    service: Word
    environment: Word
    #: A whole id; of a repository that this server knows anything that names a commit.
    commit: Word
    #: Who did it: `jenkins`, `deploy.sh`.
    source: Word
    state: Literal["succeeded", "failed", "rolled_back", "cancelled"] = "succeeded"
    kind: Literal["planned", "hotfix", "rollback"] = "planned"
    started_at: Aware | None = None
    #: Now, if not said.
    finished_at: Aware | None = None
    #: What its own system calls the release, and where that shows it.
    version: Text = ""
    url: Text = ""
    #: Told again with the same one, it is the same deployment.
    key: Word | None = None
    #: Whether the metrics count it.
    production: bool | None = None


@reads("/api/deployments", id="listDeployments", does="Deployments, newest first.", of="deployments")
async def list_deployments(
    request: ApiRequest,
    *,
    service: Wanted = None,
    environment: Wanted = None,
    in_state: Annotated[
        Literal["running", "waiting", "succeeded", "failed", "cancelled"] | None, QueryParameter(name="state")
    ] = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> DeploymentPage:
    server = await looker(request)
    place = place_of(after)

    def read(tx: Transaction) -> DeploymentPage:
        lines = deployment_lines(
            tx,
            service=service,
            environment=environment,
            group=in_state or "",
            place=place,
            limit=limit + 1,
        )
        page, older = cut(lines, limit, lambda line: (line.at, line.id))
        found = [rows.get_deployment(tx, line.id) for line in page]
        return {
            "items": [deployment_json(one) for one in found if one is not None],
            "next": older,
        }

    return await server.database.fetch(read)


@posts(
    "/api/deployments",
    id="recordDeployment",
    does="Record what something else has deployed.",
    of="deployments",
)
async def record(request: ApiRequest, data: JSONBody[Recording]) -> Recorded:
    """It stands in the timeline and counts in the metrics; Headway knows no way back from it."""
    told = Record(
        **{
            **msgspec.structs.asdict(data),
            "state": DeploymentState(data.state),
            "kind": DeploymentKind(data.kind),
            "key": data.key or key_of(request),
        }
    )
    tools = requests_here(server_of(request)).tools
    found = await record_deployment(tools, await actor_of(request), told)
    return {"deployment": deployment_json(found.deployment), "is_new": found.is_new}


@reads(
    "/api/deployments/{id:str}", id="getDeployment", does="One deployment, host by host.", of="deployments"
)
async def get_deployment(request: ApiRequest, id: Name) -> WholeDeployment:
    server = await looker(request)
    return await _whole(server, await _found(server, id))


@reads(
    "/api/services/{service:str}/deployments/{number:int}",
    id="getDeploymentByNumber",
    does="One deployment by its service and number.",
    of="deployments",
)
async def get_by_number(
    request: ApiRequest, service: Name, number: Annotated[int, PathParameter(ge=1, le=10**12)]
) -> WholeDeployment:
    server = await looker(request)
    found = await server.database.fetch(lambda tx: rows.deployment_by_number(tx, service, number))
    if found is None:
        raise UnknownDeployment(
            f"{service} has no deployment {number}", hint="headway status shows the newest"
        )
    return await _whole(server, found)


@posts(
    "/api/deployments/{id:str}/{asked:str}",
    id="askOfDeployment",
    does="Pause it, let it go on, stop it as it is, or take it back.",
    of="deployments",
    status_code=200,
)
async def ask(
    request: ApiRequest,
    id: Name,
    asked: Annotated[Literal["pause", "go-on", "stop", "back"], PathParameter()],
) -> DeploymentDocument:
    """`pause`: steps at hand end, no other begins · `stop`: hosts whose switch has begun are brought to serve, no other
    is begun · `back`: all that was switched goes back to what it had.
    """
    requests: Requests = requests_here(server_of(request))
    do = {
        "pause": requests.pause,
        "go-on": requests.go_on,
        "stop": requests.stop,
        "back": requests.go_back,
    }
    return deployment_json(await do[asked](await actor_of(request), id))


@posts(
    "/api/services/{service:str}/environments/{environment:str}/hosts/{host:str}/{what:str}",
    id="endGoneHost",
    does="Empty or forget a host that the environment does not name any more.",
    of="deployments",
    status_code=200,
)
async def end_gone_host(
    request: ApiRequest,
    service: Name,
    environment: Name,
    host: Name,
    *,
    what: Annotated[Literal["empty", "forget"], PathParameter()],
) -> GoneDocument:
    """`empty`: what runs there is ended as its own release says · `forget`: it is told of no more, nothing is done."""
    server, actor = server_of(request), await actor_of(request)
    tools = requests_here(server).tools
    await require_in(tools, actor, Action.DEPLOYMENT_REQUEST, service, environment)
    settings = replace(tools.settings, user=actor.name)
    async with Connections(settings.ssh) as connections:
        world = World(settings, tools.clock, connections, require_reach=tools.require_reach)
        known = await end_gone(world, server.database, actor, service, environment, host, what)
    return {"host": known.host, "release": known.release}


class Renaming(Body):
    #: The environment's new name, as the default branch's headway.toml has it.
    to: Word


class RenamedDocument(TypedDict):
    environment: str
    hosts: list[str]


@posts(
    "/api/services/{service:str}/environments/{environment:str}/rename",
    id="renameEnvironment",
    does="Give an environment's roots, hosts and history to the name that the default branch has for it now.",
    of="deployments",
    status_code=200,
)
async def rename(
    request: ApiRequest, service: Name, environment: Name, data: JSONBody[Renaming]
) -> RenamedDocument:
    """Every host has to answer; its secrets stay under the old name."""
    server, actor = server_of(request), await actor_of(request)
    tools = requests_here(server).tools
    for name in (environment, data.to):
        await require_in(tools, actor, Action.DEPLOYMENT_REQUEST, service, name)
    contract = await asyncio.to_thread(declared_today, tools, service)
    settings = replace(tools.settings, user=actor.name)
    async with Connections(settings.ssh) as connections:
        world = World(settings, tools.clock, connections, require_reach=tools.require_reach)
        hosts = await rename_environment(
            world, server.database, actor, contract, old=environment, new=data.to
        )
    return {"environment": data.to, "hosts": list(hosts)}


async def _found(server: Server, id: str) -> Deployment:
    found = await server.database.fetch(lambda tx: rows.get_deployment(tx, id))
    if found is None:
        raise UnknownDeployment(f"there is no deployment '{id[:60]}'", hint="headway status shows the newest")
    return found


async def _whole(server: Server, deployment: Deployment) -> WholeDeployment:
    fault = server.deployments.faults.of(deployment.id, server.now())

    def read(tx: Transaction) -> WholeDeployment:
        fresh = rows.get_deployment(tx, deployment.id)
        assert fresh is not None
        return {
            "deployment": deployment_json(fresh),
            "hosts": [host_row_json(row) for row in rows.hosts_of(tx, fresh.id)],
            "steps": [deployment_step_json(step) for step in rows.steps_of(tx, fresh.id)],
            "request": fresh.request,
            "asked": fresh.asked,
            "fault": fault.told if fault is not None and not fresh.state.is_final else None,
        }

    return await server.database.fetch(read)


ROUTES = (list_deployments, record, get_deployment, get_by_number, ask, end_gone_host, rename)
