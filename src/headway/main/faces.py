"""Which face answers which address. The two that must be fast or stream stand before the frameworks."""

from typing import Any

from headway.api.asgi import Application, Receive, Scope, Send, answer_problem

_API = ("/api", "/metrics", "/healthz", "/readyz")


class Faces:
    """One ASGI application out of several, told apart by the path alone."""

    def __init__(self, *, hooks: Application, git: Application, api: Application, web: Any) -> None:
        self._hooks = hooks
        self._git = git
        self._api = api
        self._web = web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _refuse(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith("/hooks/"):
            await self._hooks(scope, receive, send)
        elif path.startswith("/git/"):
            await self._git(scope, receive, send)
        elif path in _API or path.startswith("/api/"):
            await self._api(scope, receive, send)
        elif self._web is not None:
            await self._web(scope, receive, send)
        else:
            await answer_problem(send, 404, "this server has no pages: it was started without the duty web")


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Start and end of the process are ours, not the applications'; nobody speaks WebSocket here."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
