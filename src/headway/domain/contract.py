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
class JobDefinition:
    name: str
    steps: tuple[StepDefinition, ...]
    needs: tuple[str, ...] = ()
    #: Axis -> values, in the order of the file. Values arrive in steps as MATRIX_<AXIS>.
    matrix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
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
class EnvironmentSpec:
    name: str
    #: Selectors: `group:NAME` or a host's name.
    hosts: tuple[str, ...]
    strategy: Strategy
    #: Its deployments are what the delivery metrics count.
    production: bool
    when: str | None = None
    after: str | None = None
    promote: Promote = Promote.ASK
    #: Who may approve, such as `team:storefront`; None: nobody needs to.
    approval_from: str | None = None
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


@dataclass(frozen=True, slots=True)
class ObjectiveSpec:
    """Parsed and checked; nothing acts on it yet."""

    name: str
    #: A share, 0.999 for 99.9 %.
    target: float
    window: timedelta
    indicator: Mapping[str, object]


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
