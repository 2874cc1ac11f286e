"""Starting runners that adopt their orphans: whoever of a job forks twice becomes a child of the job's runner.

Linux knows such a process as a child subreaper. It has to declare itself one, which no shell can; a Python with
threads cannot do it for a child either, for it must not fork. So a small process beside this one does: a Python of
its own, started once (20 ms, 9 MB), which forks, declares and becomes the runner's shell, in one millisecond a job.
It ends with this process; what it has started goes on.
"""

import array
import atexit
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from headway.base.errors import Errored

_PROGRAM = Path(__file__).with_name("spawner_process.py")
_ANSWER = struct.Struct("!ii")
#: A word for the runner in place of its starter's pid: orphans come to the runner itself.
ADOPTS = "adopts"
#: Where the kernel has subreapers.
IS_POSSIBLE = sys.platform == "linux"
DEFAULT_SIGNALS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
#: Of ours, what a Python built with shared libraries needs to start.
_NEEDED = ("LD_LIBRARY_PATH",)


class SpawnerGone(Errored):
    """It ended without an answer. What was asked for may run all the same: give its `stdin` to nobody else."""


class Spawner:
    """Any number of threads may ask; one is served at a time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._line: socket.socket | None = None
        self._pid = 0

    def ready(self) -> None:
        """Begin to start the process, if there is none; nobody waits for it. Raises Errored."""
        with self._turn:
            self._open()

    def start(self, words: Sequence[str], environment: Mapping[str, str], *, stdin: int) -> int:
        """The pid of `words`, whose last one is ADOPTS, in a session of its own with default signals, `stdin`, and
        no other open file. Raises SpawnerGone, and Errored."""
        body = b"\0".join(
            [
                str(len(words)).encode(),
                *(os.fsencode(word) for word in words),
                *(os.fsencode(f"{name}={value}") for name, value in environment.items()),
            ]
        )
        with self._turn:
            line = self._open()
            try:
                pid, error = _ask(line, body, stdin)
            except OSError as gone:
                self._close()
                raise SpawnerGone(f"the process that starts jobs is gone: {gone}") from gone
        if error:
            raise Errored(f"cannot start {words[0]}: {os.strerror(error)}")
        return pid

    def close(self) -> None:
        """End the process; what it has started goes on."""
        with self._turn:
            self._close()

    def _open(self) -> socket.socket:
        if self._line is None:
            ours, theirs = socket.socketpair()
            try:
                self._pid = _spawn(theirs.fileno())
            except OSError as error:
                ours.close()
                raise Errored(f"cannot start {sys.executable}: {error.strerror}") from error
            finally:
                theirs.close()
            self._line = ours
            atexit.register(ours.close)
        return self._line

    def _close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
            # It ends as soon as it sees that; it must not stay as a zombie.
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)


def _spawn(line: int) -> int:
    # Another number: a file that is copied onto itself would be closed by exec.
    keep = 3 if line != 3 else 4
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", str(_PROGRAM), str(keep)],
        {name: os.environ[name] for name in _NEEDED if name in os.environ},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
            *((os.POSIX_SPAWN_CLOSE, number) for number in inherited() if number != line),
            (os.POSIX_SPAWN_DUP2, line, keep),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=DEFAULT_SIGNALS,
    )


def _ask(line: socket.socket, body: bytes, stdin: int) -> tuple[int, int]:
    """Pid and error number. Raises OSError."""
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [stdin]))]
    line.sendmsg([struct.pack("!I", len(body))], beside)
    line.sendall(body)
    answer = b""
    while len(answer) < _ANSWER.size:
        piece = line.recv(_ANSWER.size - len(answer))
        if not piece:
            raise ConnectionResetError("it ended without an answer")
        answer += piece
    pid, error = _ANSWER.unpack(answer)
    return pid, error


def inherited() -> list[int]:
    """Files that whoever started us left open for us (a lock, a make's pipe): a job must not hold them."""
    found: list[int] = []
    if not os.path.isdir("/dev/fd"):
        return found
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            continue
    return found


#: This process's own.
spawner = Spawner()
