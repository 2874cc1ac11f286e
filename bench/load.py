"""A lean HTTP client for load: kept connections, requests made beforehand. It shares the machine with what it measures."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    #: From when it was due to be sent, so that a server which falls behind cannot hide it.
    seconds: float
    status: int


class Connection:
    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> int:
        """The status. One try more on a new connection: a kept one may have been closed meanwhile."""
        for is_last in (False, True):
            try:
                return await self._ask(request)
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                if is_last:
                    return 0
        raise AssertionError

    async def _ask(self, request: bytes) -> int:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        assert self._reader is not None
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lowered = head.lower()
        _, length, rest = lowered.partition(b"content-length:")
        if length:
            await self._reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
        elif b"transfer-encoding: chunked" in lowered:
            await self._reader.readuntil(b"0\r\n\r\n")
        if b"connection: close" in lowered:
            self.close()
        return int(head.split(None, 2)[1])

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def post(path: str, host: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def at_rate(
    host: str, port: int, requests: Sequence[bytes], rate: float, connections: int = 32
) -> list[Answer]:
    """Each at its own time, whether those before were answered or not."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(Connection(host, port))
    answers: list[Answer] = []
    begin = time.perf_counter()

    async def send(request: bytes, due: float) -> None:
        connection = await free.get()
        status = await connection.ask(request)
        answers.append(Answer(time.perf_counter() - due, status))
        free.put_nowait(connection)

    async with asyncio.TaskGroup() as tasks:
        for number, request in enumerate(requests):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(send(request, due))
    while not free.empty():
        free.get_nowait().close()
    return answers


async def without_pause(
    host: str, port: int, requests: Iterator[bytes], seconds: float, connections: int = 32
) -> tuple[list[Answer], float]:
    """As many as are answered within so many seconds, and how long it took until the last one was."""
    answers: list[Answer] = []
    begin = time.perf_counter()

    async def work() -> None:
        connection = Connection(host, port)
        while time.perf_counter() - begin < seconds and (request := next(requests, None)) is not None:
            sent = time.perf_counter()
            status = await connection.ask(request)
            answers.append(Answer(time.perf_counter() - sent, status))
        connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return answers, time.perf_counter() - begin
