"""What bare ASGI applications share: reading a body with bounds, answering JSON."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from headway.api.problems import MEDIA_TYPE, problem_bytes
from headway.base.awake import awake_for

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyTooLarge(Exception):
    pass


class BodyTooSlow(Exception):
    pass


class ClientGone(Exception):
    pass


class NoRoom(Exception):
    """As much is taken as may be at a time."""


class Room:
    """What may be taken at a time: by one, and by all together, so that one alone cannot take all of it."""

    def __init__(self, *, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._taken = Counter[str]()

    @contextmanager
    def take(self, amount: int, who: str) -> Iterator[None]:
        """While the block lasts. Raises NoRoom at once: nobody waits."""
        if self._taken.total() + amount > self._most or self._taken[who] + amount > self._most_of_one:
            raise NoRoom
        self._taken[who] += amount
        try:
            yield
        finally:
            self._taken[who] -= amount
            if not self._taken[who]:
                del self._taken[who]


def headers_of(scope: Scope) -> dict[str, str]:
    """Names in lower case; of several with one name the last counts."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def read_body(scope: Scope, receive: Receive, *, most: int, within: float) -> bytes:
    """The whole body. Raises BodyTooLarge, BodyTooSlow, ClientGone."""
    pieces: list[bytes] = []
    await pour_body(scope, receive, pieces.append, most=most, within=within)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def pour_body(
    scope: Scope, receive: Receive, keep: Callable[[bytes], object], *, most: int, within: float
) -> int:
    """The body piece by piece, as it comes; its size. Raises BodyTooLarge, BodyTooSlow, ClientGone."""
    told = headers_of(scope).get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise BodyTooLarge
    size = 0
    try:
        async with awake_for(within):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                piece = message.get("body", b"")
                size += len(piece)
                if size > most:
                    raise BodyTooLarge
                keep(piece)
                if not message.get("more_body", False):
                    return size
    except TimeoutError:
        raise BodyTooSlow from None


async def answer(
    send: Send,
    status: int,
    body: bytes,
    *,
    media_type: bytes = b"application/json",
    headers: Mapping[str, str] | None = None,
) -> None:
    sent = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    sent += [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()
    ]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


async def answer_json(send: Send, status: int, document: object) -> None:
    await answer(send, status, json.dumps(document).encode())


async def answer_problem(
    send: Send,
    status: int,
    detail: str,
    *,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    body = problem_bytes(status, detail, hint=hint, more=more)
    await answer(send, status, body, media_type=MEDIA_TYPE.encode(), headers=headers)
