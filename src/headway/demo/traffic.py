"""Users of the demo's shop: constant traffic through the balancer, every answer counted. `python -m headway.demo.traffic`.

The rate is kept whatever the answers: a slow or dead host meets as many requests as before, as with real users.
"""

import argparse
import asyncio
import contextlib
from collections import Counter
from dataclasses import asdict, dataclass

from headway.demo.http import Head, close, read_body, read_head, serve_json
from headway.demo.lifeline import until_released

#: Longest time a user waits, in seconds.
PATIENCE = 10.0
_REQUEST = b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that a user did not get answered well. Times are this machine's monotonic seconds."""

    began: float
    ended: float
    why: str
    host: str
    release: str


class Traffic:
    def __init__(self, port: int) -> None:
        self._port = port
        self.total = 0
        self.answered: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self.flowing = False

    async def flow(self, rate: float) -> None:
        """`rate` requests a second for ever, each on a connection of its own. Late ticks are made up for."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += 1 / rate
            if not self.flowing:
                due = loop.time() + 1 / rate
                continue
            task = asyncio.create_task(self.ask())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def ask(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.total += 1
        head = Head("", {})
        try:
            async with asyncio.timeout(PATIENCE):
                head = await self._exchange()
            status = head.status
            why = "" if status < 400 else f"status {status}"
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            why = type(error).__name__
        release = head.headers.get("x-release", "")
        if why:
            self.failures.append(Failure(began, loop.time(), why, head.headers.get("x-host", ""), release))
        else:
            self.answered[release] += 1

    async def _exchange(self) -> Head:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(_REQUEST)
            await writer.drain()
            head = await read_head(reader)
            await read_body(reader, head)
            return head
        finally:
            await close(writer)

    async def administer(self, method: str, path: str) -> tuple[int, object]:
        """GET /counts · POST /flow · POST /stop (answers when nothing is under way any more)."""
        match method, path:
            case "GET", "/counts":
                pass
            case "POST", "/flow":
                self.flowing = True
            case "POST", "/stop":
                self.flowing = False
                await asyncio.gather(*self._under_way)
            case _:
                return 404, {"error": f"nothing is at {path}"}
        return 200, self.counts()

    def counts(self) -> dict[str, object]:
        return {
            "total": self.total,
            "under_way": len(self._under_way),
            "answered": dict(self.answered),
            "failures": [asdict(failure) for failure in self.failures],
        }


async def live(port: int, admin_port: int, rate: float, *, flowing: bool) -> None:
    traffic = Traffic(port)
    traffic.flowing = flowing
    async with await serve_json(traffic.administer, admin_port):
        flow = asyncio.create_task(traffic.flow(rate))
        await until_released()
        flow.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flow


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m headway.demo.traffic", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the balancer's")
    parser.add_argument("--admin-port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    parser.add_argument("--flow", action="store_true", help="begin at once")
    arguments = parser.parse_args()
    asyncio.run(live(arguments.port, arguments.admin_port, arguments.rate, flowing=arguments.flow))


if __name__ == "__main__":
    main()
