"""Who we are when we claim work, and whether another owner still lives."""

import platform
from contextlib import suppress
from pathlib import Path

from headway.drivers import processes
from headway.store.owners import Owner


def this_process(user: str) -> Owner:
    """The calling process as an owner of work."""
    identity = processes.current()
    return Owner(
        machine=_machine(),
        boot_id=identity.boot_id,
        pid=identity.pid,
        start_time=str(identity.start_time),
        user=user,
    )


def is_alive(owner: Owner) -> bool | None:
    """True or False for a process of this machine; None for another machine's, which only its lease can tell."""
    if owner.machine != _machine():
        return None
    return processes.is_alive(_identity(owner))


def is_stopped(owner: Owner) -> bool:
    """A process of this machine that somebody stopped (SIGSTOP, Ctrl-Z): it lives, and only its silence can tell for how
    long it does nothing."""
    return owner.machine == _machine() and processes.is_stopped(_identity(owner))


def _identity(owner: Owner) -> processes.ProcessIdentity:
    return processes.ProcessIdentity(owner.boot_id, owner.pid, int(owner.start_time))


def _machine() -> str:
    """The same for every process of this machine, also after a reboot."""
    for file in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with suppress(OSError):
            if found := Path(file).read_text().strip():
                return f"{platform.node()}:{found}"
    return platform.node()
