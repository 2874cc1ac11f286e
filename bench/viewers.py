"""So many people who look at one job's log: each with a stream of news, and asking for lines as the page's script does.

viewers.py ADDRESS SESSION JOB COUNT: until the job is over; prints {"latencies": [ms], "asked": n} of lines that hold a clock.
"""

import asyncio
import json
import re
import sys
import time
from urllib.parse import urlsplit

#: As the page's script: between two looks, and so often without news, in seconds.
LOOK_EVERY, ANYWAY = 0.15, 5.0
CHUNK = 500
_CLOCK = re.compile(r"clock (\d+\.\d+)")


class Viewer:
    def __init__(self, address: str, session: str, job: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._cookie = f"headway_session={session}"
        self._job = job
        self._total = 0
        self._grew = asyncio.Event()
        self._seen: set[str] = set()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.latencies: list[float] = []
        self.asked = 0

    async def watch(self) -> None:
        listening = asyncio.create_task(self._listen())
        try:
            while not await self._look():
                self._grew.clear()
                await asyncio.sleep(LOOK_EVERY)
                try:
                    await asyncio.wait_for(self._grew.wait(), ANYWAY)
                except TimeoutError:
                    pass
        finally:
            listening.cancel()

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(self._request(f"/live?logs={self._job}"))
        async for line in reader:
            if b'"log.grew"' in line or b'"job.changed"' in line:
                self._grew.set()

    def _request(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nCookie: {self._cookie}\r\n\r\n".encode()

    async def _look(self) -> bool:
        """True: it is over, and all of it was seen."""
        answer = await self._ask(max(1, self._total))
        self._take(answer)
        if answer["total"] > answer["first"] + len(answer["lines"]) - 1:
            # It grew by more than was asked for: who follows jumps to its end.
            last = ((answer["total"] - 1) // CHUNK) * CHUNK + 1
            answer = await self._ask(last)
            self._take(answer)
        self._total = max(self._total, answer["total"])
        return bool(answer["over"])

    def _take(self, answer: dict) -> None:
        now = time.time()
        for line in answer["lines"]:
            found = _CLOCK.search(line) if isinstance(line, str) else None
            if found and found[1] not in self._seen:
                self._seen.add(found[1])
                self.latencies.append((now - float(found[1])) * 1000)

    async def _ask(self, first: int) -> dict:
        self.asked += 1
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=2**24)
        assert self._reader is not None
        self._writer.write(self._request(f"/jobs/{self._job}/log?attempt=1&first={first}&count={CHUNK}"))
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(body)
        return json.loads(body)


async def main(address: str, session: str, job: str, count: str) -> None:
    viewers = [Viewer(address, session, job) for _ in range(int(count))]
    await asyncio.gather(*(viewer.watch() for viewer in viewers))
    latencies = [latency for viewer in viewers for latency in viewer.latencies]
    print(json.dumps({"latencies": latencies, "asked": sum(viewer.asked for viewer in viewers)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
