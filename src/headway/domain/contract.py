"""The contract between a service and the platform: `headway.toml` as values.

Reading, faults and schema stand in `wire.contract`; here is only what the cores and the engine take.
Durations are `timedelta`, sizes bytes; every default is already filled in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from headway.domain.job import DEFAULT_OUTPUT_LIMIT, DEFAULT_TIMEOUT
from headway.domain.states import State


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    name: str
    team: str | None = None
    runbook: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class StepDefinition:
    name: str
    run: str
    env: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    shell: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """`max` further attempts when an attempt ended in one of the states `on` (failed, errored)."""

    max: int
    on: frozenset[State]


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Of all that stand in one group on a server, at most `limit` are under way at a time."""

    group: str
    limit: int = 1


@dataclass(frozen=True, slots=True)
class JobDefinition:
    name: str
    steps: tuple[StepDefinition, ...]
    needs: tuple[str, ...] = ()
    #: Axis -> values, in the order of the file. Values arrive in steps as MATRIX_<AXIS>.
    matrix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    #: Variables of the caller's that it gets besides those that every job gets.
    pass_env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    timeout: timedelta = DEFAULT_TIMEOUT
    idle_timeout: timedelta | None = None
    retry: Retry | None = None
    allow_failure: bool = False
    #: Checked text of the `when` language; None is always.
    when: str | None = None
    #: Globs relative to the repository's top.
    artifacts: tuple[str, ...] = ()
    junit: tuple[str, ...] = ()
    working_directory: str | None = None
    shell: tuple[str, ...] = ("sh", "-eu")
    output_limit: int = DEFAULT_OUTPUT_LIMIT
    concurrency: Concurrency | None = None
    #: How many of its builder's slots it takes.
    slots: int = 1
    #: Among jobs that wait for slots the higher starts first; it comes on top of the pipeline's.
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Drain:
    """`run` once, then `until` again and again until it succeeds, at most `within`. Without `until`: `run` alone."""

    run: str
    until: str | None = None
    within: timedelta = timedelta(seconds=30)


class HealthKind(StrEnum):
    HTTP = "http"
    TCP = "tcp"
    COMMAND = "command"


class HealthFrom(StrEnum):
    HOST = "host"
    HERE = "here"


@dataclass(frozen=True, slots=True)
class Expect:
    """What an answer by HTTP must hold, besides being one; its texts may hold placeholders."""

    #: Any of these; 200 to 399 if there are none.
    status: tuple[int, ...] = ()
    #: Somewhere in the body's first 64 KiB.
    body: str | None = None
    #: (name, what one of the headers of that name holds).
    header: tuple[tuple[str, str], ...] = ()


ANY_ANSWER = Expect()


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Good after `successes` good answers in a row, asked every `interval`; bad when `within` has passed without."""

    kind: HealthKind
    #: A URL, `address:port`, or a command; may hold placeholders.
    target: str
    interval: timedelta = timedelta(seconds=1)
    within: timedelta = timedelta(seconds=30)
    successes: int = 1
    #: As the host sees itself (through the SSH connection), or from Headway's machine.
    source: HealthFrom = HealthFrom.HOST
    #: Time limit of one question.
    timeout: timedelta = timedelta(seconds=5)
    #: Of `http` only.
    expect: Expect = ANY_ANSWER


@dataclass(frozen=True, slots=True)
class Once:
    """On one host per deployment, before the first switch. `compatible`: the release before still runs after it."""

    run: str
    rollback_compatible: bool = False


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What runs on a set of hosts: how it is drained, activated, asked for its health, stopped.

    The process `main` is `[deploy]` itself on the environment's hosts; the others stand in `[processes.NAME]`.
    """

    name: str
    activate: str | None
    deactivate: str | None = None
    drain: Drain | None = None
    undrain: str | None = None
    health: tuple[HealthCheck, ...] = ()
    logs: str | None = None
    stop_within: timedelta = timedelta(seconds=30)
    #: Selectors; empty: the environment's hosts.
    hosts: tuple[str, ...] = ()


class DeployKind(StrEnum):
    FILES = "files"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class DeploySpec:
    kind: DeployKind
    #: `main` first, then the others in the order of the file.
    processes: tuple[ProcessSpec, ...]
    #: Path of the artifact that is unpacked (.tar.gz, .tgz, .tar, .zip) or laid as it is into the release's directory.
    artifact: str | None = None
    #: On the host; relative to the user's home unless absolute; may hold {service} and {environment}.
    root: str = "headway/{service}/{environment}"
    shared: tuple[str, ...] = ()
    prepare: str | None = None
    once: Once | None = None
    #: kind `script`: what switches to a release, and what goes back (default: `run` with the release before).
    run: str | None = None
    rollback: str | None = None
    #: Releases kept on each host beside the live one and the one before.
    keep: int = 5
    #: Longest time of one of the steps above.
    timeout: timedelta = timedelta(minutes=10)


