"""A demo host started for a test, and a connection to it."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from headway.demo.keys import known_line, make_key
from headway.demo.ports import free_ports


@dataclass(frozen=True)
class StartedHost:
    home: Path
    port: int
    process: asyncio.subprocess.Process

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        folder = self.home.parent
        async with asyncssh.connect(
            "127.0.0.1",
            self.port,
            known_hosts=str(folder / "known_hosts"),
            client_keys=[str(folder / "key")],
            agent_path=None,
            config=None,
        ) as connection:
            yield connection


@contextlib.asynccontextmanager
async def started(folder: Path, kind: str) -> AsyncIterator[StartedHost]:
    home = folder / "home of web1"
    home.mkdir()
    (port,) = free_ports(1)
    (folder / "authorized_keys").write_text(make_key(folder / "key"))
    (folder / "known_hosts").write_text(known_line(port, make_key(folder / "host_key")))
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "headway.demo.hosts", "--kind", kind],
        *["--folder", str(folder), "--home", str(home), "--port", str(port)],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield StartedHost(home, port, process)
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 60)
