"""`/live`: the one stream of news that a browser's tabs share, as server-sent events.

event: hello   once: where the stream stands, so that a connection that breaks at once still resumes there
event: news    {kind, service, subject, data}; with an `id:` where it is a stored event, which is where to resume
event: gap     what was missed is not kept any more: look at everything anew
event: beat    each 10 s: {now, checked_at, late}, in milliseconds; a dead loop and silence never look alike
event: end     the session is over: nobody need come back

Who reads too slowly is let go and comes back with `Last-Event-ID`. Growing logs are told of only where they are
asked for: `?logs=JOB,JOB`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, asgi
from litestar.types import Receive, Scope, Send

from headway.base.clock import to_milliseconds
from headway.engine.outgoing.hub import News, Subscription, TooManyReaders, TooSlow
from headway.web.visit import NotSignedIn, PageRequest, enter

if TYPE_CHECKING:
    from headway.engine.server.server import Server

#: Seconds between two beats, and that a browser may take to accept what it is sent.
BEAT = 10.0
SLOWEST = 20.0
_MOST_LOGS = 50
#: Milliseconds after which a browser comes back by itself.
_RETRY = 1000
log = logging.getLogger("headway.web")
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, private"),
    # A proxy in front of us that collects an answer before it passes it on would make a stream useless.
    (b"x-accel-buffering", b"no"),
]


@asgi("/live", copy_scope=True)
async def live(scope: Scope, receive: Receive, send: Send) -> None:
    """One stream, until one of the two ends."""
    request: PageRequest = Request(scope, receive=receive, send=send)
    server: Server = request.app.state.server
    try:
        visit = await enter(request)
    except NotSignedIn:
        # 204 is what keeps a browser from asking again and again.
        await _refuse(send, 204)
        return
    if request.method != "GET" or not server.hub.has_room_for(visit.actor.name):
        await _refuse(send, 503 if request.method == "GET" else 405)
        return
    await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
    stream = _Stream(server, request, send, visit.actor.name)
    writing = asyncio.create_task(stream.run())
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(writing)
        await _end(leaving)
    if leaving.cancelled():
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(SLOWEST):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


ROUTES = [live]


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"cache-control", b"no-store")] + ([(b"retry-after", b"5")] if status == 503 else [])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(task: "asyncio.Task[None]") -> None:
    # Asked again and again: `asyncio.wait_for` of Python 3.11 loses a cancellation that meets its result.
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.5)


class _Stream:
    def __init__(self, server: "Server", request: PageRequest, send: Send, who: str) -> None:
        self._who = who
        self._server = server
        self._request = request
        self._send = send
        asked = request.query_params.get("logs", "")
        self._logs = frozenset(asked.split(",")[:_MOST_LOGS])

    async def run(self) -> None:
        """Ends (and the browser comes back) when it is too slow, when the server ends, or with the session."""
        try:
            with await self._server.hub.subscribe(_place(self._request), who=self._who) as reader:
                await self._write(_said("hello", {}, position=reader.position, retry=_RETRY))
                if reader.has_gap:
                    await self._write(_said("gap", {}))
                await self._write(self._beat())
                await self._pass_on(reader)
        except (TooSlow, TooManyReaders, StopAsyncIteration, TimeoutError, OSError):
            return
        except Exception:
            log.exception("a stream of news ended; its browser comes back")

    async def _pass_on(self, reader: Subscription) -> None:
        clock = self._server.tools.clock
        beat_at = clock.monotonic() + BEAT
        while True:
            news = await reader.next(max(0.01, beat_at - clock.monotonic()))
            if news is not None and self._is_wanted(news):
                await self._write(_news(news))
            if clock.monotonic() >= beat_at:
                beat_at = clock.monotonic() + BEAT
                try:
                    await enter(self._request)
                except NotSignedIn:
                    await self._write(_said("end", {}))
                    return
                await self._write(self._beat())

    def _is_wanted(self, news: News) -> bool:
        return news.kind != "log.grew" or news.subject in self._logs

    def _beat(self) -> bytes:
        now, duties = self._server.now(), self._server.duties
        checked = duties.looked_at()
        said = {
            "now": to_milliseconds(now),
            "checked_at": None if checked is None else to_milliseconds(checked),
            "late": [trouble.sentence for trouble in self._server.troubles.at(now)],
        }
        return _said("beat", said)

    async def _write(self, message: bytes) -> None:
        """Raises TimeoutError when the browser does not take it."""
        body: Any = {"type": "http.response.body", "body": message, "more_body": True}
        async with asyncio.timeout(SLOWEST):
            await self._send(body)


def _place(request: PageRequest) -> int | None:
    """Where to resume. The header is the browser's own and newer than the address, which it repeats."""
    for text in (request.headers.get("last-event-id", ""), request.query_params.get("after", "")):
        if text.isascii() and text.isdecimal() and len(text) < 19:
            return int(text)
    return None


def _news(news: News) -> bytes:
    said = {"kind": news.kind, "service": news.service, "subject": news.subject, "data": news.data}
    return _said("news", said, position=news.position)


def _said(
    event: str, data: Mapping[str, Any], *, position: int | None = None, retry: int | None = None
) -> bytes:
    """One event. JSON has no line breaks of its own, so the data is one line."""
    lines = [f"retry: {retry}"] if retry is not None else []
    lines += [f"id: {position}"] if position is not None else []
    lines += [f"event: {event}", f"data: {msgspec.json.encode(data).decode()}"]
    return ("\n".join(lines) + "\n\n").encode()
