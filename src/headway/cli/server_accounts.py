"""People, tokens and secrets on a server, as documents that the commands draw."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from headway.base.errors import WrongUse
from headway.client.decode import typed
from headway.client.errors import ServerRefused
from headway.client.http import HeadwayClient, segment
from headway.domain.secrets import ScopeKind, SecretScope
from headway.wire.shapes_server import PersonDocument, SecretDocument, TokenDocument


def list_people(server: HeadwayClient) -> list[PersonDocument]:
    return typed(server.get("/api/people")["items"], list[PersonDocument])


def add_person(server: HeadwayClient, body: Mapping[str, Any]) -> PersonDocument:
    return typed(server.post("/api/people", body), PersonDocument)


def set_role(server: HeadwayClient, handle: str, role: str) -> PersonDocument:
    return typed(server.put(f"/api/people/{segment(handle)}/role", {"role": role}), PersonDocument)


def disable_person(server: HeadwayClient, handle: str, *, undo: bool) -> PersonDocument:
    verb = "enable" if undo else "disable"
    return typed(server.post(f"/api/people/{segment(handle)}/{verb}"), PersonDocument)


def invite_person(server: HeadwayClient, handle: str) -> str:
    """The link."""
    return str(server.post(f"/api/people/{segment(handle)}/invite")["link"])


def create_token(
    server: HeadwayClient,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    *,
    person: str | None,
) -> TokenDocument:
    """By the socket it is `person`'s, or that of the one who has an account; else it is the caller's own."""
    if person is None and server.is_local:
        people = [one["handle"] for one in list_people(server) if one["disabled_at"] is None]
        if len(people) != 1:
            known = f"There are {', '.join(people[:10])}" if people else "There is nobody"
            raise WrongUse(f"whose token? {known}", hint="say --for HANDLE; headway people add HANDLE")
        person = people[0]
    body = {
        "name": name,
        "scopes": list(scopes),
        "expires_at": expires_at.isoformat() if expires_at else None,
        "person": person,
    }
    return typed(server.post("/api/tokens", body), TokenDocument)


def list_tokens(server: HeadwayClient) -> list[TokenDocument]:
    """Everybody's, for who manages people; else one's own."""
    try:
        found = server.get("/api/tokens", everybody=True)
    except ServerRefused as error:
        if error.status != 403:
            raise
        found = server.get("/api/tokens")
    return typed(found["items"], list[TokenDocument])


def revoke_token(server: HeadwayClient, id: str) -> TokenDocument:
    return typed(server.delete(f"/api/tokens/{segment(id)}"), TokenDocument)


def set_secret(server: HeadwayClient, scope: SecretScope, name: str, value: str) -> SecretDocument:
    path = f"/api/secrets/{segment(name)}"
    return typed(server.put(path, {"value": value}, **_query(scope)), SecretDocument)


def list_secrets(server: HeadwayClient) -> list[SecretDocument]:
    return typed(server.get("/api/secrets")["items"], list[SecretDocument])


def remove_secret(server: HeadwayClient, scope: SecretScope, name: str) -> None:
    server.delete(f"/api/secrets/{segment(name)}", **_query(scope))


def _query(scope: SecretScope) -> dict[str, str]:
    if scope.kind is ScopeKind.TEAM:
        return {"team": scope.owner}
    service, _, environment = scope.owner.partition("/")
    return {"service": service, **({"environment": environment} if environment else {})}
