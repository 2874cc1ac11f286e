"""The root of all errors a user can meet. Each room draws its own small tree from these.

HeadwayError
├── WrongUse      2    the call or the configuration is wrong; nothing was done
├── Failed        1    what was asked for was done and did not succeed, or was taken back
├── Errored       3    the platform failed: network, disk, database, Headway itself
│   └── DiskFull       no space left for this machine's own data
├── Held          4    something must happen first: an approval, a lock, a freeze
└── Cancelled   130    you asked for it to stop
"""

import errno

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def wants_room(error: OSError) -> bool:
    """Whether it is room that was missing: the disk, a quota, or the largest size that a file may have."""
    return error.errno in _NO_ROOM


class HeadwayError(Exception):
    """An error with a message for a person and, where there is one, what to do next.

    `message` is one sentence that names the thing and the place; `hint` is the next step,
    often a command. `exit_code` is the process's exit code (docs/settings.md lists them).
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WrongUse(HeadwayError):
    exit_code = 2


class Failed(HeadwayError):
    exit_code = 1


class Errored(HeadwayError):
    exit_code = 3


class DiskFull(Errored):
    """No space is left where this machine's data lies; nothing half-written was kept."""


class Held(HeadwayError):
    exit_code = 4


class Cancelled(HeadwayError):
    exit_code = 130
