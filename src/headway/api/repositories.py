"""Repositories that the server knows."""

from datetime import datetime
from typing import Annotated, TypedDict

import msgspec
from litestar.params import JSONBody

from headway.api.access import ApiRequest, actor_of, caller, looker, server_of
from headway.api.routes import Body, Name, Text, Wanted, Word, posts, reads, removes
from headway.domain.intake import ForgeKind, Repository
from headway.engine.permissions import Action
from headway.engine.repositories.forge_hooks import create_at_forge
from headway.engine.repositories.repositories import UnknownRepository
from headway.engine.server.server import Server
from headway.store.arrivals import StoredArrival, latest_arrivals
from headway.wire.shapes_server import RepositoryDocument, repository_json


class NewRepository(Body):
    #: What people type and what stands in addresses: `shop`, `team/shop`.
    name: Word
    #: Where it is fetched from; without one Headway hosts it.
    url: Text = ""
    forge: ForgeKind | None = None
    #: Signs in at the forge: for private repositories, commit statuses and the webhook.
    token: Text | None = None
    #: A private key, for an ssh address.
    ssh_key: Annotated[str, msgspec.Meta(max_length=20_000)] | None = None
    #: Seconds between two looks; 0: webhooks alone.
    poll_every: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | None = None
    default_branch: Word | None = None


class NewTeam(Body):
    #: Whose roles and secrets count there; None: of no team.
    team: Word | None


class RepositoryPage(TypedDict):
    items: list[RepositoryDocument]
    next: str | None


class AddedRepository(TypedDict):
    repository: RepositoryDocument
    #: For the forge's form; shown this once.
    webhook_secret: str


class NewSecret(TypedDict):
    webhook_secret: str


class ArrivalDocument(TypedDict):
    number: int
    kind: str
    ref: str
    before: str | None
    after: str | None
    sender: str
    subject: str
    received_at: datetime
    state: str
    note: str
    run: str | None


class ArrivalPage(TypedDict):
    items: list[ArrivalDocument]
    next: str | None


@reads("/api/repositories", id="listRepositories", does="All repositories, by name.", of="repositories")
async def list_repositories(
    request: ApiRequest, name: Wanted = None, service: Wanted = None
) -> RepositoryPage:
    server = await looker(request)
    found = [
        repository_json(repository, server.base_url)
        for repository in await server.repositories.all()
        if name in (None, repository.name) and service in (None, repository.service)
    ]
    return {"items": found, "next": None}


@posts(
    "/api/repositories",
    id="addRepository",
    does="Connect a repository, or have one hosted.",
    of="repositories",
)
async def add_repository(request: ApiRequest, data: JSONBody[NewRepository]) -> AddedRepository:
    """With a `url` it is fetched from there; the answer has the address and the secret for a webhook at the forge."""
    actor = await caller(request, Action.REPOSITORY_ADD)
    server = server_of(request)
    added = await server.repositories.add(actor, **msgspec.structs.asdict(data))
    server.duties.wake("look")
    return {
        "repository": repository_json(added.repository, server.base_url),
        "webhook_secret": added.hook_secret,
    }


@reads("/api/repositories/{id:str}", id="getRepository", does="One repository.", of="repositories")
async def get_repository(request: ApiRequest, id: Name) -> RepositoryDocument:
    server = await looker(request)
    return repository_json(await _found(server, id), server.base_url)


@removes(
    "/api/repositories/{id:str}",
    id="removeRepository",
    does="Forget a repository; its runs stay.",
    of="repositories",
)
async def remove_repository(request: ApiRequest, id: Name) -> None:
    actor = await caller(request, Action.REPOSITORY_REMOVE)
    server = server_of(request)
    await server.repositories.remove(actor, await _found(server, id))


@posts(
    "/api/repositories/{id:str}/team",
    id="giveRepository",
    does="Say which team it belongs to; a push never changes that.",
    of="repositories",
    status_code=200,
)
async def give_repository(request: ApiRequest, id: Name, data: JSONBody[NewTeam]) -> RepositoryDocument:
    actor = await caller(request, Action.REPOSITORY_ADD)
    server = server_of(request)
    given = await server.repositories.give_to(actor, await _found(server, id), data.team)
    return repository_json(given, server.base_url)


@posts(
    "/api/repositories/{id:str}/webhook-secret",
    id="renewWebhookSecret",
    does="A new secret for the forge's webhook; the old one counts no more.",
    of="repositories",
)
async def renew_secret(request: ApiRequest, id: Name) -> NewSecret:
    actor = await caller(request, Action.REPOSITORY_ADD)
    server = server_of(request)
    return {"webhook_secret": await server.repositories.renew_hook_secret(actor, await _found(server, id))}


@posts(
    "/api/repositories/{id:str}/webhook",
    id="createForgeWebhook",
    does="Set the webhook at the forge, or put it right there; needs the forge's token.",
    of="repositories",
    status_code=200,
)
async def create_webhook(request: ApiRequest, id: Name) -> RepositoryDocument:
    server, actor = server_of(request), await actor_of(request)
    repository = await _found(server, id)
    await create_at_forge(
        server.database,
        server.repositories,
        actor,
        repository,
        base_url=server.base_url,
        now=server.now(),
    )
    return repository_json(repository, server.base_url)


@posts(
    "/api/repositories/{id:str}/look",
    id="lookAtRepository",
    does="Look for news there at once.",
    of="repositories",
    status_code=202,
)
async def look(request: ApiRequest, id: Name) -> RepositoryDocument:
    await actor_of(request)
    server = server_of(request)
    repository = await _found(server, id)
    await caller(request, Action.RUN_START, repository.team)
    await server.repositories.look_soon(repository.id)
    server.duties.wake("look")
    return repository_json(repository, server.base_url)


@reads(
    "/api/repositories/{id:str}/arrivals",
    id="listArrivals",
    does="What it told last, and what became of that; newest first.",
    of="repositories",
)
async def list_arrivals(request: ApiRequest, id: Name) -> ArrivalPage:
    server = await looker(request)
    repository = await _found(server, id)
    found = await server.database.fetch(lambda tx: latest_arrivals(tx, repository.id, limit=50))
    return {"items": [_arrival(stored) for stored in found], "next": None}


def _arrival(stored: StoredArrival) -> ArrivalDocument:
    arrival = stored.arrival
    return {
        "number": stored.number,
        "kind": arrival.kind,
        "ref": arrival.ref,
        "before": arrival.before,
        "after": arrival.after,
        "sender": arrival.sender,
        "subject": arrival.subject,
        "received_at": stored.received_at,
        "state": stored.state,
        "note": stored.note,
        "run": stored.run,
    }


async def _found(server: Server, id: str) -> Repository:
    """By its id, or by a name without a slash. Raises UnknownRepository."""
    found = await server.repositories.by_id(id)
    if found is not None:
        return found
    try:
        return await server.repositories.by_name(id)
    except UnknownRepository:
        raise UnknownRepository(f"there is no repository '{id[:100]}'") from None


ROUTES = (
    list_repositories,
    add_repository,
    get_repository,
    remove_repository,
    give_repository,
    renew_secret,
    create_webhook,
    look,
    list_arrivals,
)
