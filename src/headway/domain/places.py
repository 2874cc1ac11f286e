"""Hosts and groups of two files: a service's headway.toml and the server's org.toml. A name in both is an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from headway.base.errors import WrongUse
from headway.domain.contract import Contract, HostSpec
from headway.domain.selection import Places


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


def with_places(contract: Contract, org: Places) -> Contract:
    """The contract with the hosts and groups of org.toml as well. Raises SameName."""
    found, faults = places(contract, org)
    if faults:
        raise SameName(
            f"{'; '.join(faults)}: which of them is meant cannot be told",
            hint="take it out of one of the two, or rename it",
        )
    return replace(contract, hosts=found.hosts, groups=found.groups)
