"""People, what they may do, and what they did."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """Each may do all that those before it may. viewer: look · developer: run, cancel, re-run, deploy where no guard
    says otherwise, roll back and read logs where no floor says otherwise, approve where asked · operator: commands on hosts, secrets
    of the team · administrator: everything.
    """

    VIEWER = "viewer"
    DEVELOPER = "developer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def covers(self, other: "Role") -> bool:
        return self.rank >= other.rank


class Scope(StrEnum):
    """What a token may be used for. A token never may more than the person it belongs to."""

    READ = "read"
    RUN = "run"
    RELEASE = "release"
    DEPLOY = "deploy"
    #: `git push` and `git fetch` at repositories that Headway hosts.
    PUSH = "push"
    #: Remote commands on hosts (`exec`, `tail`).
    HOSTS = "hosts"
    SECRETS = "secrets"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    #: The handle: what org.toml, approvals and the audit call them.
    name: str
    display_name: str
    email: str
    #: Everywhere; teams of org.toml may give more within their services.
    role: Role
    created_at: datetime
    disabled_at: datetime | None = None
    has_password: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something now: a person by session or token, or Headway itself."""

    #: The handle; `headway` for what Headway does by itself.
    name: str
    role: Role
    #: Roles by team, from org.toml.
    teams: tuple[tuple[str, Role], ...] = ()
    #: None: a session in a browser, or the socket of this machine: all that the role allows.
    scopes: frozenset[Scope] | None = None
    #: How they came: `session`, `token ci-upload`, `socket`, `headway`.
    by: str = "session"
    #: The address they came from; empty for Headway itself.
    address: str = ""

    def role_in(self, team: str | None) -> Role:
        """The higher of what they are everywhere and in this team."""
        within = [role for name, role in self.teams if name == team]
        return max([self.role, *within], key=lambda role: role.rank)

    def has_scope(self, scope: Scope) -> bool:
        return self.scopes is None or scope in self.scopes


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: append-only."""

    at: datetime
    actor: str
    by: str
    address: str
    #: What was done, as `noun.verb`: `secret.set`, `deployment.request`, `run.cancel`.
    action: str
    #: To what: `shop/production DATABASE_URL`.
    subject: str
    #: JSON of what changed, without secret values; empty where there was or is nothing.
    before: str = ""
    after: str = ""
    id: int = 0
