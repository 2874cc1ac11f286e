"""The API called in this process: as whoever owns the socket, or by tokens of people with this role and these scopes."""

from functools import cache
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar

from headway.api.app import routes
from headway.api.asgi import Application, Message, Receive, Scope, Send
from headway.api.door import Door
from headway.api.unchanged import Unchanged
from headway.domain.people import Actor, Role
from headway.domain.people import Scope as TokenScope
from headway.engine.server.server import Server
from tests.support.serving import ADA, HEAD, Serving

__all__ = ["HEAD", "CalledApi", "Caller"]


@cache
def _routes() -> Litestar:
    """Made once: it takes half a second."""
    return routes()


def api_of(server: Server) -> Application:
    """As `create_api` makes it. The one before is no longer to be called."""
    app = _routes()
    app.state.server = server
    return Door(server, Unchanged(app))  # type: ignore[arg-type]


class Caller:
    """Somebody who calls. Answers are httpx's."""

    def __init__(self, app: Any, token: str | None) -> None:
        async def entered(scope: Scope, receive: Receive, send: Send) -> None:
            # Only the socket has no port: whoever comes by it is the server's owner.
            scope["server"] = ("/headway.sock", None) if token is None else ("headway.test", 80)
            await app(scope, receive, send)

        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(entered), base_url="http://headway.test", headers=headers
        )

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.client.post(path, json={} if body is None else body, **more)

    async def put(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return await self.client.put(path, json=body, **more)

    async def delete(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.delete(path, **more)

    async def document(self, path: str, **more: Any) -> Any:
        """Of a GET that must succeed."""
        answer = await self.get(path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


class CalledApi(Serving):
    def __init__(self, folder: Path, database_url: str) -> None:
        super().__init__(folder, database_url)
        self.app = api_of(self.server)
        self.owner = Caller(self.app, None)
        self._callers = [self.owner]

    async def __aenter__(self) -> "CalledApi":
        await self.server.hub.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for caller in self._callers:
            await caller.client.aclose()
        self.close()

    async def caller(self, role: Role = Role.ADMINISTRATOR, *scopes: TokenScope) -> Caller:
        """By a token with these scopes (all, if none is named) of somebody who has this role."""
        handle = f"a-{role}"
        people = self.server.people
        if handle not in [person.name for person in await people.people()]:
            await people.add_person(ADA, handle, role=role)
        owner = Actor(handle, Role.ADMINISTRATOR, by="socket")
        name = f"token {len(self._callers)}"
        made = await people.create_token(owner, name, set(scopes or TokenScope), None)
        self._callers.append(found := Caller(self.app, made.text))
        return found

    def nobody(self) -> Caller:
        self._callers.append(found := Caller(self.app, "hw_nobody"))
        return found

    async def shop(self, contract: str, *, name: str = "shop") -> str:
        """A repository whose default branch declares a service of that name, taken in; its commit."""
        working = self.working(name)
        sha = working.commit({"headway.toml": HEAD.format(name=name) + contract})
        await self.add(name)
        await self.look()
        return sha


async def message_of(app: Any, scope: Scope, *bodies: Message) -> list[Message]:
    """What a bare ASGI call answers that is sent these messages."""
    waiting, said = list(bodies), []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    return said
