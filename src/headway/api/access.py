"""Who calls the API: a token's person, or whoever may open the server's own socket on this machine."""

from typing import Any

from litestar import Request

from headway.api.asgi import Scope, headers_of
from headway.api.git_http import token_of
from headway.domain.people import Actor, Role
from headway.engine.permissions import Action, require
from headway.engine.server.server import Server
from headway.store.database import Transaction
from headway.store.repositories import repository_of_service

#: The request of every route. Litestar reads the annotations of handlers when it starts.
ApiRequest = Request[Any, Any, Any]
#: Where in a request's scope the caller stands, once somebody asked.
_ACTOR = "headway.actor"
#: How `Actor.by` names whoever came by the socket.
SOCKET = "socket"


class NobodyKnown(Exception):
    """No token, or none that is in force; answered with 401."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def server_of(request: ApiRequest) -> Server:
    found: Server = request.app.state.server
    return found


async def actor_in(server: Server, scope: Scope, *, anew: bool = False) -> Actor:
    """`anew`: also when this request was asked before, as a stream that lasts does. Raises NobodyKnown."""
    known: Actor | None = scope.get(_ACTOR)
    if known is None or anew:
        known = scope[_ACTOR] = await _who(server, scope)
    return known


async def actor_of(request: ApiRequest) -> Actor:
    """Raises NobodyKnown."""
    return await actor_in(server_of(request), request.scope)  # type: ignore[arg-type]


async def caller(request: ApiRequest, action: Action, team: str | None = None) -> Actor:
    """Who calls, if they may do this. Raises NobodyKnown, NotAllowed."""
    actor = await actor_of(request)
    require(actor, action, team=team)
    return actor


async def looker(request: ApiRequest) -> Server:
    """The server, for who may look at it. Raises NobodyKnown, NotAllowed."""
    await caller(request, Action.LOOK)
    return server_of(request)


async def team_of(request: ApiRequest, service: str) -> str | None:
    """Whose service it is: where a team's role counts."""

    def work(tx: Transaction) -> str | None:
        repository = repository_of_service(tx, service)
        return None if repository is None else repository.team

    return await server_of(request).database.fetch(work)


async def _who(server: Server, scope: Scope) -> Actor:
    # A unix socket has no port: only its owner may open it, and they own the data folder as well.
    peer = scope.get("server")
    if peer is not None and peer[1] is None:
        return Actor(server.settings.user.partition("@")[0], Role.ADMINISTRATOR, by=SOCKET)
    token = token_of({"authorization": headers_of(scope).get("authorization", "")})
    if token is None:
        raise NobodyKnown("this needs a token: Authorization: Bearer hw_…")
    client = scope.get("client")
    actor = await server.people.actor_of_token(token, address=client[0] if client else "")
    if actor is None:
        raise NobodyKnown("this token is not known, has run out, or was revoked")
    return actor
