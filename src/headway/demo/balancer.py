"""A small HTTP balancer before the production hosts. `python -m headway.demo.balancer --help`.

It sends each request to the next host that is in, once: it never retries, so whatever a host drops its client sees.
A host is taken out by `drain`, is idle when no request is in flight there, and is put in again by `undrain`.
"""

import argparse
import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field

from headway.demo.http import Head, answer, close, read_body, read_head, serve_json
from headway.demo.lifeline import until_released

#: Longest time a host may take to answer, in seconds.
PATIENCE = 10.0


@dataclass(slots=True)
class Backend:
    name: str
    port: int
    #: Takes requests.
    included: bool = False
    in_flight: int = 0
    #: Release as its answers name it -> answers with a status under 500.
    answered: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    release: str = ""


class Balancer:
    def __init__(self, backends: list[Backend]) -> None:
        self.backends = {backend.name: backend for backend in backends}
        self._turn = 0
        #: Requests that met no host at all.
        self.homeless = 0

    def next_backend(self) -> Backend | None:
        """Round robin over the hosts that are in."""
        included = [backend for backend in self.backends.values() if backend.included]
        if not included:
            return None
        self._turn += 1
        return included[self._turn % len(included)]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's request from its first byte to the answer's last."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await read_head(reader)
            writer.write(await self.pass_on(head))
            await writer.drain()
        await close(writer)

    async def pass_on(self, head: Head) -> bytes:
        backend = self.next_backend()
        if backend is None:
            self.homeless += 1
            return answer(503, b"no host is in\n", {})
        # Counted before the first await: a drain between choosing and connecting must see this request.
        backend.in_flight += 1
        named = {"X-Host": backend.name}
        try:
            async with asyncio.timeout(PATIENCE):
                reply, body = await ask(backend.port, head)
            status = reply.status
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            backend.failed += 1
            return answer(502, f"{backend.name}: {type(error).__name__}\n".encode(), named)
        finally:
            backend.in_flight -= 1
        if release := reply.headers.get("x-release", ""):
            backend.release = named["X-Release"] = release
        if status >= 500:
            backend.failed += 1
        else:
            backend.answered[release] += 1
        return answer(status, body, named | {"Content-Type": reply.headers.get("content-type", "text/plain")})

    async def administer(self, method: str, path: str) -> tuple[int, object]:
        """GET /state, /hosts/NAME · POST /hosts/NAME/drain, …/undrain · GET /hosts/NAME/idle (409 until it is)."""
        if (method, path) == ("GET", "/state"):
            return 200, self.state()
        match path.strip("/").split("/"):
            case ["hosts", name] if name in self.backends:
                return 200, self.state_of(name)
            case ["hosts", name, "drain"] if method == "POST" and name in self.backends:
                self.backends[name].included = False
            case ["hosts", name, "undrain"] if method == "POST" and name in self.backends:
                self.backends[name].included = True
            case ["hosts", name, "idle"] if name in self.backends:
                backend = self.backends[name]
                idle = not backend.included and backend.in_flight == 0
                return (200 if idle else 409), {"in_flight": backend.in_flight}
            case _:
                return 404, {"error": f"nothing is at {path}"}
        return 200, {"included": self.backends[name].included}

    def state(self) -> dict[str, object]:
        return {"homeless": self.homeless, "hosts": {name: self.state_of(name) for name in self.backends}}

    def state_of(self, name: str) -> dict[str, object]:
        backend = self.backends[name]
        return {
            "included": backend.included,
            "in_flight": backend.in_flight,
            "release": backend.release,
            "answered": dict(backend.answered),
            "failed": backend.failed,
        }


async def ask(port: int, head: Head) -> tuple[Head, bytes]:
    """Ask a host, once, and take its whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        host = head.headers.get("host", "shop")
        writer.write(f"{head.first}\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        await writer.drain()
        reply = await read_head(reader)
        return reply, await read_body(reader, reply)
    finally:
        await close(writer)


async def live(port: int, admin_port: int, backends: list[Backend]) -> None:
    balancer = Balancer(backends)
    public = await asyncio.start_server(balancer.handle, "127.0.0.1", port, reuse_address=True, backlog=512)
    admin = await serve_json(balancer.administer, admin_port)
    async with public, admin:
        await until_released()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m headway.demo.balancer", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--admin-port", type=int, required=True)
    parser.add_argument("--included", action="store_true", help="all hosts are in from the beginning")
    parser.add_argument("hosts", nargs="+", metavar="NAME=PORT")
    arguments = parser.parse_args()
    named = (text.partition("=") for text in arguments.hosts)
    backends = [Backend(name, int(port), included=arguments.included) for name, _, port in named]
    asyncio.run(live(arguments.port, arguments.admin_port, backends))


if __name__ == "__main__":
    main()
