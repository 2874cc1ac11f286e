"""A job as the runner sees it: what to run, what came of it. The same on this machine and on a host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from headway.base.secret import Secret
from headway.domain.states import State

#: What one job may print before the rest is dropped (and said so); the job itself goes on.
DEFAULT_OUTPUT_LIMIT = 64 * 2**20
DEFAULT_TIMEOUT = timedelta(hours=1)
DEFAULT_STOP_WITHIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One command of a job: its own shell in the job's working directory."""

    name: str
    script: str
    #: The program that reads the script, as words; the script's path is appended.
    shell: tuple[str, ...] = ("sh", "-eu")
    env: Mapping[str, str] = field(default_factory=dict)
    #: Relative to the job's working directory.
    working_directory: str | None = None


@dataclass(frozen=True, slots=True)
class JobSpec:
    """All that a runner needs. `directory` is the job's own, absolute, and the key: the same directory is the same job.

    Environment and secrets travel over standard input, never in an argument list.
    """

    directory: str
    #: Where the steps run; absolute, must exist when the job starts.
    working_directory: str
    steps: tuple[StepSpec, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    #: From the start of the job to its end; then it is cancelled with the reason `timeout`.
    timeout: timedelta = DEFAULT_TIMEOUT
    #: Longest silence, None for no bound.
    idle_timeout: timedelta | None = None
    #: Between TERM and KILL when the job is cancelled or times out.
    stop_within: timedelta = DEFAULT_STOP_WITHIN
    output_limit: int = DEFAULT_OUTPUT_LIMIT
    #: Leave running what a job that succeeds has left behind (a service that it started). Else it ends with the job.
    keep_background: bool = False


@dataclass(frozen=True, slots=True)
class StepMark:
    """A step's begin or end, found in the stream of output at exactly that place.

    `uptime` is the runner's machine's seconds since boot: good for durations, never compared with another machine's.
    """

    index: int
    #: None at the begin, the exit code at the end.
    exit_code: int | None
    uptime: float


@dataclass(frozen=True, slots=True)
class LogCut:
    """Here the output was cut at its limit, maybe in the middle of a secret."""


@dataclass(frozen=True, slots=True)
class StepResult:
    index: int
    state: State
    exit_code: int | None
    duration: timedelta | None


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of a job. `reason` is one line for a person: `exit 2 in step 3`, `timeout after 20m in step 1`, `runner lost`."""

    state: State
    reason: str
    steps: tuple[StepResult, ...]
    duration: timedelta | None
    #: KEY=value lines that the job wrote to $HEADWAY_OUTPUT.
    outputs: Mapping[str, str] = field(default_factory=dict)
    #: The output ends somewhere, not where the job ended it: at its limit, on a full disk, with a runner that was killed.
    output_truncated: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """What following a job from an offset brought: bytes and marks in their order, and at the end the result.

    `items` holds output (already without mark lines, not yet masked) and marks; `offset` is where to go on.
    """

    items: tuple[bytes | StepMark | LogCut, ...]
    offset: int
    result: JobResult | None = None
