"""The organisation's file, `org.toml` beside the server's data: people, teams, hosts, floors, freezes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headway.domain.contract import HostSpec
from headway.domain.people import Role


@dataclass(frozen=True, slots=True)
class OrgPerson:
    handle: str
    name: str = ""
    email: str = ""
    #: Everywhere; None: only what teams give.
    role: Role | None = None
    #: Their names at forges and in commits: `grace-h`, `grace@example.org`.
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Team:
    name: str
    #: Handle -> role within the team's services.
    members: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApprovalFloor:
    """At least this many approvals, from these, not older than this."""

    count: int = 1
    #: `team:NAME` or a handle; empty: anybody whose role allows approving.
    from_: tuple[str, ...] = ()
    #: An approval runs out after this.
    expires: timedelta = timedelta(hours=24)
    #: Whoever asked for the deployment, or wrote its commit, does not count.
    not_own: bool = False
    #: An approval needs a comment.
    comment: bool = False


@dataclass(frozen=True, slots=True)
class Floor:
    """What no repository may go below, for services and environments that match."""

    name: str
    #: Globs of service names and of environments.
    services: tuple[str, ...] = ("*",)
    environments: tuple[str, ...] = ("*",)
    approvals: ApprovalFloor | None = None
    #: Globs of branches whose commits may be deployed; empty: any.
    branches: tuple[str, ...] = ()
    #: Who may ask for a deployment: `team:NAME`, `role:operator` or a handle; empty: whose role allows.
    deployers: tuple[str, ...] = ()
    #: Who may roll back there, and who may read the service's own logs, in the same words; empty: whose role allows.
    rollback: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    #: An objective must be declared.
    objective: bool = False
    #: `promote = "automatic"` is not allowed.
    ask: bool = False
    #: Only what a run of this server built.
    built_here: bool = False


@dataclass(frozen=True, slots=True)
class Freeze:
    """No deployment begins meanwhile, except rollbacks (and hotfixes, where said). One of the three forms of time:
    a single span, a weekly window in a zone, or a calendar file."""

    name: str
    reason: str
    services: tuple[str, ...] = ("*",)
    environments: tuple[str, ...] = ("*",)
    #: A single span, half-open.
    start: datetime | None = None
    end: datetime | None = None
    #: Weekly: days (0 Monday) and wall times `HH:MM` in `zone`; `until` before `from` reaches into the next day.
    days: tuple[int, ...] = ()
    from_: str = ""
    until: str = ""
    zone: str = "UTC"
    #: Spans of an iCalendar file, already expanded for the next 400 days.
    spans: tuple[tuple[datetime, datetime, str], ...] = ()
    hotfix: bool = True


@dataclass(frozen=True, slots=True)
class Org:
    people: Mapping[str, OrgPerson] = field(default_factory=dict)
    teams: Mapping[str, Team] = field(default_factory=dict)
    hosts: Mapping[str, HostSpec] = field(default_factory=dict)
    #: Host -> the teams whose services alone may reach it; a host that is not here is everybody's.
    host_teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    floors: tuple[Floor, ...] = ()
    freezes: tuple[Freeze, ...] = ()
