"""HTTP servers of tests: they write down what they were asked, and answer what the test says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.servers import serving


@dataclass
class Asked:
    method: str
    #: As it was sent, with its escapes.
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    json: object = None
    headers: dict[str, str] = field(default_factory=dict)
    #: In place of `json`.
    body: bytes | None = None

    def encoded(self) -> bytes:
        body = self.body if self.body is not None else json.dumps(self.json).encode()
        head = {"content-length": str(len(body)), "content-type": "application/json", "connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (head | self.headers).items())
        return f"HTTP/1.1 {self.status} Told\r\n{lines}\r\n".encode() + body


Answering = Callable[[Asked], Answer | Awaitable[Answer]]


class Peer:
    """`asked` holds all requests in the order of their coming; `answering` may be changed at any time."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[Asked] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *rest = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in rest}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(method, path, headers, body)
        self.asked.append(asked)
        answer = self.answering(asked)
        if isinstance(answer, Awaitable):
            answer = await answer
        writer.write(answer.encoded())
        await writer.drain()


@contextlib.asynccontextmanager
async def peer(answering: Answering) -> AsyncIterator[Peer]:
    made = Peer(answering)
    async with serving(made.handle) as port:
        made.port = port
        yield made
