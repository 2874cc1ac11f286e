"""What can be asked of a runner. The same on this machine and on a host."""

from datetime import timedelta
from typing import Protocol

from headway.domain.job import JobSpec, Piece

#: The most bytes of log that one `follow` brings.
PIECE_SIZE = 2**20
#: How long a job may be claimed, or asked for, without a sign of its runner. A runner takes milliseconds.
SIGN_OF_LIFE_WITHIN = timedelta(seconds=10)
#: With less than this free (bytes) a lost runner is put down to its disk.
FULL_DISK = 64 * 2**10


class Runner(Protocol):
    """Runs jobs that outlive the caller. A job's directory is its key: the same directory is the same job."""

    async def start(self, spec: JobSpec) -> None:
        """Start the job if nobody has. Any number of times, by any number of callers: it runs once.

        Raises Errored when the directory cannot be made, WrongUse for what a shell cannot carry.
        """
        ...

    async def follow(self, directory: str, offset: int, *, wait: float) -> Piece:
        """What came since `offset` (0 at first, then `Piece.offset`), at once or within `wait` seconds.

        A piece with a result is the last one. A piece with neither items nor result: nothing happened.
        Any number of callers may follow the same job, each from its own offset.
        """
        ...

    async def cancel(self, directory: str, reason: str) -> None:
        """Have the job end: TERM to all its processes, after its `stop_within` KILL. Returns at once or soon.

        The result comes by `follow`: `cancelled` with `reason`, or what the job came to before. May be repeated.
        """
        ...

    async def remove(self, directory: str) -> None:
        """Remove a finished job's directory. No error if it is gone.

        On this machine it stays, for housekeeping, while a process of the job lives that nothing could end.
        """
        ...
