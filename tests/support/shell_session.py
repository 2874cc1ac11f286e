"""A host without a network: one open shell here, asked as a host's session is asked."""

import asyncio
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class ShellReply:
    exit_code: int
    output: bytes


class ShellSession:
    """Each call is a subshell of one `sh`; its end is a line with a nonce."""

    def __init__(self, shell: Sequence[str] = ("sh",), directory: str | None = None) -> None:
        self._shell = list(shell)
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._shell,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=2**24,
            cwd=self._directory,
            start_new_session=True,
        )
        return self

    async def call(self, script: str, *, timeout: float) -> ShellReply:
        assert self._process is not None
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        nonce = secrets.token_hex(16)
        line = f'( eval {shlex.quote(script)} ) </dev/null 2>&1; echo "{nonce}$?"\n'
        async with self._turn, asyncio.timeout(timeout):
            stdin.write(line.encode("utf-8", "surrogateescape"))
            output = await stdout.readuntil(nonce.encode())
            code = await stdout.readline()
        return ShellReply(int(code), output.removesuffix(nonce.encode()))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        # The transport is closed with its pipes, not by the garbage collector.
        self._process._transport.close()  # type: ignore[attr-defined]
