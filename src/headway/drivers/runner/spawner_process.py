"""The program that starts runners for a Headway process, see spawner.py. The standard library only, and little of it:
it is started isolated, with `python -I -S`, and every millisecond of it is waited for once.

A request is its length (4 bytes) with the runner's standard input as a file descriptor beside it, then NUL-separated:
the number of words, the words, the environment. The answer is two numbers: pid and error number, one of them 0.
"""

import array
import ctypes
import os
import signal
import struct
import sys
from _socket import SCM_RIGHTS, SOL_SOCKET, socket

_ANSWER = struct.Struct("!ii")
_ANSWER_SIZE = _ANSWER.size
#: linux/prctl.h: orphans among the caller's descendants become its children. It outlasts exec; children do not inherit it.
_PR_SET_CHILD_SUBREAPER = 36
#: Python ignores these two at its start, and a runner would inherit that.
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)


def main(asking: socket) -> None:
    """To the end of the socket: whoever asks is gone then."""
    # A runner that held it would keep it open after this process was killed, and who asks would wait for that runner.
    os.set_inheritable(asking.fileno(), False)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    # The kernel reaps for us.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    while True:
        received = _request(asking)
        if received is None:
            return
        body, stdin = received
        count, *rest = body.split(b"\0")
        words, variables = rest[: int(count)], rest[int(count) :]
        try:
            answer = _start(prctl, words, variables, stdin, null)
        except OSError as error:
            answer = (0, error.errno or 1)
        os.close(stdin)
        try:
            asking.sendall(_ANSWER.pack(*answer))
        except OSError:
            return


def _request(asking: socket) -> tuple[bytes, int] | None:
    size = array.array("i").itemsize
    try:
        head, beside, _, _ = asking.recvmsg(4, 64)
        if not beside or len(head) != 4:
            return None
        level, kind, data = beside[0]
        if (level, kind) != (SOL_SOCKET, SCM_RIGHTS):
            return None
        (stdin,) = array.array("i", data[:size])
        os.set_inheritable(stdin, False)
        left, pieces = struct.unpack("!I", head)[0], []
        while left:
            piece = asking.recv(min(left, 1 << 16))
            if not piece:
                return None
            pieces.append(piece)
            left -= len(piece)
    except OSError:
        return None
    return b"".join(pieces), stdin


def _start(
    prctl: object, words: list[bytes], variables: list[bytes], stdin: int, null: int
) -> tuple[int, int]:
    """Pid and error number of the program that was started; returns once it runs."""
    environment = dict(variable.split(b"=", 1) for variable in variables)
    # Closed by a successful exec; else it brings what was wrong.
    failed, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for ignored in _IGNORED:
                signal.signal(ignored, signal.SIG_DFL)
            if prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:  # type: ignore[operator]
                # The last word says that orphans come to the runner. They do not.
                words[-1] = b"0"
            for number, descriptor in enumerate((stdin, null, null)):
                os.dup2(descriptor, number)
            os.execve(words[0], words, environment)  # noqa: S606
        except OSError as error:
            os.write(tell, _ANSWER.pack(0, error.errno or 1))
        finally:
            os._exit(127)
    os.close(tell)
    try:
        said = os.read(failed, _ANSWER_SIZE)
    finally:
        os.close(failed)
    return (0, _ANSWER.unpack(said)[1]) if said else (pid, 0)


if __name__ == "__main__":
    main(socket(fileno=int(sys.argv[1])))
