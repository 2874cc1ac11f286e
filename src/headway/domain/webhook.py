"""Webhooks that go out: who wants to hear of which events."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class OutgoingWebhook:
    id: str
    url: str
    #: Kinds of events: `run.changed`, `deployment.*`, `*`.
    events: tuple[str, ...]
    #: Names of services; none: all of them, and what belongs to no service.
    services: tuple[str, ...]
    created_by: str
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_why: str = ""
    #: Attempts that failed in a row, since when, and how the last one did.
    failures: int = 0
    failing_since: datetime | None = None
    fault: str = ""
    #: When one was last taken in over there.
    sent_at: datetime | None = None

    def wants(self, kind: str, service: str) -> bool:
        if self.services and service not in self.services:
            return False
        noun = kind.partition(".")[0]
        return any(event in (kind, f"{noun}.*", "*") for event in self.events)
