"""One open shell a host: all commands of a deployment go through it, one after the other.

A new channel costs 0.15 s on stock sshd, a command on an open shell one round trip.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.base.awake import awake_for
from headway.domain.contract import HostSpec
from headway.drivers.ssh.channels import Channel, Ending, open_channel
from headway.drivers.ssh.errors import CommandTimedOut, ConnectionLost, NoShell, SshError
from headway.drivers.ssh.framing import Frame, Reply
from headway.drivers.ssh.killing import IDENTIFY, RemoteProcess, end_processes, parse_identity
from headway.drivers.ssh.ports import ConnectionPool
from headway.drivers.ssh.running import Exit, run
from headway.drivers.ssh.trimmed import asyncssh
from headway.drivers.ssh.uploads import upload, upload_bytes

__all__ = ["Exit", "HostSession", "Reply"]

#: What one call keeps of an output unless it says otherwise.
DEFAULT_LIMIT = 2**20
#: Beside them there is room for the channels that end commands.
_CHANNELS = 7
_OPEN_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_GREETING_TIMEOUT = 20.0
_KILL_TIMEOUT = 6.0


@dataclass
class _Shell:
    """The open shell: its channel and, so that it can be ended, which process it is."""

    channel: Channel
    process: RemoteProcess
    calls: int = 0


class HostSession:
    """Made by `Connections.session`. Calls are answered one at a time, in the order in which they came."""

    def __init__(self, connections: ConnectionPool, host: HostSpec) -> None:
        self.host = host
        self.connections = connections
        self._shell: _Shell | None = None
        self._turn = asyncio.Lock()
        self._channels = asyncio.Semaphore(_CHANNELS)
        self._nonce = secrets.token_hex(16)

    async def connection(self) -> asyncssh.SSHClientConnection:
        return await self.connections.connection(self.host)

    async def open(self) -> None:
        """Opens connection and shell if they are not. Raises what `Connections.connection` raises, and NoShell."""
        async with self._turn:
            await self._opened()

    async def call(self, script: str, *, timeout: float, limit: int = DEFAULT_LIMIT) -> Reply:
        """Runs a POSIX sh script and gives its exit code, and its output and errors together.

        Each call is a subshell: `cd`, variables and `exit` do not carry over. Standard input is empty.
        `timeout` is in seconds. Of more than `limit` bytes of output head and tail are kept. What a script
        leaves running in the background must not keep its standard output.

        Raises CommandTimedOut (the remote processes were killed and the shell closed), ConnectionLost (whether
        the script ran to its end is unknown; the next call opens a new shell), and what `open` raises.
        """
        async with self._turn:
            shell = await self._opened()
            shell.calls += 1
            frame = Frame(f"{self._nonce}:{shell.calls}", limit)
            try:
                async with awake_for(timeout):
                    return await self._ask(shell, frame, script)
            except TimeoutError:
                self.forget()
                survivors = await self.end(shell.process)
                raise CommandTimedOut(
                    self.host.name,
                    f"a command on {self.host.name} took longer than {timeout:g}s and was ended"
                    + (f"; {survivors} of its processes could not be" if survivors else ""),
                    output=frame.so_far,
                    survivors=survivors,
                ) from None
            except asyncio.CancelledError:
                # Whoever asked does not wait; what they started must end all the same.
                self.forget()
                self.connections.later(self.end(shell.process))
                raise
            except ConnectionLost:
                self.forget()
                raise

    async def run(
        self,
        command: str | Sequence[str],
        *,
        on_output: Callable[[bytes], None],
        env: Mapping[str, str] | None = None,
        pty: bool = False,
        timeout: float | None = None,
    ) -> Exit:
        """Runs a command on a channel of its own, beside whatever the session does.

        `command` is a script for sh, or words that reach the program exactly as they are. Standard output and
        error come together by `on_output`, as they come; the environment travels as data. Without a terminal the
        input is empty. A command ends when its process ends, whatever it left in the background.

        Raises CommandTimedOut after `timeout` seconds, when the command's processes have been ended; when the
        caller is cancelled they are ended too. Raises ConnectionLost and what `open` raises.
        """
        return await run(self, command, env=env or {}, pty=pty, timeout=timeout, on_output=on_output)

    def forget(self) -> None:
        """Lets go of the shell; the next call opens another."""
        if self._shell is not None:
            self._shell.channel.close()
            self._shell = None

    async def upload(self, source: Path, sha256: str, destination: str, *, mode: int = 0o644) -> bool:
        """Puts a file on the host, whole or not at all; see drivers.ssh.uploads.

        Returns False if a file with this content stood there already. `destination` is relative to the
        user's home unless absolute; folders above it are made.
        """
        return await upload(self, source, sha256, destination, mode)

    async def upload_bytes(self, data: bytes, destination: str, *, mode: int = 0o600) -> None:
        """Puts a few bytes on the host, whole or not at all; they appear in no argument list."""
        await upload_bytes(self, data, destination, mode)

    async def open_tcp(
        self, host: str, port: int
    ) -> tuple[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]]:
        """A TCP connection made by the host (direct-tcpip). Raises OSError if the host cannot make it."""
        connection = await self.connection()
        try:
            return await connection.open_connection(host, port, encoding=None)
        except asyncssh.ChannelOpenError as error:
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise OSError("the host's sshd forbids forwarding (AllowTcpForwarding)") from error
            raise OSError(error.reason) from error

    async def channel(self, command: str, *, pty: bool = False) -> Channel:
        """Runs a command on a channel of its own; the caller closes it, or waits for its end.

        A stock sshd allows ten at once on a connection (MaxSessions): more wait for their turn here.
        Raises ConnectionLost when the host opens none, and what `Connections.connection` raises.
        """
        await self._channels.acquire()
        try:
            channel = await self._open_channel(command, pty)
        except BaseException:
            self._channels.release()
            raise
        channel.ended.add_done_callback(lambda _: self._channels.release())
        return channel

    async def _open_channel(self, command: str, pty: bool) -> Channel:
        connection = await self.connection()
        try:
            async with awake_for(_GREETING_TIMEOUT):
                return await _open_patiently(connection, command, pty)
        except TimeoutError:
            # Nothing moves on it: the next asker makes another.
            self.connections.drop(connection)
            why = f"has not answered for {_GREETING_TIMEOUT:g}s"
        except (asyncssh.Error, OSError) as error:
            why = f"opens no session: {error}"
        raise ConnectionLost(self.host.name, f"{self.host.name} {why}")

    async def end(self, process: RemoteProcess) -> int | None:
        """Ends what a command started, through a fresh channel. How many are left; None: the host could not be asked."""
        connection = None
        try:
            async with awake_for(_KILL_TIMEOUT):
                connection = await self.connection()
                return await end_processes(connection, process)
        except TimeoutError:
            if connection is not None:
                self.connections.drop(connection)  # nothing moves on it any more
        except (OSError, asyncssh.Error, SshError):
            pass
        return None

    async def _opened(self) -> _Shell:
        if self._shell is None or self._shell.channel.ended.done() or not self.connections.stands(self.host):
            self._shell = None
            self._shell = await self._greet(await self.channel("exec sh"))
        return self._shell

    async def _greet(self, channel: Channel) -> _Shell:
        """Which process the shell is. What a login shell printed before is not ours."""
        first = bytearray()

        def keep(data: bytes) -> None:
            if len(first) < 2048:
                first.extend(data)

        frame = Frame(f"{self._nonce}:0", 4096)
        try:
            async with awake_for(_GREETING_TIMEOUT):
                reply = await _exchange(channel, frame, IDENTIFY, keep)
        except TimeoutError:
            channel.close()
            raise NoShell(self.host.name, f"the login shell of {self.host.name} does not answer") from None
        if isinstance(reply, Ending):
            said = (bytes(first) + bytes(channel.errors)).decode("utf-8", "replace").strip().splitlines()
            why = f": {said[-1]}" if said else ""
            if reply.exit_code is None and reply.error is not None:
                raise ConnectionLost(self.host.name, f"the connection to {self.host.name} was lost{why}")
            raise NoShell(
                self.host.name,
                f"{self.host.name} lets us in but runs no sh for us{why}",
                hint="the account needs a login shell that can run `exec sh`",
            )
        return _Shell(channel, parse_identity(reply.output))

    async def _ask(self, shell: _Shell, frame: Frame, script: str) -> Reply:
        answer = await _exchange(shell.channel, frame, script, None)
        if isinstance(answer, Ending):
            why = shell.channel.last_words() or (str(answer.error) if answer.error else "the shell ended")
            raise ConnectionLost(
                self.host.name, f"the connection to {self.host.name} was lost while a command ran: {why}"
            )
        return answer


async def _open_patiently(connection: asyncssh.SSHClientConnection, command: str, pty: bool) -> Channel:
    """Again after a moment when it is refused: sshd frees a session's place only once its process is reaped."""
    for pause in _OPEN_PAUSES:
        try:
            return await open_channel(connection, command, pty=pty)
        except asyncssh.ChannelOpenError:
            await asyncio.sleep(pause)
    return await open_channel(connection, command, pty=pty)


async def _exchange(
    channel: Channel, frame: Frame, script: str, watch: Callable[[bytes], None] | None
) -> Reply | Ending:
    """Sends a frame and waits for its reply, or for the end of the channel."""
    loop = asyncio.get_running_loop()
    replied: asyncio.Future[Reply] = loop.create_future()

    def take(data: bytes) -> None:
        if watch is not None:
            watch(data)
        if not replied.done():
            reply = frame.feed(data)
            if reply is not None:
                replied.set_result(reply)

    channel.on_output = take
    channel.write(frame.send(script))
    ends: set[asyncio.Future[Any]] = {replied, channel.ended}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    return replied.result() if replied.done() else channel.ended.result()
