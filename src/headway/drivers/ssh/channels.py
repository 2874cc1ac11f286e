"""One channel of a connection: bytes out with back-pressure, bytes in by callback, how it ended."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from headway.drivers.ssh.trimmed import asyncssh

#: What we take before the host has to wait. Large, so that a burst of output costs no round trips.
WINDOW = 4 * 2**20
_WRITE_AHEAD = 2**20
_STDERR_KEPT = 2048


@dataclass(frozen=True, slots=True)
class Ending:
    """How the other side ended: an exit code or a signal's name (TERM, KILL …), or neither when the connection broke."""

    exit_code: int | None = None
    signal: str | None = None
    error: Exception | None = None


class Channel(asyncssh.SSHClientSession[bytes]):
    """A command on the host. `on_output` gets every piece; None keeps nothing."""

    def __init__(self) -> None:
        self.on_output: Callable[[bytes], None] | None = None
        self.on_error: Callable[[bytes], None] | None = None
        self.errors = bytearray()
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        #: The command's own end; the channel stays open while something else holds its output.
        self.exited: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._channel: asyncssh.SSHClientChannel[bytes]
        self._flowing = asyncio.Event()
        self._flowing.set()

    # asyncssh calls these.
    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan
        chan.set_write_buffer_limits(high=_WRITE_AHEAD)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            self.errors += data
            del self.errors[:-_STDERR_KEPT]
            if self.on_error is not None:
                self.on_error(data)
        elif self.on_output is not None:
            self.on_output(data)

    def pause_writing(self) -> None:
        self._flowing.clear()

    def resume_writing(self) -> None:
        self._flowing.set()

    def exit_status_received(self, status: int) -> None:
        self._exit(Ending(exit_code=status))

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._exit(Ending(signal=signal))

    def eof_received(self) -> bool:
        return True  # its exit status may still come

    def connection_lost(self, exc: Exception | None) -> None:
        self._flowing.set()
        if not self.ended.done():
            self.ended.set_result(self.exited.result() if self.exited.done() else Ending(error=exc))

    def _exit(self, ending: Ending) -> None:
        if not self.exited.done():
            self.exited.set_result(ending)

    # We call these.
    def write(self, data: bytes) -> None:
        """Sends, unless the other side is gone; `ended` tells that."""
        with contextlib.suppress(BrokenPipeError):
            self._channel.write(data)

    async def drain(self) -> None:
        """Waits until the host takes more, or the channel has ended."""
        if not self._flowing.is_set():
            await self._flowing.wait()

    def write_eof(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._channel.write_eof()

    def close(self) -> None:
        """Closes our side; what the host still says is dropped."""
        self.on_output = self.on_error = None
        self._channel.close()

    def last_words(self) -> str:
        """The end of what the other side said on standard error, in one line."""
        return " / ".join(self.errors.decode("utf-8", "replace").split("\n")).strip(" /")


async def open_channel(
    connection: asyncssh.SSHClientConnection, command: str, *, pty: bool = False
) -> Channel:
    """Runs a command on a channel of its own. Raises asyncssh.Error or OSError."""
    _, session = await connection.create_session(
        Channel,
        command,
        encoding=None,
        window=WINDOW,
        request_pty="force" if pty else False,
        term_type="xterm-256color" if pty else None,
        term_size=(120, 40) if pty else None,
        term_modes=RAW_TERMINAL if pty else None,
    )
    assert isinstance(session, Channel)
    return session


#: A terminal that hands our script through byte for byte, without echo; `stty sane` follows before the command.
RAW_TERMINAL = dict.fromkeys(
    (
        asyncssh.PTY_ECHO,
        asyncssh.PTY_ECHOE,
        asyncssh.PTY_ECHOK,
        asyncssh.PTY_ICANON,
        asyncssh.PTY_ISIG,
        asyncssh.PTY_IEXTEN,
        asyncssh.PTY_ICRNL,
        asyncssh.PTY_INLCR,
        asyncssh.PTY_IGNCR,
        asyncssh.PTY_IXON,
        asyncssh.PTY_IXOFF,
        asyncssh.PTY_ISTRIP,
        asyncssh.PTY_OPOST,
    ),
    0,
)
