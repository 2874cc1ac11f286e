"""What the metrics are counted from: plain facts of the past, without plans, hosts or settings."""

from dataclasses import dataclass
from datetime import datetime

from headway.domain.deployment import DeploymentKind, DeploymentState


@dataclass(frozen=True, slots=True)
class CommitFact:
    sha: str
    committed_at: datetime
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """The commits that a deployment brings: reachable from its own and not from the one that was live.

    A rollback and a redeploy bring none. Of a first deployment (`base` is None) the whole history would be
    new; it is told apart and left out.
    """

    #: The commit that was live when it began; None the first time.
    base: str | None
    #: None where nobody can tell: `unknown` says why.
    commits: tuple[CommitFact, ...] | None = ()
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class DeploymentFact:
    """One deployment to production, whatever came of it."""

    id: str
    number: int
    service: str
    environment: str
    release: str
    commit: str
    kind: DeploymentKind
    state: DeploymentState
    requested_at: datetime
    #: Users met it from here on; None when no host was switched.
    first_switched_at: datetime | None
    #: All hosts served it and passed verification.
    verified_at: datetime | None
    finished_at: datetime | None
    #: When it was taken back by itself: the last host was verified on what it had before.
    restored_at: datetime | None
    automatic: bool
    changes: Changes


@dataclass(frozen=True, slots=True)
class WaitingCommit:
    """A commit that is known and has not reached production. `why` says how we know of it."""

    service: str
    commit: CommitFact
    why: str
