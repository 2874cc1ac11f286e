"""The shape of org.toml. Descriptions are the manual: docs/org.md is made of them."""

from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from headway.wire.contract.shape_delivery import Host
from headway.wire.org.values import (
    CalendarPath,
    Email,
    EndOfWindow,
    GlobOrList,
    Instant,
    TimeOfDay,
)
from headway.wire.strict.model import Model
from headway.wire.strict.values import ApproverOrList, Duration, Name, RefGlob, Text, Zone

RoleName: TypeAlias = Literal["viewer", "developer", "operator", "administrator"]
Day: TypeAlias = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class PersonTable(Model):
    """A person. The name of the table is the handle that accounts, approvals and the audit know them by."""

    name: Text | None = Field(None, description="What pages call them.", examples=["Ada Lovelace"])
    email: Email | None = Field(
        None, description="Where they are reached; also tells their commits.", examples=["ada@example.org"]
    )
    role: RoleName | None = Field(
        None,
        description="What they may do everywhere; only what their teams give if absent. Their account's own role counts "
        "as well, the higher of both.",
        examples=["viewer"],
    )
    aliases: list[Text] = Field(
        [],
        description="Their names at forges (also where it is the handle's) and in commits, so that an approval of one's own work is noticed.",
        examples=[["ada-l", "ada@home.example"]],
    )


class TeamTable(Model):
    """A team. `headway repository give` makes a service one of its own."""

    members: dict[Name, RoleName] = Field(
        description="Person to role, within the team's services.",
        examples=[{"ada": "operator", "grace": "developer"}],
    )


class Approvals(Model):
    """The least that an approval must be; a repository may ask for more."""

    source: ApproverOrList | None = Field(
        None,
        alias="from",
        description="Who may approve: `team:NAME`, `role:NAME`, a person's handle, or a list of these; whoever may approve "
        "at all if absent.",
        examples=["role:operator"],
    )
    count: Annotated[int, Field(ge=1, le=20)] = Field(
        1, description="How many different people must approve.", examples=[2]
    )
    comment: bool = Field(False, description="An approval needs a comment.", examples=[True])
    expires: Duration = Field(
        timedelta(hours=24), description="After this time an approval no longer counts.", examples=["4h"]
    )
    not_own: bool = Field(
        False,
        description="Whoever asked for the deployment, pushed its commit or wrote it cannot approve it. In a floor it must be "
        "known who pushed: by a signed webhook, or by a sign-in to push here.",
        examples=[True],
    )


class FloorTable(Model):
    """What no repository may go below, whatever its headway.toml says. All floors that match count together."""

    name: Name = Field(
        description="What it is called where it holds something up; unique.", examples=["careful"]
    )
    services: GlobOrList = Field("*", description="Globs of services.", examples=[["shop", "pay-*"]])
    environments: GlobOrList = Field("*", description="Globs of environments.", examples=["production"])
    approvals: Approvals | None = Field(
        None,
        description="Approvals that each deployment needs.",
        examples=[{"from": "role:operator", "not_own": True}],
    )
    branches: list[RefGlob] = Field(
        [],
        min_length=1,
        description="Globs of branches: only their commits may be deployed; any if absent.",
        examples=[["main", "release/*"]],
    )
    deployers: ApproverOrList | None = Field(
        None,
        description="Who may ask for a deployment, steer and record one: `team:NAME`, `role:NAME`, a handle, or a list of "
        "these; whose role allows it if absent.",
        examples=["role:operator"],
    )
    rollback: ApproverOrList | None = Field(
        None,
        description="Who may roll back or take back what goes on there, in the same words; who may deploy at all (developers) if absent.",
        examples=["role:operator"],
    )
    logs: ApproverOrList | None = Field(
        None,
        description="Who may read the service's own logs on its hosts, in the same words; developers if absent.",
        examples=["role:operator"],
    )
    objective: bool = Field(False, description="The service must declare an objective.", examples=[True])
    ask: bool = Field(
        False, description='A person promotes: `promote = "automatic"` does not count.', examples=[True]
    )
    built_here: bool = Field(
        False,
        description="Only releases that a run of this server built of what was pushed: none that another system built, "
        "and none of a command on somebody's machine.",
        examples=[True],
    )


class FreezeTable(Model):
    """A time in which no deployment begins, except rollbacks. One of three: `start` and `end`, `days` of the week, or a
    `calendar`."""

    name: Name = Field(
        description="What it is called where it holds something up; unique.", examples=["holidays"]
    )
    reason: Text = Field(description="What people read who wait for its end.", examples=["nobody is at work"])
    services: GlobOrList = Field("*", description="Globs of services.", examples=[["shop", "pay-*"]])
    environments: GlobOrList = Field("*", description="Globs of environments.", examples=["production"])
    start: Instant | None = Field(
        None,
        description="Its first moment. Without an offset it is meant in `zone`; a date is its beginning.",
        examples=["2026-12-20T18:00:00+01:00"],
    )
    end: Instant | None = Field(
        None,
        description="The moment it is over; without one it lasts.",
        examples=["2027-01-04T08:00:00+01:00"],
    )
    days: list[Day] = Field(
        [], min_length=1, description="Each week from these days on.", examples=[["friday", "saturday"]]
    )
    from_: TimeOfDay | None = Field(
        None, alias="from", description="With `days`: when it begins, `00:00` if absent.", examples=["16:00"]
    )
    until: EndOfWindow | None = Field(
        None,
        description="With `days`: when it is over, `24:00` if absent; at or before `from` it is on the next day.",
        examples=["08:00"],
    )
    calendar: CalendarPath | None = Field(
        None,
        description="An iCalendar file beside org.toml: each of its events is a freeze, repeated ones too.",
        examples=["freezes.ics"],
    )
    zone: Zone = Field(
        "UTC", description="The time zone of what names none itself.", examples=["Europe/Berlin"]
    )
    hotfix: bool = Field(
        True, description="Whether the repair of a failed deployment may pass it.", examples=[False]
    )


class OrgHost(Host):
    """A machine that is reached by SSH."""

    teams: list[Name] = Field(
        [],
        description="The teams whose services alone may reach it, by deployments, `headway exec` and `headway tail`; every "
        "service's if absent. As soon as one host has a team, a headway.toml names no addresses of its own any more.",
        examples=[["box-office"]],
    )


class OrgFile(Model):
    """org.toml: the organisation beside a server's data."""

    org: Literal[1] = Field(1, description="The number of this format; always 1.", examples=[1])
    people: dict[Name, PersonTable] = Field({}, description="People by handle.")
    teams: dict[Name, TeamTable] = Field({}, description="Teams by name.")
    hosts: dict[Name, OrgHost] = Field({}, description="Hosts by name.")
    groups: dict[Name, Annotated[list[Text], Field(min_length=1)]] = Field(
        {},
        description="Names for sets of hosts: `group:NAME` stands for them.",
        examples=[{"web": ["web1", "web2"]}],
    )
    floors: list[FloorTable] = Field([], description="What no repository may go below.")
    freezes: list[FreezeTable] = Field([], description="Times in which no deployment begins.")
