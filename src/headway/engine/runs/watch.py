"""Looking on at a run: what is new since the last look, from its rows and its log files. Changes nothing.

The same for the process that drives the run and for any other, so a slow or closed terminal never holds a run up:
whoever shows a log reads the file of its own accord, at its own pace.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headway.domain.run import Job, Run
from headway.drivers.logfile import LogFile

#: Bytes of one job's log that one look takes at most.
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """A run and its jobs as they stand at one instant."""

    run: Run
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class JobBegan:
    job: Job
    attempt: int


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Masked bytes, never longer than 1 MiB; lines may be cut."""

    job: Job
    data: bytes


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt that is followed by another one; `job.reason` says why."""

    job: Job
    attempt: int


@dataclass(frozen=True, slots=True)
class JobEnded:
    """All of its log was shown before. Jobs that never ran end, too."""

    job: Job


@dataclass(frozen=True, slots=True)
class RunEnded:
    run: Run


Event = JobBegan | LogPiece | AttemptEnded | JobEnded | RunEnded


class Log(Protocol):
    """A job's log, here or elsewhere. `read` answers with what stands there, nothing when that is not yet known."""

    def read(self, offset: int, length: int, /) -> bytes: ...
    def close(self) -> None: ...


class Watcher:
    """Tells everything of a run once, in order within each job, from the beginning."""

    def __init__(
        self,
        look: Callable[[], Look],
        log_path: Callable[[Job, int], Path | Log],
        *,
        wanted: Callable[[Job], bool] = lambda _: True,
    ) -> None:
        """`log_path` gives the file of a job's attempt, or its log elsewhere; `wanted` says whose jobs are told of.

        `look` may be replaced by a source that is nearer, such as the drive of this very process.
        """
        self.look = look
        self._log_path = log_path
        self._wanted = wanted
        self._tails: dict[str, _Tail] = {}
        self._told: set[str] = set()
        self.ended = False
        self.last: Look | None = None

    def events(self) -> Iterator[Event]:
        """What is new. The state is looked at before the files: a job that has ended has written all of its log."""
        if self.ended:
            return
        look = self.last = self.look()
        open_ends = False
        for job in look.jobs:
            if job.id in self._told or not self._wanted(job):
                continue
            ended = yield from self._job(job)
            open_ends = open_ends or not ended
        if look.run.state.is_final and not open_ends:
            self.ended = True
            self.close()
            yield RunEnded(look.run)

    def close(self) -> None:
        for tail in self._tails.values():
            tail.close()

    def _job(self, job: Job) -> Generator[Event, None, bool]:
        """Answers (as the generator's value) whether the job's end was told."""
        tail = self._tails.get(job.id)
        if tail is None and (job.started_at is not None or job.attempt > 1):
            tail = self._tails[job.id] = _Tail(self._log_path(job, 1))
            yield JobBegan(job, 1)
        if tail is not None:
            while tail.attempt < job.attempt:
                yield from self._drain(job, tail)
                yield AttemptEnded(job, tail.attempt)
                tail.move_to(tail.attempt + 1, self._log_path(job, tail.attempt + 1))
                yield JobBegan(job, tail.attempt)
            if job.state.is_final:
                yield from self._drain(job, tail)
            elif data := tail.read():
                yield LogPiece(job, data)
        if job.state.is_final:
            if tail is not None:
                tail.close()
            self._told.add(job.id)
            yield JobEnded(job)
        return job.state.is_final

    def _drain(self, job: Job, tail: "_Tail") -> Iterator[Event]:
        while data := tail.read():
            yield LogPiece(job, data)


class _Tail:
    """A log that may not be there yet. It may be cut shorter when a run is taken over, never below what it
    then grows to again with the same bytes, so an offset stays good."""

    def __init__(self, place: Path | Log) -> None:
        self.attempt = 1
        self._log = _opened(place)
        self._offset = 0

    def move_to(self, attempt: int, place: Path | Log) -> None:
        self.close()
        self.attempt, self._log, self._offset = attempt, _opened(place), 0

    def read(self) -> bytes:
        data = self._log.read(self._offset, _MOST_BYTES)
        self._offset += len(data)
        return data

    def close(self) -> None:
        self._log.close()


def _opened(place: Path | Log) -> Log:
    return LogFile(place) if isinstance(place, Path) else place
