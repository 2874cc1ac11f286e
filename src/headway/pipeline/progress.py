"""What happens next in a run: a pure function of its jobs.

`decide` says what is to be done now and why; `started`, `settled` and `left_out` give the job as it is after that;
`fold` says what the jobs make of their run. A job's `needs` are names of definitions: with a matrix, all of its jobs
are meant.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from headway.domain.contract import Retry
from headway.domain.run import Job, SkippedBy, TestSummary
from headway.domain.states import State


@dataclass(frozen=True, slots=True)
class Rules:
    """What was asked of the run as a whole, and what its definitions say of attempts."""

    #: Jobs that may run at the same time.
    limit: int
    #: The first job that fails for good stops the others.
    fail_fast: bool = False
    #: Definition -> its retry; a definition without one has a single attempt.
    retries: Mapping[str, Retry] = field(default_factory=dict)
    #: Definition -> `graph.heights`, the length of the longest chain that waits for it; the higher start first.
    heights: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Start:
    """The job's next attempt may start."""

    job: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """The job will never start: it becomes *skipped*."""

    job: str
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The job has not started and shall not: it becomes *cancelled*."""

    job: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The job runs and is to be stopped; what it becomes is told by its result. Said again until it has ended."""

    job: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing can change any more: the run ends in this state."""

    state: State
    reason: str


Decision = Start | Skip | Drop | Stop | Finish

#: Worst first. *Errored* stands before *failed*: where the platform broke, the code's verdict is not known.
#: *Cancelled* stands below both: jobs that fail-fast stopped say nothing of the run, the one that failed does.
_WORST = (State.ERRORED, State.FAILED, State.CANCELLED, State.SUCCEEDED, State.SKIPPED)


def decide(jobs: Sequence[Job], rules: Rules, cancel: str | None = None) -> tuple[Decision, ...]:
    """What is to be done now with these jobs of one run, each decision with its reason.

    `cancel` is the reason for which a person wants the run to stop. A start is decided again on each call until the
    caller has made the job *running*; the order of `jobs` only settles which of equals starts first. Called on a run
    that has ended it answers the same `Finish`.
    """
    if halt := _halted(jobs, rules, cancel):
        halted: list[Decision] = [Drop(job.name, halt) for job in jobs if job.state is State.QUEUED]
        halted += [Stop(job.name, halt) for job in jobs if job.state is State.RUNNING]
        return tuple(halted) or (_finish(jobs, cancel),)
    skips = _skips(jobs)
    waiting = [job for job in jobs if job.state is State.QUEUED and job.name not in skips]
    running = sum(job.state is State.RUNNING for job in jobs)
    decisions: list[Decision] = [Skip(name, reason) for name, reason in skips.items()]
    if not waiting and not running and not skips:
        return (_finish(jobs, None),)
    ready = _ready(jobs, waiting, rules.heights)
    free = max(0, rules.limit - running)
    decisions += [Start(job.name, _why_start(job)) for job in ready[:free]]
    return tuple(decisions)


def _halted(jobs: Sequence[Job], rules: Rules, cancel: str | None) -> str | None:
    """Why nothing more may start, or None."""
    if cancel is not None:
        return cancel
    if rules.fail_fast:
        for job in jobs:
            if job.state in (State.FAILED, State.ERRORED) and not job.allow_failure:
                return f"'{job.name}' {job.state} and fail-fast was asked for"
    return None


def _skips(jobs: Sequence[Job]) -> dict[str, str]:
    """Jobs that can never start because of what they need, and whom they are skipped by; chains at once."""
    ends: dict[str, str] = {
        job.definition: f"needs '{job.name}', which {_became(job.state)}"
        for job in reversed(jobs)
        if _is_in_the_way(job)
    }
    found: dict[str, str] = {}
    queued = [job for job in jobs if job.state is State.QUEUED]
    more = True
    while more:
        more = False
        for job in queued:
            if job.name in found:
                continue
            blocking = next((need for need in job.needs if need in ends), None)
            if blocking is not None:
                found[job.name] = ends[blocking]
                ends.setdefault(job.definition, f"needs '{job.name}', which was skipped")
                more = True
    return {job.name: found[job.name] for job in jobs if job.name in found}


def _is_in_the_way(job: Job) -> bool:
    if job.state in (State.FAILED, State.ERRORED):
        return not job.allow_failure
    return job.state in (State.SKIPPED, State.CANCELLED)


def _became(state: State) -> str:
    return f"was {state}" if state in (State.SKIPPED, State.CANCELLED) else str(state)


def _ready(jobs: Sequence[Job], waiting: Sequence[Job], heights: Mapping[str, int]) -> list[Job]:
    """Those whose needs are all done; first those for which the longest chain waits, so that the run ends soonest."""
    unfinished = {job.definition for job in jobs if not job.state.is_final}
    ready = [job for job in waiting if unfinished.isdisjoint(job.needs)]
    ready.sort(key=lambda job: -heights.get(job.definition, 0))
    return ready


def _why_start(job: Job) -> str:
    if job.attempt > 1:
        return f"attempt {job.attempt}: {job.reason}"
    if not job.needs:
        return "needs nothing"
    return f"needs {', '.join(job.needs)}: done"


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt of a job ended, and what it has left behind."""

    state: State
    reason: str
    #: Bytes of the runner's file that were taken, and of the masked log that were kept.
    taken: int = 0
    kept: int = 0
    outputs: Mapping[str, str] = field(default_factory=dict)
    tests: TestSummary | None = None


