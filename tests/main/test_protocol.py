"""Heads of requests that never end, in bytes or in time, from somebody whom nobody knows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from headway.main import protocol
from headway.main.protocol import LONGEST_HEAD, BoundedProtocol

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def counts(scope: Any, receive: Any, send: Any) -> None:
    """Answers with how many bytes the body had."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    config = uvicorn.Config(counts, http=BoundedProtocol, lifespan="off", log_config=None, ws="none")
    config.load()
    state = uvicorn.Server(config).server_state
    loop = asyncio.get_running_loop()
    served = await loop.create_server(
        lambda: BoundedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with served:
        yield served.sockets[0].getsockname()


@asynccontextmanager
async def connected(address: tuple[str, int]) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answered(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return head.split(b" ")[1] + b" " + await reader.readexactly(length)


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (HEAD, b"x: " + b"a" * 1000 + b"\r\n"),
        (HEAD + b"x: ", b"a" * 1000),
        (b"GET /", b"a" * 1000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ", b"a" * 1000),
    ],
    ids=["headers", "header", "address", "trailer"],
)
async def test_a_head_without_an_end_is_cut(address: tuple[str, int], begin: bytes, more: bytes) -> None:
    async with connected(address) as (reader, writer):
        writer.write(begin)
        sent = 0
        with suppress(ConnectionError):
            while sent < 100 * LONGEST_HEAD and not reader.at_eof():
                writer.write(more * 16)
                await writer.drain()
                sent += len(more) * 16
        assert sent < 100 * LONGEST_HEAD


async def test_it_is_told_why(address: tuple[str, int]) -> None:
    async with connected(address) as (reader, writer):
        writer.write(HEAD + b"x: " + b"a" * LONGEST_HEAD)
        assert await answered(reader) == b"431 "


async def test_heads_and_bodies_as_usual_pass(address: tuple[str, int]) -> None:
    long_header = b"x: " + b"a" * (LONGEST_HEAD // 2) + b"\r\n"
    body = b"b" * (20 * LONGEST_HEAD)
    async with connected(address) as (reader, writer):
        for _ in range(4):
            writer.write(HEAD + long_header + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert await answered(reader) == f"200 {len(body)}".encode()


async def test_a_head_that_is_sent_too_slowly_is_not_waited_for(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_WITHIN", 0.05)
    async with connected(address) as (silent, _), connected(address) as (reader, writer):
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        assert await answered(reader) == b"200 0"
        writer.write(HEAD)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
            assert await silent.read() == b""
