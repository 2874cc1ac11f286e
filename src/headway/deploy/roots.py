"""Whose root on a host is whose: what an environment's guards keep must not be reached by another environment's name."""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from headway.deploy.plan import HostPlan
from headway.domain.contract import HostSpec


@dataclass(frozen=True, slots=True)
class Claim:
    """An environment has, or declares, this root on this host."""

    service: str
    environment: str
    host: HostSpec
    root: str
    #: A default branch declares it today. What stands only in the records of deployments yields to it: an environment
    #: that was renamed there keeps its root.
    declared: bool = False

    @property
    def place(self) -> str:
        return f"{self.service}/{self.environment}"


def claims_of(
    service: str, environment: str, hosts: Iterable[HostPlan], *, declared: bool = False
) -> tuple[Claim, ...]:
    return tuple(Claim(service, environment, host.spec, host.root, declared) for host in hosts)


def why_taken(wanted: Iterable[Claim], others: Iterable[Claim]) -> str:
    """Which root of these belongs to another environment or service, in one clause; empty: none does.

    `others` may hold the environment's own claims: those say whether its default branch declares what is wanted.
    """
    others = tuple(others)
    for mine in wanted:
        same = [one for one in others if _meet(mine, one)]
        declared = any(one.declared for one in same if one.place == mine.place)
        for one in same:
            if one.place != mine.place and (one.declared or not declared):
                whose = one.environment if one.service == mine.service else one.place
                return f"{mine.root} on {mine.host.name} is the root of {whose}, not of {mine.environment}"
    return ""


def why_moved(before: Iterable[HostPlan], now: Iterable[HostPlan]) -> str:
    """Which roots are others than when a release stood there, in one clause; empty: none is. A host that it never met
    has no other one."""
    had = {host.spec.name: host.root for host in before}
    moved: dict[tuple[str, str], list[str]] = {}
    for host in now:
        root = had.get(host.spec.name, host.root)
        if posixpath.normpath(root) != posixpath.normpath(host.root):
            moved.setdefault((root, host.root), []).append(host.spec.name)
    return "; ".join(
        f"{old} on {', '.join(names)}, where the root is {new} now" for (old, new), names in moved.items()
    )


def _meet(one: Claim, other: Claim) -> bool:
    """Whether both are one folder or one lies in the other; where that cannot be known, they do."""
    return _is_one_host(one.host, other.host) and _is_one_folder(one, other)


def _is_one_host(one: HostSpec, other: HostSpec) -> bool:
    ports = {one.port, other.port}
    if None not in ports and len(ports) == 2:
        return False
    return bool(_names(one) & _names(other))


def _names(host: HostSpec) -> set[str]:
    return {host.name.casefold(), host.address.casefold().rstrip(".")}


def _is_one_folder(one: Claim, other: Claim) -> bool:
    first, second = _folder(one.root), _folder(other.root)
    if first[0] == second[0] == "":
        users = {one.host.user, other.host.user}
        return _within(first, second) and (None in users or len(users) == 1)
    if first[0] == second[0] == "/":
        return _within(first, second)
    # Where the home lies is not known: the end of an absolute path may be what is relative to it.
    absolute, relative = (first, second) if first[0] == "/" else (second, first)
    return absolute[-len(relative) + 1 :] == relative[1:]


def _folder(root: str) -> tuple[str, ...]:
    """Its parts, behind `/` for an absolute one and an empty text for one that is relative to a home."""
    plain = posixpath.normpath(root)
    return ("/" if plain.startswith("/") else "", *(part for part in plain.split("/") if part))


def _within(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
