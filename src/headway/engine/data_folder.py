"""The data folder, which its user alone may enter: logs, the database and the socket lie in it.

DataFolderOpen   2   others may enter it, and it is not ours to close: it is another user's, or holds other things
"""

import logging
import os
import stat
from pathlib import Path

from headway.base.errors import Errored, WrongUse

log = logging.getLogger("headway")

#: Any of these makes a folder one of Headway's.
_OURS = frozenset(
    {"headway.db", "engine.lock", "secret.key", "org.toml", "secrets", "logs", "artifacts", "jobs", "mirrors"}
)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class DataFolderOpen(WrongUse):
    pass


def open_data_folder(data: Path) -> None:
    """Make it, if it is not there; close one that others may enter, and say so. Raises DataFolderOpen, Errored."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        mode = data.stat().st_mode
        if mode & _OTHERS:
            require_own(data)
            data.chmod(stat.S_IMODE(mode) & ~_OTHERS)
            log.warning(
                "others could read the data folder %s (mode %03o); it is closed to them now",
                data,
                stat.S_IMODE(mode),
            )
    except OSError as error:
        raise Errored(
            f"the data folder {data} cannot be used: {(error.strerror or str(error)).lower()}",
            hint=f"see: ls -ld {data}; or name another with HEADWAY_DATA",
        ) from error


def require_own(data: Path) -> None:
    """Nothing for a folder that is closed to others, or may be. Raises DataFolderOpen, OSError."""
    status = data.stat()
    mode = f"mode {stat.S_IMODE(status.st_mode):03o}"
    if not status.st_mode & _OTHERS:
        return
    if os.geteuid() not in (0, status.st_uid):
        raise DataFolderOpen(
            f"the data folder {data} belongs to another user, and others may read it ({mode})",
            hint=f"sudo chown {os.geteuid()} {data} && chmod 700 {data}",
        )
    inside = os.listdir(data)
    # Who names /srv or /tmp by mistake must not find it closed.
    if inside and not _OURS.intersection(inside):
        raise DataFolderOpen(
            f"the data folder {data} holds other things, and others may read it ({mode})",
            hint=f"name a folder of its own, such as {data / 'headway'}; or close this one: chmod 700 {data}",
        )
