"""Deployments: one release to one environment, host by host, as they are stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class DeploymentKind(StrEnum):
    PLANNED = "planned"
    HOTFIX = "hotfix"
    #: Asked for by a person with `headway rollback`; a deployment that goes back by itself stays what it was.
    ROLLBACK = "rollback"
    #: The release that is live already, with changed settings or none.
    REDEPLOY = "redeploy"


class DeploymentState(StrEnum):
    """Where a whole deployment stands.

    held: waits for an approval · running: going forward · rolling_back: taking switched hosts back ·
    succeeded: every host serves it, verified · rolled_back: every switched host is back on what it had ·
    failed: stopped before any host was switched, or a host could not be taken back (`reason` shouts it) ·
    cancelled: superseded or stopped by a person; what stands where is in the hosts' rows.
    """

    HELD = "held"
    RUNNING = "running"
    ROLLING_BACK = "rolling_back"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (DeploymentState.HELD, DeploymentState.RUNNING, DeploymentState.ROLLING_BACK)


@dataclass(frozen=True, slots=True)
class Deployment:
    id: str
    #: Counts from 1 within a service; what people type.
    number: int
    service: str
    repository: str
    environment: str
    production: bool
    release: str
    commit: str
    #: What was live when it began; None the first time.
    previous_release: str | None
    kind: DeploymentKind
    state: DeploymentState
    #: One line for a person.
    reason: str
    requested_by: str
    requested_at: datetime
    approved_by: str | None = None
    #: False when a name was only stated on the command line.
    approval_verified: bool = False
    started_at: datetime | None = None
    #: The first host's switch: from here on users meet it.
    first_switched_at: datetime | None = None
    #: All hosts serve and passed verification.
    verified_at: datetime | None = None
    finished_at: datetime | None = None
    #: It went back without a person asking.
    rolled_back_automatically: bool = False
    supersedes: str | None = None
    due_at: datetime | None = None
    #: The rollout's plan (hosts, batches, commands, settings), as JSON: what was decided when it began.
    plan: str = "{}"
    #: Who put it there when it was not Headway, such as `jenkins`; empty for Headway's own.
    origin: str = ""
    #: What its recorder calls it; two of one key are one deployment.
    record_key: str | None = None
    #: The request that it fulfils; None for a command on this machine.
    request: str | None = None
    #: What a person asks of it while it goes on (pause, stay, back), and who: `store.deployments.ask` alone writes it.
    asked: str | None = None
    asked_by: str | None = None

    @property
    def has_plan(self) -> bool:
        """Headway did it, and knows here how: its plan can be read."""
        return not self.origin and self.plan != "{}"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people ask of a deployment while it goes on, by its row."""

    #: pause, stay, back; None: go on.
    asked: str | None = None
    #: Hosts that are not to be tried any more.
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostRow:
    """One host of a deployment. `state` belongs to `deploy.rollout`, which is the only one to change it."""

    deployment: str
    host: str
    batch: int
    state: str
    reason: str
    previous_release: str | None
    attempt: int = 1
    switched_at: datetime | None = None
    verified_at: datetime | None = None
    reverted_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeploymentStep:
    """The audit of what was done: one row a step, host and attempt."""

    deployment: str
    host: str
    step: str
    attempt: int
    state: str
    exit_code: int | None
    started_at: datetime
    finished_at: datetime | None
    #: The end of its output, masked, at most 4 KiB.
    output: str = ""

    @property
    def is_log(self) -> bool:
        """No step of the deployment's: the last lines of the log of a process that failed."""
        return self.step.partition(":")[0].removeprefix("back-") == "logs"


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be run on a host, as data: dry run prints it, the audit stores it, a test compares it whole."""

    host: str
    #: What a person calls it: prepare, once, drain, switch, activate, undrain …
    step: str
    script: str
    env: Mapping[str, str] = field(default_factory=dict)
    #: Where it runs, relative to the environment's root on the host.
    directory: str = "."
    #: The file of settings that is read first, relative to the root; None for Headway's own steps.
    settings: str | None = None
    #: Longest time it may take, and between TERM and KILL when it took longer.
    limit: timedelta = timedelta(minutes=10)
    stop_within: timedelta = timedelta(seconds=10)
