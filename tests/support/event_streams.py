"""A stream of server-sent events, read from an ASGI app as a browser reads it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

Event = tuple[str, str | None, Any]


class Reader:
    def __init__(self, app: Any, query: str, session: str, *, last_event_id: str | None = None) -> None:
        headers = [(b"host", b"headway.test"), (b"cookie", f"headway_session={session}".encode())]
        if last_event_id is not None:
            headers.append((b"last-event-id", last_event_id.encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/live",
            "raw_path": b"/live",
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("headway.test", 80),
        }
        self.session = session
        self.status = 0
        self.headers: dict[str, str] = {}
        self._messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._left = asyncio.Event()
        self._reads = asyncio.Event()
        self._reads.set()
        self._rest = ""
        self._task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: Any, scope: Any) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            self._messages.put_nowait(None)

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self._reads.wait()
        self._messages.put_nowait(message)

    async def begun(self) -> None:
        message = await asyncio.wait_for(self._messages.get(), 60)
        assert message is not None
        self.status = message["status"]
        self.headers = {name.decode(): value.decode() for name, value in message["headers"]}

    async def next(self) -> Event:
        """(event, id, data)"""
        while "\n\n" not in self._rest:
            message = await asyncio.wait_for(self._messages.get(), 60)
            if message is None:
                raise StopAsyncIteration
            self._rest += message["body"].decode()
        said, self._rest = self._rest.split("\n\n", 1)
        fields = dict(line.split(": ", 1) for line in said.split("\n"))
        return fields["event"], fields.get("id"), json.loads(fields["data"])

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            try:
                yield await self.next()
            except StopAsyncIteration:
                return

    def stall(self) -> None:
        """From here on nothing is taken any more."""
        self._reads.clear()

    async def ended(self) -> None:
        await asyncio.wait({self._task})

    async def close(self) -> None:
        self._reads.set()
        self._left.set()
        await asyncio.wait({self._task}, timeout=60)
        assert self._task.done()
