"""What lets a person or a program in: links that work once, sessions of browsers, tokens. Never the secret part."""

from dataclasses import dataclass
from datetime import datetime

from headway.domain.people import Scope


@dataclass(frozen=True, slots=True)
class SignInLink:
    #: None: whoever comes by it becomes the first administrator.
    person: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    #: For people and pages, to end it; the cookie's value is another thing.
    id: str
    person: str
    created_at: datetime
    seen_at: datetime
    #: Moves on while it is used.
    expires_at: datetime
    #: Where it was begun.
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    #: Unique among a person's tokens that are in force; what `by` says in the audit.
    name: str
    person: str
    scopes: frozenset[Scope]
    #: The first characters of its text, by which a person tells it apart.
    prefix: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_in_force(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
