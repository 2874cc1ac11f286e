"""Hosts and groups of two files: a service's headway.toml and the server's org.toml. A name in both is an error.

What org.toml gives to a team is reached by that team's services only. An address can be written in many ways, so as soon
as one host belongs to a team, a headway.toml names no addresses of its own any more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from headway.base.errors import WrongUse
from headway.domain.contract import Contract, HostSpec
from headway.domain.org import Org
from headway.domain.selection import Places, host_of_others


class SameName(WrongUse):
    """headway.toml and org.toml name the same host or group."""


@dataclass(frozen=True, slots=True)
class AllPlaces:
    """What selectors choose from: a `selection.Places`."""

    hosts: Mapping[str, HostSpec] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def places(contract: Places, org: Places) -> tuple[AllPlaces, tuple[str, ...]]:
    """The hosts and groups of both, and a sentence for each name that both have (of those org.toml's counts)."""
    faults = tuple(
        f"the {kind} '{name}' stands in headway.toml and in org.toml"
        for kind, ours, theirs in (
            ("host", contract.hosts, org.hosts),
            ("group", contract.groups, org.groups),
        )
        for name in ours
        if name in theirs
    )
    return AllPlaces({**contract.hosts, **org.hosts}, {**contract.groups, **org.groups}), faults


def with_places(contract: Contract, org: Org, team: str | None) -> Contract:
    """The contract with the hosts and groups of org.toml as well, those closed that a service of `team` may not reach.

    Raises SameName.
    """
    found, faults = places(contract, org)
    if faults:
        raise SameName(
            f"{'; '.join(faults)}: which of them is meant cannot be told",
            hint="take it out of one of the two, or rename it",
        )
    hosts = {name: replace(host, closed=_closed(name, org, team)) for name, host in found.hosts.items()}
    return replace(contract, hosts=hosts, groups=found.groups)


def is_of_org(org: Org, team: str | None) -> bool:
    """Whether org.toml names this team, or gives a host to it: then no file may claim to be of it."""
    return team in org.teams or any(team in owners for owners in org.host_teams.values())


def require_reach(org: Org, team: str | None, hosts: Iterable[HostSpec]) -> None:
    """What a stored plan names was open when it was made: may a service of `team` reach it by org.toml as it is now?

    Raises HostsOfOthers for the first that it may not, or that stands at another address now: whose the old one is,
    nobody can tell.
    """
    for host in hosts:
        closed, now = _closed(host.name, org, team), org.hosts.get(host.name)
        is_moved = now is not None and (now.address, now.port) != (host.address, host.port)
        if not closed and org.host_teams and is_moved:
            closed = "has another address in org.toml now than when it was deployed to"
        if closed:
            raise host_of_others(replace(host, closed=closed))


def _closed(name: str, org: Org, team: str | None) -> str:
    owners = org.host_teams.get(name, ())
    if owners and team not in owners:
        ours = f"this service is of the team {team}" if team else "this service is of no team"
        return f"belongs to the team {' and '.join(owners)}, and {ours}"
    if org.host_teams and name not in org.hosts:
        return "stands in headway.toml alone, and on this server hosts belong to teams: they are named in org.toml"
    return ""