class StrategyKind(StrEnum):
    ROLLING = "rolling"
    CANARY = "canary"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of hosts, or a percentage of all of them (rounded up, at least one)."""

    value: int
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Strategy:
    kind: StrategyKind
    #: rolling: hosts in a batch; canary: hosts in each batch after the first.
    batch: Amount
    #: canary only: hosts in the first batch, and how long it is watched.
    first: Amount | None = None
    watch: timedelta = timedelta()


class Promote(StrEnum):
    ASK = "ask"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class ApprovalSpec:
    """At least `count` different people must agree, and not longer ago than `expires`."""

    count: int = 1
    #: `team:NAME`, `role:NAME` or a person's handle, any of them; empty: anybody whose role allows approving.
    from_: tuple[str, ...] = ()
    #: An approval runs out after this.
    expires: timedelta = timedelta(hours=24)
    #: Whoever asked for the deployment, or wrote its commit, does not count.
    not_own: bool = False
    #: An approval needs a comment.
    comment: bool = False


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    name: str
    #: Selectors: `group:NAME` or a host's name.
    hosts: tuple[str, ...]
    strategy: Strategy
    #: Its deployments are what the delivery metrics count.
    production: bool
    when: str | None = None
    after: str | None = None
    #: What another system told to have deployed there counts, too.
    after_recorded: bool = False
    promote: Promote = Promote.ASK
    #: Who may approve in one text, such as `team:storefront`; None: nobody needs to.
    approval_from: str | None = None
    #: The whole rule; None: nobody needs to approve.
    approval: ApprovalSpec | None = None
    secrets: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    #: Overrides `deploy.root`.
    root: str | None = None
    #: Overrides a process's hosts in this environment: process -> selectors.
    processes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostSpec:
    name: str
    address: str
    port: int | None = None
    user: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Why the service at hand may not reach it, as the end of a sentence that its name begins; empty: it may.
    closed: str = ""


@dataclass(frozen=True, slots=True)
class ObjectiveSpec:
    """Parsed and checked; nothing acts on it yet."""

    name: str
    #: A share, 0.999 for 99.9 %.
    target: float
    window: timedelta
    indicator: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PushTrigger:
    """Globs of branches and of changed paths; empty: each."""

    branches: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PullRequestTrigger:
    """Globs of the branches that a pull request is to be merged into; empty: each."""

    base: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CronTrigger:
    name: str
    #: Five fields, as cron reads them, in `zone`.
    at: str
    zone: str = "UTC"
    #: None: the default branch.
    branch: str | None = None
    #: Checked against the contract's parameters.
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TriggerSpec:
    """What makes a server begin a run by itself. Without a word in the file: pushes, tags and pull requests."""

    #: None: pushes begin nothing.
    push: PushTrigger | None = PushTrigger()
    #: Globs; empty: tags begin nothing.
    tags: tuple[str, ...] = ("**",)
    #: None: pull requests begin nothing.
    pull_requests: PullRequestTrigger | None = PullRequestTrigger()
    cron: tuple[CronTrigger, ...] = ()
    #: Services whose green releases begin a run of the default branch.
    releases: tuple[str, ...] = ()


class ParameterKind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A typed value that a manual run is given. Its steps see it as PARAMETER_<NAME>."""

    name: str
    kind: ParameterKind = ParameterKind.TEXT
    #: As it arrives when nothing was given; None: the variable is not set then.
    default: str | None = None
    #: kind `choice` only.
    choices: tuple[str, ...] = ()
    description: str = ""
    #: Whoever begins a run by hand must give it.
    required: bool = False

    @property
    def variable(self) -> str:
        return f"PARAMETER_{self.name.upper()}"


class Superseded(StrEnum):
    """What becomes of queued runs of a branch that a newer push overtakes."""

    COLLAPSE = "collapse"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """How the runs of a service wait for one another on a server."""

    concurrency: Concurrency | None = None
    #: -100 to 100; the higher starts first.
    priority: int = 0
    superseded: Superseded = Superseded.COLLAPSE
    #: A newer push also cancels running runs of its branch.
    cancel_running: bool = False


@dataclass(frozen=True, slots=True)
class Contract:
    version: int
    service: ServiceSpec
    #: Folders of the services in a repository of several. Parsed and checked; nothing acts on them yet.
    services: tuple[str, ...] = ()
    jobs: Mapping[str, JobDefinition] = field(default_factory=dict)
    deploy: DeploySpec | None = None
    environments: Mapping[str, EnvironmentSpec] = field(default_factory=dict)
    hosts: Mapping[str, HostSpec] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    objectives: Mapping[str, ObjectiveSpec] = field(default_factory=dict)
    oncall_policy: str | None = None
    triggers: TriggerSpec = TriggerSpec()
    #: In the order of the file.
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    pipeline: PipelineSpec = PipelineSpec()
