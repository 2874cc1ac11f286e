"""Processes of the demo's world: each belongs to a host by what stands in its environment, and ends with it.

A pid alone may already be somebody else's. So nothing is ended by its number only: the environment of a process
that a host started names that host's folder, and only such processes are ended. Linux only, like hosts.
"""

import os
import signal
import sys
import time
from pathlib import Path

from headway.base.clock import SystemClock

#: Every command on a demo host carries its host's home in this variable.
HOST_VARIABLE = "HEADWAY_DEMO_HOST"


def carriers(variable: str, value: str) -> list[int]:
    """The pids of living processes that carry `variable=value` in their environment, ours left out."""
    wanted = f"{variable}={value}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue  # it ended, or is another user's
    return found


def end_carriers(variable: str, value: str, within: float = 2.0) -> int:
    """End every carrier: TERM, and KILL after `within` seconds. Answers how many there were at first.

    Looks again until none is left, because a process may have made another one while we looked.
    """
    clock = SystemClock()
    started = clock.monotonic()
    first: int | None = None
    while found := carriers(variable, value):
        first = len(found) if first is None else first
        late = clock.monotonic() - started > within
        for pid in found:
            send_signal(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.02)
    return first or 0


def send_signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def host_environment(home: Path) -> dict[str, str]:
    """What a command on this host finds in its environment: a login's few words, and the Python that runs us first in PATH."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or "demo"
    return {
        "HOME": str(home),
        "USER": user,
        "LOGNAME": user,
        "SHELL": "/bin/sh",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        HOST_VARIABLE: str(home),
    }
