"""A git that asyncio waits for: in a process group of its own, ended and reaped however its use ends.

`call` has the calls that block, for questions that take milliseconds. Here are those that talk to another
machine, and may take an hour or for ever.
"""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from headway.drivers.git.process import GitMissing, OutputTooLong

#: How much is read, and handed on, at once.
CHUNK = 65536
#: What is kept of what git complains: the end counts, for the reason comes last.
_COMPLAINT = 16384
#: What is still there so long after it was asked to end is asked harder.
_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Child:
    """A git process under way."""

    _process: asyncio.subprocess.Process
    _complaining: "asyncio.Task[bytes]"

    async def read(self) -> bytes:
        """The next piece of its output; nothing at the end."""
        assert self._process.stdout is not None
        return await self._process.stdout.read(CHUNK)

    async def feed(self, pieces: AsyncIterator[bytes]) -> None:
        """Writes the pieces to its standard input, then ends that; stops early if it listens no longer."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            async for piece in pieces:
                stdin.write(piece)
                await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return
        stdin.close()

    async def finish(self) -> tuple[int, str]:
        """Exit code, and the end of what it complained; its output was read before."""
        complaint = await self._complaining
        return await self._process.wait(), complaint.decode(errors="replace")

    async def _end(self, *, patient: bool) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        for number in [*([None] if patient else []), signal.SIGTERM]:
            # One that has ended and was waited for is not signalled: its number may be another's by now.
            if number is not None and self._process.returncode is None:
                self._signal(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_SECONDS):
                    return await self._drained()
        # Whoever still holds its output open belongs to the group, so the group's number is still its own.
        self._signal(signal.SIGKILL)
        return await self._drained()

    async def _drained(self) -> None:
        while await self.read():
            pass
        with suppress(asyncio.CancelledError):
            await asyncio.shield(self._complaining)
        await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


@asynccontextmanager
async def running(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: str | None = None,
    fed: bool = False,
    patient: bool = False,
    holding: Sequence[int] = (),
    largest_file: int | None = None,
) -> AsyncIterator[Child]:
    """git with these arguments; no process of its group is left when the block is left.

    `fed` gives it a standard input, `holding` are descriptors that it and its children keep open. Left early, it gets
    SIGTERM; a `patient` one first sees its input end and cleans up by itself, because on SIGTERM receive-pack removes
    the folder into which its index-pack is still writing. No file that it or its children write gets longer than
    `largest_file` bytes. Raises GitMissing.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE if fed else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            process_group=0,
            pass_fds=holding,
        )
    except FileNotFoundError as error:
        raise GitMissing(
            "git was not found on this machine", hint="install it, on Debian and Ubuntu: sudo apt install git"
        ) from error
    assert process.stderr is not None
    if largest_file is not None and hasattr(resource, "prlimit"):
        with suppress(OSError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest_file, largest_file))
    child = Child(process, asyncio.create_task(_last_words(process.stderr)))
    try:
        yield child
    finally:
        ending = asyncio.create_task(child._end(patient=patient))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise


async def answered(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    most: int,
    folder: str | None = None,
    feed: AsyncIterator[bytes] | None = None,
    holding: Sequence[int] = (),
    largest_file: int | None = None,
) -> tuple[int, bytes, str]:
    """Exit code, output and complaint of a git that reads all of `feed` before it answers. Raises GitMissing, and
    OutputTooLong beyond `most` bytes of output."""
    pieces: list[bytes] = []
    length = 0
    fed = feed is not None
    async with running(
        arguments,
        environment=environment,
        folder=folder,
        fed=fed,
        holding=holding,
        largest_file=largest_file,
    ) as child:
        if feed is not None:
            await child.feed(feed)
        while piece := await child.read():
            pieces.append(piece)
            length += len(piece)
            if length > most:
                raise OutputTooLong(f"git answers with more than {most:,} bytes")
        code, complaint = await child.finish()
        return code, b"".join(pieces), complaint


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _last_words(stream: asyncio.StreamReader) -> bytes:
    kept = b""
    while piece := await stream.read(CHUNK):
        kept = (kept + piece)[-_COMPLAINT:]
    return kept
