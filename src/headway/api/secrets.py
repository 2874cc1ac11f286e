"""Secrets by name: set and removed, never shown."""

from typing import Annotated, TypedDict

import msgspec
from litestar.params import JSONBody

from headway.api.access import ApiRequest, actor_of, caller, server_of, team_of
from headway.api.routes import Body, Name, Wanted, puts, reads, removes
from headway.base.errors import WrongUse
from headway.domain.people import Actor
from headway.domain.secrets import ScopeKind, SecretScope, environment_scope, service_scope, team_scope
from headway.engine.permissions import Action, allows, require
from headway.engine.secrets.vault import FOR_JOBS
from headway.store.database import Transaction
from headway.store.repositories import repository_of_service
from headway.store.secrets import all_secrets, find_secret
from headway.wire.shapes_server import SecretDocument, secret_json


class UnknownSecret(WrongUse):
    http_status = 404


class ScopeWrong(WrongUse):
    pass


class SecretPage(TypedDict):
    items: list[SecretDocument]
    next: str | None


class Value(Body):
    value: Annotated[str, msgspec.Meta(max_length=65_536)]


@reads("/api/secrets", id="listSecrets", does="Names of secrets, whose they are, who set them.", of="secrets")
async def list_secrets(request: ApiRequest, service: Wanted = None, team: Wanted = None) -> SecretPage:
    """Those that the caller's role reaches: of the teams in which it does, or all."""
    server, actor = server_of(request), await actor_of(request)
    if not any(allows(actor, Action.SECRET_LIST, team=name) for name, _ in actor.teams):
        require(actor, Action.SECRET_LIST, team=None)

    def read(tx: Transaction) -> SecretPage:
        found = [sealed.stored for sealed in all_secrets(tx, kinds=FOR_JOBS)]
        shown = [
            one for one in found if _is_wanted(one.scope, service, team) and _may_see(tx, actor, one.scope)
        ]
        return {"items": [secret_json(one, None) for one in shown], "next": None}

    return await server.database.fetch(read)


@puts("/api/secrets/{name:str}", id="setSecret", does="Set a secret.", of="secrets")
async def set_secret(
    request: ApiRequest,
    *,
    name: Name,
    data: JSONBody[Value],
    service: Wanted = None,
    environment: Wanted = None,
    team: Wanted = None,
) -> SecretDocument:
    """Of a service, of one of its environments, or of a team."""
    scope = _scope(service, environment, team)
    actor = await caller(request, Action.SECRET_SET, await _team(request, service, team))
    server = server_of(request)
    now = server.now()

    def work(tx: Transaction) -> SecretDocument:
        server.vault.put(tx, scope, name, data.value, actor, now)
        found = find_secret(tx, scope, name)
        assert found is not None
        return secret_json(found.stored, None)

    return await server.database.perform(work)


@removes("/api/secrets/{name:str}", id="removeSecret", does="Remove a secret.", of="secrets")
async def remove_secret(
    request: ApiRequest,
    *,
    name: Name,
    service: Wanted = None,
    environment: Wanted = None,
    team: Wanted = None,
) -> None:
    scope = _scope(service, environment, team)
    actor = await caller(request, Action.SECRET_SET, await _team(request, service, team))
    server = server_of(request)
    now = server.now()
    if not await server.database.perform(lambda tx: server.vault.remove(tx, scope, name, actor, now)):
        raise UnknownSecret(f"{scope} has no secret '{name[:80]}'", hint="headway secret list")


def _scope(service: str | None, environment: str | None, team: str | None) -> SecretScope:
    for name in (service, environment, team):
        # A slash would make one scope look like another.
        if name is not None and (not name or "/" in name or len(name) > 100 or not name.isprintable()):
            raise ScopeWrong(f"'{name[:80]}' is no such name", hint="as it stands in headway.toml")
    if team is not None and service is None and environment is None:
        return team_scope(team)
    if service is not None and team is None:
        return environment_scope(service, environment) if environment else service_scope(service)
    raise ScopeWrong("a secret is of a team, or of a service and its environment", hint="say one of both")


async def _team(request: ApiRequest, service: str | None, team: str | None) -> str | None:
    return team if service is None else await team_of(request, service)


def _is_wanted(scope: SecretScope, service: str | None, team: str | None) -> bool:
    if service is None and team is None:
        return True
    if scope.kind is ScopeKind.TEAM:
        return scope.owner == team
    return scope.owner.partition("/")[0] == service


def _may_see(tx: Transaction, actor: Actor, scope: SecretScope) -> bool:
    if scope.kind is ScopeKind.TEAM:
        return allows(actor, Action.SECRET_LIST, team=scope.owner)
    repository = repository_of_service(tx, scope.owner.partition("/")[0])
    return allows(actor, Action.SECRET_LIST, team=repository.team if repository else None)


ROUTES = (list_secrets, set_secret, remove_secret)
