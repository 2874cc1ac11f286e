"""One command on a channel of its own: its output as it comes, its end by name, and an end in any case."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway.base.awake import awake_for
from headway.drivers.ssh.channels import Channel, Ending
from headway.drivers.ssh.errors import CommandTimedOut, ConnectionLost, NoShell
from headway.drivers.ssh.framing import BOOTSTRAP, bootstrap_line, exports, quote, quote_all
from headway.drivers.ssh.killing import IDENTIFY, RemoteProcess, parse_identity
from headway.drivers.ssh.ports import OpenSession

#: After the command has ended, a silence this long means that only something in the background still holds its output.
_SILENCE = 0.5
#: How long a command that is given up is waited for to say which process it is.
_FIRST_LINE = 3.0
_LOGIN_NOISE = 65536


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended: by an exit code, or by a signal's name without SIG (`TERM`, `KILL`)."""

    exit_code: int | None
    signal: str | None = None

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by SIG{self.signal}"
        return f"exit {self.exit_code}"


async def run(
    session: OpenSession,
    command: str | Sequence[str],
    *,
    env: Mapping[str, str],
    pty: bool,
    timeout: float | None,
    on_output: Callable[[bytes], None],
) -> Exit:
    """See HostSession.run."""
    script = f"eval {quote(command)}" if isinstance(command, str) else f"exec {quote_all(command)}"
    nonce = secrets.token_hex(16)
    # A terminal is the command's input as it is its output; without one the input is empty.
    place = "stty sane 2>/dev/null" if pty else "exec </dev/null 2>&1"
    line = bootstrap_line(f"printf '%s ' {nonce}; {IDENTIFY}\n{place}\n{exports(env)}{script}\n")
    channel = await session.channel(BOOTSTRAP, pty=pty)
    output = _Output(nonce.encode(), on_output)
    channel.on_output = output.take
    channel.write(line)
    try:
        async with awake_for(timeout):
            ending = await _ended(channel, output)
    except TimeoutError:
        survivors = await _end(session, channel, output)
        raise CommandTimedOut(
            session.host.name,
            f"the command on {session.host.name} took longer than {timeout:g}s and was ended"
            + (f"; {survivors} of its processes could not be" if survivors else ""),
            survivors=survivors,
        ) from None
    except asyncio.CancelledError:
        session.connections.later(_end(session, channel, output))
        raise
    return _exit(session, channel, ending, output)


class _Output:
    """Passes the command's output on; what comes before our first line is a login shell's noise."""

    def __init__(self, nonce: bytes, on_output: Callable[[bytes], None]) -> None:
        self.process: RemoteProcess | None = None
        self.identified = asyncio.Event()
        self.noise = b""
        self.pieces = 0
        self._nonce = nonce
        self._pass_on = on_output

    def take(self, data: bytes) -> None:
        self.pieces += 1
        if self.process is not None:
            self._pass_on(data)
            return
        self.noise += data
        found = self.noise.find(self._nonce)
        newline = self.noise.find(b"\n", found) if found >= 0 else -1
        if newline < 0:
            self.noise = self.noise[-_LOGIN_NOISE:]
            return
        self.process = parse_identity(self.noise[found + len(self._nonce) : newline])
        self.identified.set()
        rest = self.noise[newline + 1 :]
        self.noise = b""
        if rest:
            self._pass_on(rest)


async def _ended(channel: Channel, output: _Output) -> Ending:
    """The channel's end, or the command's, when something that it left in the background keeps the channel open."""
    ends: set[asyncio.Future[Any]] = {channel.ended, channel.exited}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    while not channel.ended.done():
        before = output.pieces
        done, _ = await asyncio.wait({channel.ended}, timeout=_SILENCE)
        if not done and output.pieces == before:
            channel.close()
            return channel.exited.result()
    return channel.ended.result()


async def _end(session: OpenSession, channel: Channel, output: "_Output") -> int | None:
    """Ends the command on its host. None: the host could not be asked."""
    try:
        # Given up before its first line came: without it nobody knows which process it is.
        first = asyncio.ensure_future(output.identified.wait())
        ends: set[asyncio.Future[Any]] = {channel.ended, first}
        await asyncio.wait(ends, timeout=_FIRST_LINE, return_when=asyncio.FIRST_COMPLETED)
        first.cancel()
        return await session.end(output.process) if output.process is not None else None
    finally:
        channel.close()


def _exit(session: OpenSession, channel: Channel, ending: Ending, output: _Output) -> Exit:
    name = session.host.name
    if ending.exit_code is None and ending.signal is None:
        why = ending.error or channel.last_words() or "the channel closed"
        raise ConnectionLost(name, f"the connection to {name} was lost while the command ran: {why}")
    if output.process is None:
        said = (output.noise.decode("utf-8", "replace").strip() or channel.last_words()).splitlines()
        raise NoShell(name, f"{name} lets us in but runs no sh for us{f': {said[-1]}' if said else ''}")
    return Exit(ending.exit_code, ending.signal)
