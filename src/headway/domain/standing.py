"""What stands on a host of an environment, as far as is known here: one row a host, kept with every change of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class StandingState(StrEnum):
    SERVES = "serves"
    #: A deployment is switching it, or taking it back.
    MOVING = "moving"
    #: A deployment failed there, or could not take it back: a person has to look.
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Standing:
    service: str
    environment: str
    host: str
    #: What serves there, or served before it began to move; None: nothing.
    release: str | None = None
    commit: str = ""
    #: The deployment that put it there, its number, and when it did.
    deployment: str | None = None
    number: int | None = None
    since: datetime | None = None
    state: StandingState = StandingState.SERVES
    #: Of what is unclear: why. Of what moves by nothing that is known here: what the host said.
    reason: str = ""
    #: When the host itself last said what it has; None: it was never asked.
    asked_at: datetime | None = None
    #: Since when deployments have gone on without it, and why: until one brings it to what the others have.
    missed_since: datetime | None = None
    missed_why: str = ""
    #: False: the last deployment's file does not name it any more.
    member: bool = True
