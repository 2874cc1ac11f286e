"""Runs and their jobs as they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from headway.domain.states import State


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a pipeline for a commit."""

    id: str
    #: Counts from 1 within a service; what people type.
    number: int
    service: str
    repository: str
    commit: str
    tree: str
    dirty: bool
    branch: str | None
    state: State
    reason: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    due_at: datetime | None = None
    release: str | None = None
    tag: str | None = None
    requested_by: str = ""
    #: Jobs that were asked for by name; empty for all.
    selection: tuple[str, ...] = ()
    #: What it was given, with the defaults of its file.
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: What a server began it for; None for a run of a command on this machine.
    trigger: "Trigger | None" = None

    @property
    def takes_turn_of(self) -> str:
        """The repository whose turns it and its jobs take: the server's id of it, or where it lies."""
        return self.trigger.repository if self.trigger and self.trigger.repository else self.repository

    @property
    def is_held(self) -> bool:
        """A person has to say that it may start."""
        return self.trigger is not None and bool(self.trigger.held_for) and not self.state.is_final


class TriggerEvent(StrEnum):
    PUSH = "push"
    TAG = "tag"
    PULL_REQUEST = "pull_request"
    CRON = "cron"
    MANUAL = "manual"
    #: A green release of another service.
    RELEASE = "release"
    RERUN = "rerun"
    #: Somebody's working tree, sent here.
    TRY = "try"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why and for whom a server runs something, and in which order."""

    event: TriggerEvent
    #: Two of one key are one run.
    key: str
    #: `domain.intake.Repository.id`
    repository: str
    #: The whole name of the branch, tag or head of a pull request; empty where there is none.
    ref: str = ""
    #: The higher starts first; 0 if nothing was said.
    priority: int = 0
    #: Why it may not start until a person says so; empty: it may.
    held_for: str = ""
    approved_by: str | None = None
    #: Of a pull request from another repository: it sees no secret.
    fork: bool = False
    pull_request: int | None = None
    #: Who pushed it, as the forge's signature or the sign-in says; empty: not known.
    pushed_by: str = ""
    rerun_of: str | None = None
    superseded_by: str | None = None
    #: Of a headway.toml that could not be read: each with its place.
    faults: tuple["FileFault", ...] = ()
    #: Runs of one group wait for each other; None: in no group.
    group: str | None = None
    group_limit: int = 1
    #: Where the ref was before the oldest push that this run stands for: what has changed is counted from there.
    changed_since: str | None = None


@dataclass(frozen=True, slots=True)
class FileFault:
    """One fault of a file, as a person mends it. Lines and columns count from 1."""

    file: str
    key: str
    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class TestSummary:
    __test__ = False

    total: int
    failed: int
    errored: int
    skipped: int


class SkippedBy(StrEnum):
    """What kept a job from ever starting."""

    #: Something that it needs did not succeed.
    NEED = "need"
    #: Its own condition in headway.toml.
    WHEN = "when"


@dataclass(frozen=True, slots=True)
class Job:
    """A node of a run's graph, on one machine; with its latest attempt."""

    id: str
    run: str
    #: The definition's name, and with a matrix its values: `test (python=3.12)`; unique within the run.
    name: str
    definition: str
    matrix: Mapping[str, str]
    needs: tuple[str, ...]
    state: State
    reason: str
    attempt: int
    allow_failure: bool
    queued_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: The latest attempt's directory on the builder.
    directory: str | None = None
    #: Bytes of the runner's file that were taken, and bytes of the masked log that were kept.
    taken: int = 0
    kept: int = 0
    outputs: Mapping[str, str] = field(default_factory=dict)
    #: Counts of its JUnit reports; None without any.
    tests: TestSummary | None = None
    #: Of a skipped job; None where the run ended before it was the job's turn.
    skipped_by: SkippedBy | None = None
    #: How many of its builder's slots it takes.
    slots: int = 1
    #: Jobs of one group wait for each other, across runs; None: in no group.
    group: str | None = None
    group_limit: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    job: str
    attempt: int
    index: int
    name: str
    state: State
    exit_code: int | None
    started_at: datetime | None
    finished_at: datetime | None
    #: Seconds since its machine's boot when it began.
    uptime: float | None = None
    #: Its part of the masked log, in bytes.
    log_start: int | None = None
    log_end: int | None = None


@dataclass(frozen=True, slots=True)
class TestCase:
    """One case of a JUnit report."""

    __test__ = False

    suite: str
    name: str
    #: succeeded, failed, errored or skipped.
    state: State
    #: Seconds.
    duration: float
    message: str = ""
    file: str | None = None
    line: int | None = None