def started(job: Job, reason: str, directory: str, now: datetime) -> Job:
    """The queued job with its attempt under way."""
    return replace(job, state=State.RUNNING, reason=reason, directory=directory, started_at=now)


def settled(job: Job, end: AttemptEnd, rules: Rules, *, halted: bool, now: datetime) -> Job:
    """The running job whose attempt ended so: ended for good, or queued for another attempt.

    `halted`: the run is being stopped, nothing is retried. Raises ValueError for a state in which no attempt can end.
    """
    if end.state not in (State.SUCCEEDED, State.FAILED, State.ERRORED, State.CANCELLED):
        raise ValueError(f"an attempt cannot end {end.state}")
    retry = rules.retries.get(job.definition)
    if retry is None or halted or end.state not in retry.on:
        return ended(job, end, now)
    if job.attempt > retry.max:
        return ended(job, replace(end, reason=f"{end.reason}, in the last of {job.attempt} attempts"), now)
    return retried(job, end, left=retry.max - job.attempt)


def retried(job: Job, end: AttemptEnd, *, left: int) -> Job:
    """The running job, queued for its next attempt; `left` more may follow that one."""
    more = "the last one" if left == 0 else f"{left} more after it"
    return replace(
        job,
        state=State.QUEUED,
        attempt=job.attempt + 1,
        reason=f"attempt {job.attempt} {end.state}: {end.reason}; {more}",
        directory=None,
        started_at=None,
        taken=0,
        kept=0,
    )


def ended(job: Job, end: AttemptEnd, now: datetime) -> Job:
    """The running job at its end."""
    return replace(
        job,
        state=end.state,
        reason=end.reason,
        finished_at=ended_at(job, now),
        taken=end.taken,
        kept=end.kept,
        outputs=end.outputs,
        tests=end.tests,
    )


def ended_at(job: Job, now: datetime) -> datetime:
    """When its attempt ended: a clock that was set back does not end it before it began."""
    return max(now, job.started_at or now)


def left_out(job: Job, why: Skip | Drop, now: datetime) -> Job:
    """The queued job that never starts."""
    if isinstance(why, Drop):
        return replace(job, state=State.CANCELLED, reason=why.reason, finished_at=now)
    return replace(job, state=State.SKIPPED, reason=why.reason, finished_at=now, skipped_by=SkippedBy.NEED)


def is_halted(jobs: Sequence[Job], rules: Rules, cancel: str | None) -> bool:
    """Whether nothing more may start in this run, because of a person or of fail-fast."""
    return _halted(jobs, rules, cancel) is not None


def fold(jobs: Iterable[Job]) -> State:
    """The run's state from those of its jobs, all final: the worst one. What was allowed to fail counts as done."""
    counted = {_counted(job) for job in jobs}
    return next((state for state in _WORST if state in counted), State.SKIPPED)


def _counted(job: Job) -> State:
    if job.allow_failure and job.state in (State.FAILED, State.ERRORED):
        return State.SUCCEEDED
    return job.state


def _finish(jobs: Sequence[Job], cancel: str | None) -> Finish:
    # A person's wish that stopped anything is what the run is remembered by; one that came too late is not.
    stopped = cancel is not None and any(job.state is State.CANCELLED for job in jobs)
    state = State.CANCELLED if stopped else fold(jobs)
    return Finish(state, _sentence(jobs, state, cancel))


def _sentence(jobs: Sequence[Job], state: State, cancel: str | None) -> str:
    if state is State.CANCELLED and cancel is not None:
        return cancel
    counts = Counter(job.state for job in jobs)
    if state in (State.FAILED, State.ERRORED):
        first = next(job for job in jobs if job.state is state and not job.allow_failure)
        rest = [
            f"{counts[other]} {other}"
            for other in (State.ERRORED, State.FAILED, State.CANCELLED, State.SKIPPED)
            if other is not state and counts[other]
        ]
        others = counts[state] - 1
        more = [f"{others} more {state}"] if others else []
        return "; ".join([f"'{first.name}' {state}: {first.reason}", *more, *rest])
    words = [f"{counts[other]} {other}" for other in State if counts[other]]
    allowed = sum(job.allow_failure and job.state in (State.FAILED, State.ERRORED) for job in jobs)
    return ", ".join(words) + (f" ({allowed} allowed to)" if allowed else "")
