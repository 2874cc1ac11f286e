"""An SSH server that runs real shells, made of asyncssh: where no OpenSSH is installed, the demo's hosts are these.

It keeps to what sshd does: `sh -c COMMAND` in the home, a session of its own for each command, signals to the whole
process group, a lost connection closes pipes but kills nobody, forwarding to loopback only.
"""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncssh

from headway.demo.processes import host_environment

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CHUNK = 256 * 1024
#: Seconds that output may still come after the command itself has ended.
_LINGER = 1.0
#: RFC 4254's numbers of terminal modes that clients ask for -> which word of termios, which bit.
_MODES = {
    36: (0, termios.ICRNL),
    50: (3, termios.ISIG),
    51: (3, termios.ICANON),
    53: (3, termios.ECHO),
    54: (3, termios.ECHOE),
    55: (3, termios.ECHOK),
    56: (3, termios.ECHONL),
    70: (1, termios.OPOST),
    72: (1, termios.ONLCR),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class HostServer(asyncssh.SSHServer):
    """Public keys only; TCP connections may be opened to this machine itself."""

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return dest_host in LOOPBACK

    def begin_auth(self, username: str) -> bool:
        return True


@contextlib.asynccontextmanager
async def serve(folder: Path, home: Path, port: int) -> AsyncIterator[None]:
    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        await run_command(process, home)

    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=HostServer,
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=handle,
        encoding=None,
        line_editor=False,
        allow_scp=False,
        reuse_address=True,
    )
    try:
        yield
    finally:
        server.close()


async def run_command(process: asyncssh.SSHServerProcess[bytes], home: Path) -> None:
    """One exec or shell request, from its start to its exit status."""
    if process.subsystem is not None:
        process.stderr.write(b"this host has no subsystems\n")
        process.exit(1)
        return
    environment = {**host_environment(home), **_accepted(process.env)}
    argv = ["/bin/sh", "-c", process.command] if process.command is not None else ["/bin/sh"]
    try:
        if process.term_type is None:
            status = await _with_pipes(process, argv, home, environment)
        else:
            status = await _with_terminal(process, argv, home, environment | {"TERM": process.term_type})
    except OSError as error:
        process.stderr.write(f"cannot start a shell: {error}\n".encode())
        status = 126
    with contextlib.suppress(OSError, asyncssh.Error):
        if status < 0:
            process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            process.exit(status)


def _accepted(requested: object) -> dict[str, str]:
    """The client's variables, as text; names that no shell could read are left out."""
    assert hasattr(requested, "items")
    words = {_text(name): _text(value) for name, value in requested.items()}
    return {name: value for name, value in words.items() if _NAME.fullmatch(name)}


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else os.fsdecode(value)


