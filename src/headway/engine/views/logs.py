"""A job's log as the pages read it: which file, which lines belong to which step, at which line it broke."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from headway.domain.run import Job, Step
from headway.domain.states import State
from headway.drivers.logfile import LogFile
from headway.engine.views.log_errors import first_error
from headway.store import job_results, jobs
from headway.store.database import Transaction

_LOOKED_THROUGH = 1 << 20


@dataclass(frozen=True, slots=True)
class JobLog:
    """One attempt of a job and what is known of its log."""

    job: Job
    attempt: int
    #: Empty unless they were asked for.
    steps: tuple[Step, ...] = ()

    @property
    def is_over(self) -> bool:
        """It will not grow any more."""
        return self.attempt < self.job.attempt or self.job.state.is_final


def job_log(
    tx: Transaction, job_id: str, attempt: int | None = None, *, with_steps: bool = False
) -> JobLog | None:
    """The latest attempt unless another one is named; None when there is no such job or attempt."""
    job = jobs.job_by_id(tx, job_id)
    if job is None or not 1 <= (attempt or job.attempt) <= job.attempt:
        return None
    chosen = attempt or job.attempt
    steps = job_results.steps_of(tx, job.id, chosen) if with_steps else []
    return JobLog(job, chosen, tuple(steps))


@dataclass(frozen=True, slots=True)
class StepLines:
    """A step and its lines: from `first` on, before `end`; both are `end` for one that has none."""

    step: Step
    first: int
    end: int

    @property
    def took(self) -> timedelta | None:
        if self.step.started_at is None or self.step.finished_at is None:
            return None
        return self.step.finished_at - self.step.started_at


def lines_of_steps(log: LogFile, steps: Sequence[Step]) -> list[StepLines]:
    """Each step with its lines, in their order. One that goes on has all lines to the end."""
    after, found = log.lines + 1, []
    for step in steps:
        if step.log_start is None:
            found.append(StepLines(step, after, after))
            continue
        first = log.line_of(step.log_start)
        # A step that printed no newline at its end shares its last line with the next one: it is this one's.
        if found and found[-1].end > first and found[-1].first < found[-1].end:
            first = found[-1].end
        end = after if step.log_end is None else _line_after(log, step.log_end)
        found.append(StepLines(step, min(first, end), end))
    return found


def _line_after(log: LogFile, offset: int) -> int:
    """The first line that begins at or after this place."""
    line = log.line_of(offset)
    return line if log.offset_of(line) >= offset else line + 1


def where_it_broke(log: LogFile, found: Sequence[StepLines], *, most: int = _LOOKED_THROUGH) -> int | None:
    """The line at which the viewer opens: where the failed step first looks like an error, else its last line.

    None when no step failed. Of a long step `most` bytes are looked through at its beginning and at its end.
    """
    broken = [one for one in found if one.step.state in (State.FAILED, State.ERRORED) and one.end > one.first]
    if not broken:
        return None
    one = broken[-1]
    start, end = log.offset_of(one.first), log.offset_of(one.end)
    for begin, stop in _parts(start, end, most):
        place = first_error(log.read(begin, stop - begin))
        if place is not None:
            return log.line_of(begin + place)
    return one.end - 1


def _parts(start: int, end: int, most: int) -> list[tuple[int, int]]:
    if end - start <= 2 * most:
        return [(start, end)]
    # What lies between the two is not looked at: then the last part's first line that looks like an error is shown.
    return [(start, start + most), (end - most, end)]
