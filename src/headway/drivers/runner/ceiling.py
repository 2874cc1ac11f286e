"""A ceiling of memory for all jobs of this machine together, where the kernel allows one: a control group.

Under version 2 the group lies in the server's own one, which has to be delegated to us (`Delegate=yes` of the shipped
unit); under version 1 in the memory controller's folder. What needs more than the ceiling is ended by the kernel, and
nothing else is. Without control groups jobs still yield: they run at a lower priority and die first.
"""

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("headway.jobs")

_ROOT = Path("/sys/fs/cgroup")
#: Of the machine's memory, when nothing was said.
_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Ceiling:
    #: The control group of the jobs.
    folder: Path
    bytes: int

    def take_in(self, pid: int) -> None:
        """This process, and whatever it starts from now on. One that is gone, or a group that is gone, is no fault."""
        with contextlib.suppress(OSError):
            (self.folder / "cgroup.procs").write_text(str(pid))


def make_ceiling(most_bytes: int | None, name: str) -> Ceiling | None:
    """`name` is that of the control group, one for each data folder. None where the machine does not allow one; that is said in the server's log, with the way to have it."""
    limit = most_bytes or int(_memory() * _SHARE)
    try:
        own = _own_groups()
        if "memory" in own and (_ROOT / "memory").is_dir():
            return _version_one(_ROOT / "memory" / own["memory"].lstrip("/"), name, limit)
        if "" in own and (_ROOT / "cgroup.controllers").exists():
            return _version_two(_ROOT / own[""].lstrip("/"), name, limit)
    except OSError as error:
        log.info("jobs have no ceiling of memory: %s; with Delegate=yes in the unit they have", error)
        return None
    log.info("jobs have no ceiling of memory: this machine has no control groups")
    return None


def _own_groups() -> dict[str, str]:
    """Controller -> path of our group; '' is version 2."""
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _version_one(parent: Path, name: str, limit: int) -> Ceiling:
    folder = parent / name
    folder.mkdir(exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(str(limit))
    # Else what does not fit is swapped out, and the machine with it.
    with contextlib.suppress(OSError):
        (folder / "memory.swappiness").write_text("0")
    return Ceiling(folder, limit)


def _version_two(own: Path, name: str, limit: int) -> Ceiling:
    # A group that has processes cannot hand controllers down, so we move into a leaf of our own first.
    if own.name == "headway-server":
        own = own.parent
    leaf = own / "headway-server"
    leaf.mkdir(exist_ok=True)
    for pid in (own / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (leaf / "cgroup.procs").write_text(pid)
    (own / "cgroup.subtree_control").write_text("+memory")
    folder = own / name
    folder.mkdir(exist_ok=True)
    (folder / "memory.max").write_text(str(limit))
    with contextlib.suppress(OSError):
        (folder / "memory.swap.max").write_text("0")
    return Ceiling(folder, limit)


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
