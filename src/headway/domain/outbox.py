"""Effects on the world outside, as they are stored: asked for with a change, carried out after it, known by their key."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EffectKind(StrEnum):
    COMMIT_STATUS = "commit_status"
    WEBHOOK = "webhook"


class EffectState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    #: A later one took its place, or nobody wants it any more.
    OBSOLETE = "obsolete"


@dataclass(frozen=True, slots=True)
class Effect:
    id: str
    kind: str
    #: Two of one key are one effect; what carries it out passes it on where the other side can use it.
    key: str
    #: Effects of one kind on one subject go out one after the other, by their position.
    subject: str
    position: int
    body: str
    created_at: datetime
    state: EffectState
    #: When it is to be tried; None for one that is over, or that waits for an earlier one of its subject.
    due_at: datetime | None
    #: How often it was taken to be sent. Grows with each taking, so it is also the token of whoever has it.
    attempts: int
    #: How the last attempt ended.
    note: str
    sent_at: datetime | None = None
