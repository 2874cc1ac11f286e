"""`/api/events`: what happens, in its order, from wherever a reader left off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headway.api import events
from headway.domain.people import Role, Scope
from headway.store.events import add_event, forget_events
from tests.support.called_api import CalledApi


class Reading:
    """One stream, read piece by piece."""

    def __init__(self, api: CalledApi, path: str, *headers: tuple[bytes, bytes], token: str = "") -> None:
        self._leave = asyncio.Event()
        self._said: asyncio.Queue[bytes] = asyncio.Queue()
        self.status = 0
        query = path.partition("?")[2].encode()
        sent = [*headers, *([(b"authorization", f"Bearer {token}".encode())] if token else [])]
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/api/events",
            "raw_path": b"/api/events",
            "query_string": query,
            "headers": sent,
            "server": ("h", 80) if token else ("/s", None),
            "client": None,
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
        }
        self.task = asyncio.create_task(api.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message.get("body"):
            await self._said.put(message["body"])
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            # As an HTTP server does after an answer's end.
            self._leave.set()

    async def next(self) -> str:
        return (await asyncio.wait_for(self._said.get(), 60)).decode()

    async def event(self) -> tuple[str, str, Any]:
        """(id, kind, data), comments left out."""
        while True:
            lines = dict(
                line.split(": ", 1)
                for line in (await self.next()).splitlines()
                if not line.startswith(":") and line
            )
            if "event" in lines:
                return lines["id"], lines["event"], json.loads(lines["data"])

    async def close(self) -> None:
        self._leave.set()
        await asyncio.wait_for(self.task, 60)


@asynccontextmanager
async def reading(api: CalledApi, path: str, *headers: tuple[bytes, bytes]) -> AsyncIterator[Reading]:
    pump = asyncio.create_task(api.server.hub.run())
    found = Reading(api, path, *headers)
    try:
        assert (await found.next()).startswith("retry: 1000\n")
        yield found
    finally:
        await found.close()
        pump.cancel()


async def happen(api: CalledApi, kind: str, service: str, subject: str) -> int:
    now = api.server.now()
    return await api.database.perform(
        lambda tx: add_event(tx, kind, service=service, subject=subject, data={"state": "x"}, now=now)
    )


async def test_what_happens_is_told_as_it_happens(api: CalledApi) -> None:
    async with reading(api, "/api/events") as stream:
        position = await happen(api, "run.changed", "shop", "run-1")
        told = {"kind": "run.changed", "service": "shop", "subject": "run-1", "data": {"state": "x"}}
        assert await stream.event() == (str(position), "run.changed", told)
    assert api.server.hub.readers == 0


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_reader_goes_on_where_it_left_off(api: CalledApi, by_header: bool) -> None:
    positions = [await happen(api, "run.changed", "shop", f"run-{number}") for number in range(5)]
    await api.server.hub.round()
    path, headers = "/api/events", ((b"last-event-id", str(positions[2]).encode()),)
    if not by_header:
        path, headers = f"/api/events?after={positions[2]}", ()
    async with reading(api, path, *headers) as stream:
        assert [(await stream.event())[2]["subject"] for _ in range(2)] == ["run-3", "run-4"]


async def test_only_what_is_asked_for(api: CalledApi) -> None:
    async with reading(api, "/api/events?service=shop&kind=run.*,request.changed") as stream:
        for kind, service in (
            ("run.changed", "other"),
            ("job.changed", "shop"),
            ("request.changed", "shop"),
            ("run.changed", "shop"),
        ):
            await happen(api, kind, service, kind)
        assert [(await stream.event())[1] for _ in range(2)] == ["request.changed", "run.changed"]


async def test_what_has_aged_out_is_told_as_a_gap(api: CalledApi) -> None:
    for number in range(4):
        await happen(api, "run.changed", "shop", f"run-{number}")
    await api.server.hub.round()
    now = api.server.now()
    api.database.transact(lambda tx: forget_events(tx, before=now.replace(year=now.year + 1), limit=3))
    async with reading(api, "/api/events?after=1") as stream:
        assert (await stream.event())[1] == "gap"


async def test_a_quiet_line_is_told_from_a_dead_one(api: CalledApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BEAT", 0.05)
    async with reading(api, "/api/events") as stream:
        assert await stream.next() == ": beat\n\n"


async def test_it_ends_with_the_token(api: CalledApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BEAT", 0.05)
    caller = await api.caller(Role.VIEWER, Scope.READ)
    text = caller.client.headers["authorization"].split()[1]
    stream = Reading(api, "/api/events", token=text)
    assert (await stream.next()).startswith("retry")
    [token] = (await api.owner.document("/api/tokens?everybody=true"))["items"]
    await api.owner.delete(f"/api/tokens/{token['id']}")
    await asyncio.wait_for(stream.task, 60)
    assert stream.status == 200


async def test_it_ends_with_the_server(api: CalledApi) -> None:
    stream = Reading(api, "/api/events")
    await stream.next()
    api.server.hub.close()
    await asyncio.wait_for(stream.task, 60)
