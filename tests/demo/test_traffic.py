import asyncio

from headway.demo.http import answer, read_head
from headway.demo.traffic import Traffic


async def test_every_request_is_counted_and_each_failure_kept_with_who_caused_it() -> None:
    replies = [
        answer(200, b"ok", {"X-Release": "rel-a", "X-Host": "web1"}),
        answer(500, b"no", {"X-Release": "rel-b", "X-Host": "web2"}),
        b"",
    ]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(replies.pop(0))
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        traffic = Traffic(server.sockets[0].getsockname()[1])
        for _ in range(3):
            await traffic.ask()
    assert traffic.total == 3
    assert traffic.answered == {"rel-a": 1}
    refused, dropped = traffic.failures
    assert (refused.why, refused.host, refused.release) == ("status 500", "web2", "rel-b")
    assert (dropped.why, dropped.host, dropped.release) == ("IncompleteReadError", "", "")
    assert refused.began <= refused.ended <= dropped.ended


async def test_it_flows_when_told_to_and_stops_when_the_last_is_answered() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await asyncio.sleep(0.05)
        writer.write(answer(200, b"ok", {}))
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        traffic = Traffic(server.sockets[0].getsockname()[1])
        flow = asyncio.create_task(traffic.flow(rate=200))
        await asyncio.sleep(0.05)
        assert traffic.total == 0
        await traffic.administer("POST", "/flow")
        while traffic.total < 10:
            await asyncio.sleep(0.005)
        status, counts = await traffic.administer("POST", "/stop")
        flow.cancel()
    assert status == 200
    assert isinstance(counts, dict)
    assert counts["under_way"] == 0
    assert sum(counts["answered"].values()) == counts["total"] >= 10
    assert counts["failures"] == []
