"""The balancer keeps its three promises: it drains whole, never retries, and counts what happened."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from headway.demo.balancer import Backend, Balancer
from headway.demo.http import Head, answer, ask_json, read_head, serve_json

ASKED = Head("GET / HTTP/1.1", {"host": "shop"})
Reply = Callable[[], Awaitable[bytes]]


class Host:
    """A host that answers as the test wants, and knows how often it was asked."""

    def __init__(self, reply: bytes = b"") -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.reply = reply or answer(200, b"page", {"X-Release": "rel-a"})

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        self.asked += 1
        await self.may_answer.wait()
        writer.write(self.reply)
        writer.close()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        async with await asyncio.start_server(self.handle, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]


async def test_requests_go_round_over_the_hosts_that_are_in() -> None:
    one, two, out = Host(), Host(), Host()
    async with one.listening() as first, two.listening() as second, out.listening() as third:
        balancer = Balancer(
            [Backend("one", first, True), Backend("two", second, True), Backend("out", third)]
        )
        for _ in range(6):
            assert (await balancer.pass_on(ASKED)).startswith(b"HTTP/1.1 200 ")
    assert (one.asked, two.asked, out.asked) == (3, 3, 0)


async def test_a_drained_host_is_idle_only_when_its_last_request_is_answered() -> None:
    host = Host()
    host.may_answer.clear()
    async with host.listening() as port:
        balancer = Balancer([Backend("web1", port, included=True)])
        waiting = asyncio.create_task(balancer.pass_on(ASKED))
        while not host.asked:
            await asyncio.sleep(0.001)
        assert (await balancer.administer("GET", "/hosts/web1/idle"))[0] == 409
        await balancer.administer("POST", "/hosts/web1/drain")
        assert await balancer.administer("GET", "/hosts/web1/idle") == (409, {"in_flight": 1})
        assert (await balancer.pass_on(ASKED)).startswith(b"HTTP/1.1 503 ")
        host.may_answer.set()
        assert (await waiting).endswith(b"page")
        assert await balancer.administer("GET", "/hosts/web1/idle") == (200, {"in_flight": 0})
    assert (host.asked, balancer.homeless) == (1, 1)


async def test_a_host_that_is_chosen_is_busy_before_it_is_connected_to() -> None:
    host = Host()
    async with host.listening() as port:
        balancer = Balancer([Backend("web1", port, included=True)])
        coroutine = balancer.pass_on(ASKED)
        coroutine.send(None)  # up to the first await: the connection is not open yet
        assert balancer.backends["web1"].in_flight == 1
        coroutine.close()
    assert balancer.backends["web1"].in_flight == 0


@pytest.mark.parametrize(
    "reply",
    [
        b" ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"SSH-2.0-surprise\r\n\r\n",
    ],
    ids=["dropped", "cut off", "no HTTP"],
)
async def test_what_a_host_drops_is_a_failure_and_never_asked_again(reply: bytes) -> None:
    bad, good = Host(reply), Host()
    async with bad.listening() as first, good.listening() as second:
        balancer = Balancer([Backend("bad", first, True), Backend("good", second, True)])
        answers = [await balancer.pass_on(ASKED) for _ in range(4)]
    assert [raw.split(b" ")[1] for raw in sorted(answers)] == [b"200", b"200", b"502", b"502"]
    assert (bad.asked, good.asked) == (2, 2)
    assert balancer.backends["bad"].failed == 2


async def test_a_host_that_is_not_there_is_a_failure() -> None:
    async with Host().listening() as port:
        pass
    balancer = Balancer([Backend("web1", port, included=True)])
    assert b"502" in (await balancer.pass_on(ASKED)).split(b"\r\n")[0]


async def test_answers_are_counted_by_release_and_errors_as_failures() -> None:
    host = Host()
    async with host.listening() as port:
        balancer = Balancer([Backend("web1", port, included=True)])
        await balancer.pass_on(ASKED)
        host.reply = answer(500, b"oh", {"X-Release": "rel-b"})
        raw = await balancer.pass_on(ASKED)
        await balancer.pass_on(ASKED)
    # The client learns who answered: that is how a failure is laid to a release.
    assert b"X-Host: web1" in raw and b"X-Release: rel-b" in raw
    state = balancer.state_of("web1")
    assert state["answered"] == {"rel-a": 1}
    assert state["failed"] == 2
    assert state["release"] == "rel-b"


async def test_it_is_administered_by_http() -> None:
    balancer = Balancer([Backend("web1", 1)])
    async with await serve_json(balancer.administer, 0) as server:
        port = server.sockets[0].getsockname()[1]
        done = await asyncio.to_thread(ask_json, port, "/hosts/web1/undrain", "POST")
        assert done == {"included": True}
        state = await asyncio.to_thread(ask_json, port, "/state")
        assert state["hosts"]["web1"]["included"] is True
        with pytest.raises(ValueError, match="answered 404"):
            await asyncio.to_thread(ask_json, port, "/hosts/web9/drain", "POST")
