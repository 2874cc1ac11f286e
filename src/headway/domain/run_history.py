"""What earlier runs say about a run: lines of the list, outcomes of a test over time."""

from dataclasses import dataclass
from datetime import datetime

from headway.domain.states import State


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as a row of a list, with its commit where that is known."""

    id: str
    number: int
    service: str
    commit: str
    dirty: bool
    branch: str | None
    tag: str | None
    #: `domain.run.TriggerEvent`; empty for a run of a command on this machine.
    event: str
    pull_request: int | None
    state: State
    reason: str
    held_for: str
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    release: str | None
    #: Empty where the commit is not known.
    subject: str
    author: str


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; None asks for nothing."""

    service: str | None = None
    state: State | None = None
    branch: str | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test in one run."""

    run: int
    commit: str
    state: State

    @property
    def is_bad(self) -> bool:
        return self.state in (State.FAILED, State.ERRORED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the history of a test that failed says."""

    #: The run since which it has failed without a break; None: this one is the first.
    since: int | None
    #: It failed in every run that is remembered, so it may have begun earlier.
    or_earlier: bool
    #: In how many of how many runs it failed, this one counted.
    failed: int
    seen: int
    #: It passed and failed on the very same commit.
    both_ways: bool
    #: It comes and goes by itself.
    flaky: bool


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """An attempt of a job that was followed by another one."""

    job: str
    attempt: int
    state: State
    reason: str
    started_at: datetime | None
    finished_at: datetime
