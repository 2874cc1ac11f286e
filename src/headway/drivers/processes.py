"""Which process is meant: a pid alone is given away again, after a reboot even soon."""

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HAS_PROC = Path("/proc/self/stat").exists()
_STARTED_AT = 19  # field 22 of /proc/PID/stat, counted from the first one behind the name


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one boot of one machine. `start_time` is in clock ticks since boot (on macOS in epoch seconds)."""

    boot_id: str
    pid: int
    start_time: int


@cache
def boot_id() -> str:
    """Names this boot of this machine; another one after each reboot."""
    if _HAS_PROC:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    found = subprocess.run(
        ["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "-"


def current() -> ProcessIdentity:
    """The calling process."""
    found = identity(os.getpid())
    assert found is not None
    return found


def identity(pid: int) -> ProcessIdentity | None:
    """The process that has this pid now; None if there is none, or a dead one nobody has reaped yet."""
    started_at = start_time(pid)
    return None if started_at is None else ProcessIdentity(boot_id(), pid, started_at)


def is_alive(process: ProcessIdentity) -> bool:
    """Whether exactly this process still runs, here. One of an earlier boot, or of another machine, does not."""
    return process.boot_id == boot_id() and start_time(process.pid) == process.start_time


def is_stopped(process: ProcessIdentity) -> bool:
    """Whether it lives and does nothing: stopped by a signal (SIGSTOP, Ctrl-Z) or a debugger. False where /proc is not."""
    if not is_alive(process) or (fields := _stat(process.pid)) is None:
        return False
    return fields[0] in (b"T", b"t")


def start_time(pid: int) -> int | None:
    """When the living process `pid` began, see ProcessIdentity; None if there is none."""
    if not _HAS_PROC:
        return _start_time_by_ps(pid)
    fields = _stat(pid)
    return None if fields is None or fields[0] in (b"Z", b"X") else int(fields[_STARTED_AT])


def _stat(pid: int) -> list[bytes] | None:
    """The fields behind the name, which may hold blanks and parentheses itself; None where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    return stat[stat.rindex(b")") + 2 :].split()


def _start_time_by_ps(pid: int) -> int | None:
    # `etimes` is not known everywhere, `lstart` is; only its being the same counts, so a hash of it will do.
    found = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
    )
    state, _, started = found.stdout.strip().partition(b" ")
    if found.returncode != 0 or state.startswith(b"Z"):
        return None
    return int.from_bytes(b"".join(started.split())[-15:], "big") & 0x7FFF_FFFF_FFFF_FFFF
