"""Who calls the API: a token's person, or whoever may open the server's own socket on this machine."""

from typing import Any

from litestar import Request

from headway.api.git_http import token_of
from headway.domain.people import Actor, Role
from headway.engine.permissions import Action, require
from headway.engine.server import Server


class NobodyKnown(Exception):
    """No token, or none that is in force; answered with 401."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def server_of(request: Request[Any, Any, Any]) -> Server:
    found: Server = request.app.state.server
    return found


async def actor_of(request: Request[Any, Any, Any]) -> Actor:
    """Raises NobodyKnown."""
    server = server_of(request)
    # A unix socket has no port: only its owner may open it, and they own the data folder as well.
    peer = request.scope.get("server")
    if peer is not None and peer[1] is None:
        return Actor(server.settings.user.partition("@")[0], Role.ADMINISTRATOR, by="socket")
    token = token_of({"authorization": request.headers.get("authorization", "")})
    if token is None:
        raise NobodyKnown("this needs a token: Authorization: Bearer hw_…")
    address = request.client.host if request.client else ""
    actor = await server.people.actor_of_token(token, address=address)
    if actor is None:
        raise NobodyKnown("this token is not known, has run out, or was revoked")
    return actor


async def caller(request: Request[Any, Any, Any], action: Action, team: str | None = None) -> Actor:
    """Who calls, if they may do this. Raises NobodyKnown, NotAllowed."""
    actor = await actor_of(request)
    require(actor, action, team=team)
    return actor
