"""Requests: wishes for deployments that stand at the gate until it opens; and the approvals that people give them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from headway.domain.deployment import DeploymentKind


class RequestState(StrEnum):
    """waiting: at the gate · begun: its deployment goes on · done: its deployment ended, or there was nothing to do ·
    refused: the gate or a person said no for good · withdrawn: a person took it back · superseded: a newer one took
    its place · expired: it waited too long.
    """

    WAITING = "waiting"
    BEGUN = "begun"
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        return self in (RequestState.WAITING, RequestState.BEGUN)


class RequestOrigin(StrEnum):
    """Who made it: Headway by itself (promotion), a person in a page or at a terminal, a program with a token."""

    AUTOMATIC = "automatic"
    PERSON = "person"
    API = "api"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that stands in a request's way."""

    #: when, after, approval, denied, freeze, branch, deployer, built, pusher, objective, lock, pull_request, secret, fault
    kind: str
    #: One clause for a person.
    reason: str
    #: What to do next; empty where there is nothing but to wait.
    hint: str = ""
    #: Waiting will not help.
    final: bool = False
    #: When it goes away by itself, where that is known.
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Request:
    id: str
    service: str
    environment: str
    release: str
    commit: str
    repository: str
    kind: DeploymentKind
    #: Also when the release is live already with the same settings; going back: also past an incompatible `once`.
    force: bool
    #: Handle; `headway` for what Headway asks for by itself.
    requested_by: str
    requested_at: datetime
    origin: RequestOrigin
    #: The same cause makes the same wish once.
    cause: str
    state: RequestState
    #: One sentence: what it waits for, or what came of it.
    reason: str
    expires_at: datetime
    #: All that stood in its way when the gate was last asked.
    obstacles: tuple[Obstacle, ...] = ()
    due_at: datetime | None = None
    #: Its deployment, once that has begun.
    deployment: str | None = None
    #: rollback: the deployment whose settings are taken over.
    settings_of: str | None = None
    ended_at: datetime | None = None
    #: Hosts that are left out.
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """What one person said to one request; a second word of theirs takes the place of the first."""

    request: str
    person: str
    #: False: no.
    yes: bool
    comment: str
    at: datetime
    expires_at: datetime
    #: False when a name was only stated on a command line.
    verified: bool = True