async def _with_pipes(
    process: asyncssh.SSHServerProcess[bytes], argv: list[str], home: Path, environment: dict[str, str]
) -> int:
    child = await asyncio.create_subprocess_exec(
        *argv,
        cwd=home,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=_CHUNK,
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    feed = asyncio.create_task(_feed(process, child.stdin, child.pid))
    drains = {
        asyncio.create_task(_drain(child.stdout, process.stdout, child)),
        asyncio.create_task(_drain(child.stderr, process.stderr, child)),
    }
    try:
        # Not `wait`: it waits for the pipes too, and what the command left in the background may hold them for ever.
        while child.returncode is None:
            await asyncio.wait(drains, timeout=0.05)
            if all(task.done() for task in drains):
                return await child.wait()
        await asyncio.wait(drains, timeout=_LINGER)
        return child.returncode
    finally:
        for task in (feed, *drains):
            task.cancel()
        await asyncio.gather(feed, *drains, return_exceptions=True)
        child._transport.close()  # type: ignore[attr-defined]


async def _feed(process: asyncssh.SSHServerProcess[bytes], pipe: asyncio.StreamWriter, group: int) -> None:
    """Standard input and signals, until the client sends no more; then the command sees the end of its input."""
    try:
        while data := await _next_input(process, group):
            pipe.write(data)
            await pipe.drain()
    except (OSError, asyncssh.Error):
        pass  # the command reads no more, or the client is gone
    finally:
        pipe.close()


async def _next_input(process: asyncssh.SSHServerProcess[bytes], group: int) -> bytes:
    while True:
        try:
            return await process.stdin.read(_CHUNK)
        except asyncssh.SignalReceived as received:
            _signal_group(group, received.signal)
        except asyncssh.BreakReceived:
            _signal_group(group, "INT")
        except asyncssh.TerminalSizeChanged as change:
            _resize(process, change.width, change.height)


def _signal_group(group: int, name: str) -> None:
    with contextlib.suppress(KeyError, ProcessLookupError, PermissionError):
        os.killpg(group, signal.Signals[f"SIG{name}"])


async def _drain(
    pipe: asyncio.StreamReader, channel: asyncssh.SSHWriter[bytes], child: asyncio.subprocess.Process
) -> None:
    """The command's output to the client. When the client is gone, the pipe is closed, as sshd does it."""
    try:
        while data := await pipe.read(_CHUNK):
            channel.write(data)
            await channel.drain()
    except (OSError, asyncssh.Error):
        # StreamReader cannot close its pipe; its transport, the process's, can close both outputs.
        transport = child._transport  # type: ignore[attr-defined]
        for number in (1, 2):
            if output := transport.get_pipe_transport(number):
                output.close()


async def _with_terminal(
    process: asyncssh.SSHServerProcess[bytes], argv: list[str], home: Path, environment: dict[str, str]
) -> int:
    leader, terminal = pty.openpty()
    width, height, *_ = process.term_size
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height or 24, width or 80, 0, 0))
    _set_modes(terminal, process.term_modes)
    process.channel.set_extra_info(terminal=leader)
    child = await asyncio.create_subprocess_exec(
        *argv,
        cwd=home,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        # The child has a session and no other thread runs in it: making the terminal its own is one system call.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(terminal)
    loop = asyncio.get_running_loop()
    os.set_blocking(leader, False)
    output: asyncio.Queue[bytes] = asyncio.Queue()
    loop.add_reader(leader, _read_terminal, leader, output)
    typing = asyncio.create_task(_type(process, leader, child.pid))
    try:
        while data := await output.get():
            process.stdout.write(data)
            await process.stdout.drain()
        return await child.wait()
    except (OSError, asyncssh.Error):
        _signal_group(child.pid, "HUP")  # the terminal hung up
        return await child.wait()
    finally:
        typing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await typing
        loop.remove_reader(leader)
        os.close(leader)


def _set_modes(terminal: int, wanted: Mapping[int, int]) -> None:
    words = termios.tcgetattr(terminal)
    for mode, value in wanted.items():
        if mode in _MODES:
            word, bit = _MODES[mode]
            words[word] = words[word] | bit if value else words[word] & ~bit
    termios.tcsetattr(terminal, termios.TCSANOW, words)


def _read_terminal(leader: int, output: "asyncio.Queue[bytes]") -> None:
    try:
        data = os.read(leader, _CHUNK)
    except BlockingIOError:
        return
    except OSError:  # EIO: the last process with this terminal has closed it
        data = b""
    if not data:
        asyncio.get_running_loop().remove_reader(leader)
    output.put_nowait(data)


async def _type(process: asyncssh.SSHServerProcess[bytes], leader: int, group: int) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await _next_input(process, group):
            while data:
                try:
                    data = data[os.write(leader, data) :]
                except BlockingIOError:
                    await asyncio.sleep(0.01)


def _resize(process: asyncssh.SSHServerProcess[bytes], width: int, height: int) -> None:
    leader = process.channel.get_extra_info("terminal")
    if leader is not None:
        with contextlib.suppress(OSError):
            fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
