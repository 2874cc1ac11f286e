"""Starting git and hearing it out, in bounds: whatever a stranger has pushed, one call takes so much and no more.

The bounds stand here once, for every call that blocks: bytes of its answer, seconds, memory of its own. What a
repository holds decides how long an answer is (a few kilobytes unpack into a million paths, or into a message of a
hundred megabytes), so nobody who asks has to think of it.
"""

import os
import resource
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headway.base.clock import SystemClock
from headway.base.patience import Patience
from headway.drivers.git.process import (
    GitMissing,
    NotARepository,
    OutputTooLong,
    TookTooLong,
    explain,
)

# A repository's own configuration can name programs; none of these is needed to read it. Hooks and the file
# system monitor would run on every look, a signature check would start gpg for every commit.
_QUIET = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.splitIndex=false",
    "log.showSignature=false",
)
_CHUNK = 65536
#: What is kept of what git complains: the first line is the reason.
_COMPLAINT = 65536
#: Seconds between two looks at whether somebody wants the call to end, and the most that passes between them while this
#: process runs: git goes on while we are stopped, and what it said meanwhile is no less of an answer.
_LOOK_EVERY, _TICK = 0.2, 2.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one call may take. `memory` counts what git allocates, not the packs it maps; None: as much as there is."""

    output: int = 64 * 1024 * 1024
    seconds: float = 120.0
    memory: int | None = 768 * 1024 * 1024


QUESTION = Bounds()
#: What writes or reads all of a repository: garbage collection, bundles, the user's whole working tree.
LONG_WORK = Bounds(seconds=3600.0, memory=None)


def never() -> None:
    """The check of a call that nobody stops."""


class GitCall:
    """A git process that is under way: several may be started before the first one is waited for.

    It reads nothing from the terminal and has a process group of its own, so that Ctrl-C reaches only us. Its time
    counts while it is heard. However it is heard out, it has ended then.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        folder: Path | None,
        environment: Mapping[str, str],
        place: str,
        feed: bytes | None = None,
        bounds: Bounds = QUESTION,
    ) -> None:
        """`place` is what a message names: the repository, mostly. Raises GitMissing, NotARepository."""
        settings = [word for setting in _QUIET for word in ("-c", setting)]
        self._place, self._feed, self._bounds = place, feed or b"", bounds
        self._left = Patience(SystemClock().monotonic, bounds.seconds, tick=_TICK)
        try:
            self._process = subprocess.Popen(
                ["git", *settings, *arguments],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except FileNotFoundError as error:
            if folder is not None and not folder.is_dir():
                raise NotARepository(
                    f"there is no folder {folder}", hint="name the folder of a git repository"
                ) from error
            raise GitMissing(
                "git was not found on this machine",
                hint="install it, on Debian and Ubuntu: sudo apt install git",
            ) from error
        if bounds.memory is not None and hasattr(resource, "prlimit"):
            # Set from outside: between fork and exec no Python may run in a process of many threads.
            with suppress(OSError):
                resource.prlimit(self._process.pid, resource.RLIMIT_DATA, (bounds.memory, bounds.memory))

    def finish(self, check: Callable[[], None] = never) -> tuple[int, bytes, str]:
        """Exit code, standard output, standard error. `check` is called now and then, and ends git by raising.

        Raises OutputTooLong, TookTooLong.
        """
        pieces: list[bytes] = []
        room = self._bounds.output

        def take(piece: bytes) -> bool:
            nonlocal room
            room -= len(piece)
            if room < 0:
                raise OutputTooLong(
                    f"git answers for {self._place} with more than {self._bounds.output:,} bytes",
                    hint="see its largest commits and folders",
                )
            pieces.append(piece)
            return True

        code, complaint = self._hear(take, check)
        return code, b"".join(pieces), complaint

    def output(self, check: Callable[[], None] = never) -> bytes:
        """Standard output of a call that must succeed. Raises the typed error for what git complained of, and those
        of `finish`."""
        code, output, complaint = self.finish(check)
        if code != 0:
            raise explain(complaint, self._place)
        return output

    def beginning(self, most: int) -> bytes:
        """The first `most` bytes of what it says; what comes behind them is not waited for."""
        kept = bytearray()

        def take(piece: bytes) -> bool:
            kept.extend(piece[: most - len(kept)])
            return len(kept) < most

        code, complaint = self._hear(take, never)
        if code != 0 and len(kept) < most:
            raise explain(complaint, self._place)
        return bytes(kept)

    def fields(self, longest: int) -> list[bytes]:
        """Its answer, parted at NUL, each field cut behind `longest` bytes as it comes in: a field of a hundred
        megabytes takes no room here. The last one is what stands behind the last NUL."""
        found, last = list[bytes](), bytearray()
        room = self._bounds.output

        def take(piece: bytes) -> bool:
            nonlocal room
            first, *others = piece.split(b"\0")
            last.extend(first[: longest - len(last)])
            for other in others:
                found.append(bytes(last))
                room -= len(last) + 1
                last[:] = other[:longest]
            if room < 0:
                raise OutputTooLong(
                    f"git answers for {self._place} with more than {self._bounds.output:,} bytes"
                )
            return True

        code, complaint = self._hear(take, never)
        if code != 0:
            raise explain(complaint, self._place)
        return [*found, bytes(last)]

    def end(self) -> None:
        """Ends it and all of its group, if it has not ended. Twice is fine."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()

    def _hear(self, take: Callable[[bytes], bool], check: Callable[[], None]) -> tuple[int, str]:
        """Feeds it and hands what it says to `take`, until that has enough (False) or git ends: exit code, complaint."""
        complaint = bytearray()

        def complain(piece: bytes) -> bool:
            complaint.extend(piece[: _COMPLAINT - len(complaint)])
            return True

        try:
            if self._stream(take, complain, check):
                self._wait(check)
        finally:
            self.end()
        return self._process.returncode, complaint.decode(errors="replace")

    def _stream(
        self, take: Callable[[bytes], bool], complain: Callable[[bytes], bool], check: Callable[[], None]
    ) -> bool:
        """Whether git said all that it had to say."""
        process = self._process
        assert process.stdout is not None
        assert process.stderr is not None
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ, take)
            ready.register(process.stderr, selectors.EVENT_READ, complain)
            if process.stdin is not None:
                os.set_blocking(process.stdin.fileno(), False)
                ready.register(process.stdin, selectors.EVENT_WRITE)
            rest = memoryview(self._feed)
            while ready.get_map():
                for key, _ in ready.select(self._patience(check)):
                    if key.fileobj is process.stdin:
                        rest = self._write(rest)
                        if not rest:
                            ready.unregister(process.stdin)
                            with suppress(BrokenPipeError):
                                process.stdin.close()
                        continue
                    piece = os.read(key.fd, _CHUNK)
                    if not piece:
                        ready.unregister(key.fileobj)
                    elif not key.data(piece):
                        return False
        return True

    def _write(self, rest: memoryview) -> memoryview:
        assert self._process.stdin is not None
        try:
            return rest[os.write(self._process.stdin.fileno(), rest[:_CHUNK]) :] if rest else rest
        except BlockingIOError:
            return rest
        except BrokenPipeError:
            return rest[:0]  # It listens no longer; what it says tells why.

    def _wait(self, check: Callable[[], None]) -> None:
        """It has closed its output: mostly it has ended, or is about to."""
        while True:
            try:
                self._process.wait(self._patience(check))
                return
            except subprocess.TimeoutExpired:
                continue

    def _patience(self, check: Callable[[], None]) -> float:
        """Seconds until the next look. Raises TookTooLong, and what `check` raises."""
        check()
        left = self._left.left()
        if left <= 0:
            raise TookTooLong(
                f"git took longer than {self._bounds.seconds:.0f} s for {self._place}",
                hint="see what is large in it",
            )
        return min(left, _LOOK_EVERY)
