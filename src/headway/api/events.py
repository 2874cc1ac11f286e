"""`/api/events`: what happens, as server-sent events. Whoever was cut off goes on where it stood.

event: KIND    a stored event: `id` is its position, data is {"kind", "service", "subject", "data"}
event: gap     what was missed is not kept any more: look at everything anew
: beat         each 10 s, so that a dead line is told from a quiet one
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar.params import QueryParameter
from litestar.response import Stream

from headway.api.access import ApiRequest, NobodyKnown, actor_in, actor_of, looker
from headway.api.routes import Wanted, reads
from headway.engine.outgoing.hub import News, Subscription, TooManyReaders, TooSlow
from headway.engine.server.server import Server

BEAT = 10.0


@reads(
    "/api/events",
    id="streamEvents",
    does="What happens, as it happens: server-sent events with resume.",
    of="events",
    media_type="text/event-stream",
)
async def events(
    request: ApiRequest,
    after: Annotated[
        int | None, QueryParameter(ge=0, le=2**62, description="Go on after this position.")
    ] = None,
    service: Wanted = None,
    kind: Annotated[
        str | None,
        QueryParameter(max_length=200, description="`run.changed`, `deployment.*`; several with commas."),
    ] = None,
) -> Stream:
    """`Last-Event-ID` counts before `after`; without either it begins now. Reads too slowly: it ends, and goes on from
    the last position.
    """
    server, who = await looker(request), (await actor_of(request)).name
    if not server.hub.has_room_for(who):
        return Stream(
            _nothing(), status_code=503, headers={"Retry-After": "5"}, media_type="text/event-stream"
        )
    told = request.headers.get("last-event-id", "")
    if told.isascii() and told.isdecimal() and len(told) < 19:
        after = int(told)
    headers = {"Cache-Control": "no-store, private", "X-Accel-Buffering": "no"}
    stream = _stream(server, request, after, who, _Wish(service, kind))
    return Stream(stream, media_type="text/event-stream; charset=utf-8", headers=headers)


class _Wish:
    def __init__(self, service: str | None, kind: str | None) -> None:
        self._service = service
        self._kinds = [word.strip() for word in (kind or "").split(",") if word.strip()]

    def wants(self, news: News) -> bool:
        if self._service is not None and news.service != self._service:
            return False
        noun = news.kind.partition(".")[0]
        return not self._kinds or any(word in (news.kind, f"{noun}.*", "*") for word in self._kinds)


async def _stream(
    server: Server, request: ApiRequest, after: int | None, who: str, wish: _Wish
) -> AsyncIterator[bytes]:
    try:
        subscribed = await server.hub.subscribe(after, who=who)
    except TooManyReaders:
        return
    with subscribed as reader:
        # Where it stands, so that a line that breaks at once still goes on there.
        yield f"retry: 1000\nid: {reader.position if after is None else after}\n: here\n\n".encode()
        if reader.has_gap:
            yield f"id: {reader.position}\nevent: gap\ndata: {{}}\n\n".encode()
        with contextlib.suppress(TooSlow, StopAsyncIteration, NobodyKnown):
            async for piece in _told(server, request, reader, wish):
                yield piece


async def _told(
    server: Server, request: ApiRequest, reader: Subscription, wish: _Wish
) -> AsyncIterator[bytes]:
    clock = server.tools.clock
    beat_at = clock.monotonic() + BEAT
    while True:
        # What nobody stored cannot be gone on after: growing logs have a stream of their own.
        try:
            news = await reader.next(max(0.01, beat_at - clock.monotonic()))
        except StopAsyncIteration:
            return
        if news is not None and news.position is not None and wish.wants(news):
            yield _said(news)
        if clock.monotonic() >= beat_at:
            beat_at = clock.monotonic() + BEAT
            await actor_in(server, request.scope, anew=True)  # type: ignore[arg-type]
            yield b": beat\n\n"


def _said(news: News) -> bytes:
    data: dict[str, Any] = {
        "kind": news.kind,
        "service": news.service,
        "subject": news.subject,
        "data": news.data,
    }
    return f"id: {news.position}\nevent: {news.kind}\ndata: {msgspec.json.encode(data).decode()}\n\n".encode()


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


ROUTES = (events,)
