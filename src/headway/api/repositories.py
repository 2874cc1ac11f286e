"""Repositories that the server knows."""

from typing import Any

import msgspec
from litestar import Request, delete, get, post

from headway.api.access import caller, server_of
from headway.domain.intake import ForgeKind, Repository
from headway.engine.permissions import Action
from headway.engine.server import Server


class NewRepository(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    #: What people type and what stands in addresses: `shop`, `team/shop`.
    name: str
    #: Where it is fetched from; without one Headway hosts it.
    url: str = ""
    forge: ForgeKind | None = None
    #: Signs in at the forge: for private repositories, commit statuses and the webhook.
    token: str | None = None
    #: A private key, for an ssh address.
    ssh_key: str | None = None
    #: Seconds between two looks; 0: webhooks alone.
    poll_every: int | None = None
    default_branch: str | None = None


def repository_document(repository: Repository, server: Server) -> dict[str, Any]:
    hosted = repository.forge is ForgeKind.HEADWAY
    return {
        "id": repository.id,
        "name": repository.name,
        "forge": repository.forge,
        "url": f"{server.base_url}/git/{repository.name}.git" if hosted else repository.url,
        "web_url": repository.web_url or None,
        "webhook_url": None if hosted else f"{server.base_url}/hooks/{repository.id}",
        "service": repository.service,
        "team": repository.team,
        "default_branch": repository.default_branch,
        "poll_every": repository.poll_every,
        "checked_at": repository.checked_at,
        "fault": repository.fault or None,
        "created_at": repository.created_at,
        "created_by": repository.created_by,
    }


@get(
    "/api/repositories",
    operation_id="listRepositories",
    summary="All repositories, by name.",
    tags=["repositories"],
)
async def list_repositories(request: Request[Any, Any, Any]) -> dict[str, Any]:
    await caller(request, Action.LOOK)
    server = server_of(request)
    found = await server.repositories.all()
    return {"items": [repository_document(repository, server) for repository in found], "next": None}


@post(
    "/api/repositories",
    operation_id="addRepository",
    summary="Connect a repository, or have one hosted.",
    tags=["repositories"],
)
async def add_repository(request: Request[Any, Any, Any], data: NewRepository) -> dict[str, Any]:
    actor = await caller(request, Action.REPOSITORY_ADD)
    server = server_of(request)
    added = await server.repositories.add(actor, **msgspec.structs.asdict(data))
    server.duties.wake("look")
    return {"repository": repository_document(added.repository, server), "webhook_secret": added.hook_secret}


@delete(
    "/api/repositories/{id:str}",
    operation_id="removeRepository",
    summary="Forget a repository; its runs stay.",
    tags=["repositories"],
)
async def remove_repository(request: Request[Any, Any, Any], id: str) -> None:
    actor = await caller(request, Action.REPOSITORY_REMOVE)
    server = server_of(request)
    repository = await server.repositories.by_id(id) or await server.repositories.by_name(id)
    await server.repositories.remove(actor, repository)


ROUTES = (list_repositories, add_repository, remove_repository)
