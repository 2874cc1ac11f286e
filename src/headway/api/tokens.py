"""Tokens of programs: one's own, and everybody's for who manages people."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, TypedDict

import msgspec
from litestar.params import JSONBody

from headway.api.access import SOCKET, ApiRequest, actor_of, server_of
from headway.api.routes import Body, Flag, Name, Word, posts, reads, removes
from headway.domain.people import Scope
from headway.engine.permissions import NotAllowed
from headway.wire.shapes_server import TokenDocument, token_json


class TokenPage(TypedDict):
    items: list[TokenDocument]
    next: str | None


class NewToken(Body):
    name: Word
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=20)]
    #: Never, if not said.
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    #: Whose it is, for whoever calls through the socket of the server's own machine; else it is the caller's.
    person: Word | None = None


@reads("/api/tokens", id="listTokens", does="Tokens, newest first.", of="people")
async def list_tokens(request: ApiRequest, everybody: Flag = False) -> TokenPage:
    """One's own; with `everybody` all, for who manages people."""
    server, actor = server_of(request), await actor_of(request)
    found = await server.people.tokens.list(actor, everybody=everybody)
    now = server.now()
    return {"items": [token_json(token, now) for token in found], "next": None}


@posts(
    "/api/tokens", id="createToken", does="Make a token; its text is in the answer, this once.", of="people"
)
async def create(request: ApiRequest, data: JSONBody[NewToken]) -> TokenDocument:
    server, actor = server_of(request), await actor_of(request)
    if data.person is not None and data.person != actor.name:
        if actor.by != SOCKET:
            raise NotAllowed(
                "a token belongs to whoever makes it",
                hint="on the server's own machine: headway token create NAME --for HANDLE",
            )
        actor = replace(actor, name=data.person)
    made = await server.people.create_token(actor, data.name, set(data.scopes), data.expires_at)
    return token_json(made.token, server.now(), text=made.text)


@removes("/api/tokens/{id:str}", id="revokeToken", does="End a token at once.", of="people", status_code=200)
async def revoke(request: ApiRequest, id: Name) -> TokenDocument:
    server, actor = server_of(request), await actor_of(request)
    found = await server.people.revoke_token(actor, id)
    now = server.now()
    return token_json(found if found.revoked_at else replace(found, revoked_at=now), now)


ROUTES = (list_tokens, create, revoke)
