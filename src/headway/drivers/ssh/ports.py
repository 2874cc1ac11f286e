"""What the parts of a session need of it, and a session of the connections: none of them knows who is above it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from headway.domain.contract import HostSpec
from headway.drivers.ssh.channels import Channel
from headway.drivers.ssh.framing import Reply
from headway.drivers.ssh.killing import RemoteProcess
from headway.drivers.ssh.packing import PackedFiles
from headway.drivers.ssh.trimmed import asyncssh


class ConnectionPool(Protocol):
    """See `Connections`."""

    @property
    def packed(self) -> PackedFiles: ...

    async def connection(self, host: HostSpec) -> asyncssh.SSHClientConnection: ...

    def stands(self, host: HostSpec) -> bool: ...

    def drop(self, connection: asyncssh.SSHClientConnection) -> None: ...

    def later(self, work: Coroutine[Any, Any, object]) -> "asyncio.Task[object]": ...


class OpenSession(Protocol):
    """See `HostSession`."""

    @property
    def host(self) -> HostSpec: ...

    @property
    def connections(self) -> ConnectionPool: ...

    async def call(self, script: str, *, timeout: float) -> Reply: ...

    async def channel(self, command: str, *, pty: bool = False) -> Channel: ...

    async def end(self, process: RemoteProcess) -> int | None: ...
