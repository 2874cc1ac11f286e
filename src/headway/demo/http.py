"""As much of HTTP/1.1 as the demo's balancer and traffic need: one request a connection, heads read whole."""

import asyncio
import contextlib
import http.client
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

_WORDS = http.client.responses


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the headers of a request or an answer; header names in lower case."""

    first: str
    headers: Mapping[str, str]

    @property
    def status(self) -> int:
        """Of an answer. Raises ValueError when the first line is none of an answer."""
        version, _, rest = self.first.partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(f"not an HTTP answer: {self.first[:40]!r}")
        return int(rest[:3])


async def read_head(reader: asyncio.StreamReader) -> Head:
    """Raises asyncio.IncompleteReadError, asyncio.LimitOverrunError."""
    raw = await reader.readuntil(b"\r\n\r\n")
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Head(first, {name.strip().lower(): value.strip() for name, _, value in pairs})


async def read_body(reader: asyncio.StreamReader, head: Head) -> bytes:
    """The whole body by its Content-Length, or to the end. Raises asyncio.IncompleteReadError when it is cut off."""
    length = head.headers.get("content-length")
    return await reader.read() if length is None else await reader.readexactly(int(length))


def answer(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_WORDS.get(status, 'Unknown')}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


#: A method and a path in, a status and a JSON document out.
Answerer = Callable[[str, str], Awaitable[tuple[int, object]]]


async def serve_json(answerer: Answerer, port: int) -> asyncio.Server:
    """A server on loopback for the world's own questions, such as the balancer's counts."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            head = await read_head(reader)
            method, path, _ = head.first.split(" ", 2)
            status, document = await answerer(method, path)
            writer.write(answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"}))
            await writer.drain()
        await close(writer)

    return await asyncio.start_server(handle, "127.0.0.1", port, reuse_address=True)


def ask_json(port: int, path: str, method: str = "GET", timeout: float = 5.0) -> Any:
    """Ask such a server. Raises OSError when it is not there, ValueError for a status other than 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise ValueError(f"{method} {path} answered {response.status}")
        return json.loads(body)
    except http.client.HTTPException as error:
        raise OSError(f"{method} {path}: {error!r}") from error
    finally:
        connection.close()
