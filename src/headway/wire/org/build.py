"""From the checked shape of org.toml to the values of `domain.org`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import get_args
from zoneinfo import ZoneInfo

from headway.domain.org import ApprovalFloor, Floor, Freeze, Org, OrgPerson, Team
from headway.domain.people import Role
from headway.wire.contract.build import build_host
from headway.wire.org import shape
from headway.wire.org.calendars import Span

_DAYS = get_args(shape.Day)


def build_org(file: shape.OrgFile, spans_of: Callable[[str, str], tuple[Span, ...]]) -> Org:
    """The value of a file whose shape and meaning were found right; `spans_of` a calendar in a zone."""
    return Org(
        people={handle: _person(handle, table) for handle, table in file.people.items()},
        teams={
            name: Team(name, {person: Role(role) for person, role in table.members.items()})
            for name, table in file.teams.items()
        },
        hosts={name: build_host(name, host) for name, host in file.hosts.items()},
        host_teams={name: tuple(host.teams) for name, host in file.hosts.items() if host.teams},
        groups={name: tuple(members) for name, members in file.groups.items()},
        floors=tuple(_floor(table) for table in file.floors),
        freezes=tuple(_freeze(table, spans_of) for table in file.freezes),
    )


def _listed(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _person(handle: str, table: shape.PersonTable) -> OrgPerson:
    return OrgPerson(
        handle,
        table.name or "",
        table.email or "",
        Role(table.role) if table.role else None,
        tuple(table.aliases),
    )


def _floor(table: shape.FloorTable) -> Floor:
    asked = table.approvals
    return Floor(
        name=table.name,
        services=_listed(table.services),
        environments=_listed(table.environments),
        approvals=None
        if asked is None
        else ApprovalFloor(asked.count, _listed(asked.source), asked.expires, asked.not_own, asked.comment),
        branches=tuple(table.branches),
        deployers=_listed(table.deployers),
        rollback=_listed(table.rollback),
        logs=_listed(table.logs),
        objective=table.objective,
        ask=table.ask,
        built_here=table.built_here,
    )


def _freeze(table: shape.FreezeTable, spans_of: Callable[[str, str], tuple[Span, ...]]) -> Freeze:
    return Freeze(
        name=table.name,
        reason=table.reason,
        services=_listed(table.services),
        environments=_listed(table.environments),
        start=_instant(table.start, table.zone),
        end=_instant(table.end, table.zone),
        days=tuple(sorted(_DAYS.index(day) for day in table.days)),
        from_=(table.from_ or "00:00") if table.days else "",
        until=(table.until or "24:00") if table.days else "",
        zone=table.zone,
        spans=spans_of(table.calendar, table.zone) if table.calendar else (),
        hotfix=table.hotfix,
    )


def _instant(moment: datetime | None, zone: str) -> datetime | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
