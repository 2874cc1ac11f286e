"""One server a data folder: `DATA/engine.lock`. Commands on that folder speak to it through `DATA/headway.sock`.

ServerRuns   2   another server has this folder
"""

import fcntl
import json
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headway.base.errors import WrongUse

LOCK = "engine.lock"
SOCKET = "headway.sock"
#: How often, and after how many seconds each, the lock is tried while nobody but passing commands has it.
_TRIES, _PAUSE = 50, 0.01
#: Bytes of a unix socket's path that every Linux takes; the last one ends it.
_LONGEST_SOCKET_PATH = 107


class ServerRuns(WrongUse):
    pass


@dataclass(frozen=True, slots=True)
class RunningServer:
    pid: int
    url: str
    socket: Path


class ServerLock:
    """Held while the process lives; the kernel lets it go however that ends."""

    def __init__(self, data: Path) -> None:
        self._file = data / LOCK
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises ServerRuns."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for tries_left in reversed(range(_TRIES)):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = running_server(self._file.parent)
                if running is None and tries_left:
                    # A command that asks whether a server runs holds it for a moment.
                    time.sleep(_PAUSE)
                    continue
                os.close(descriptor)
                who = f"process {running.pid} at {running.url}" if running else "another process"
                raise ServerRuns(
                    f"a server runs on {self._file.parent} already: {who}",
                    hint="stop it first, or give this one another folder: --data DIR",
                ) from None
            self._descriptor = descriptor
            return

    def tell(self, url: str) -> None:
        """Write down how we are reached."""
        assert self._descriptor is not None
        text = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

    def release(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def running_server(data: Path) -> RunningServer | None:
    """The server that has this folder now; None when there is none. Takes nothing and imports little: every command asks."""
    try:
        descriptor = os.open(data / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        told = os.pread(descriptor, 4096, 0)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    try:
        document = json.loads(told)
        return RunningServer(int(document["pid"]), str(document["url"]), socket_path(data))
    except (ValueError, KeyError, TypeError):
        # It has the lock and not yet an address: it is just starting.
        return RunningServer(0, "", socket_path(data))


def socket_path(data: Path) -> Path:
    """In the folder; where its name is too long for a socket, in the user's own folder of run-time files.

    Under /tmp, where anybody may write, it lies in a folder of ours (`private_folder`).
    """
    path = data / SOCKET
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    import hashlib

    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    own = Path(f"/run/user/{os.getuid()}")
    folder = own if own.is_dir() else Path(f"/tmp/headway-{os.getuid()}")  # noqa: S108
    return folder / f"headway-{name}.sock"


def private_folder(folder: Path) -> None:
    """Make the socket's folder, if it is not there. Raises WrongUse for one that somebody else made, or may enter."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise WrongUse(
            f"{folder} is not this user's alone, so the server's socket cannot lie in it",
            hint=f"see: ls -ld {folder}; a data folder with a shorter name needs no other place",
        )
