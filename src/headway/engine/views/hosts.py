"""The page of hosts: those of org.toml and those that anything was deployed to, and what each runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from headway.domain.contract import HostSpec
from headway.domain.org import Org
from headway.store.database import Transaction
from headway.store.views.hosts import OnHost, on_hosts

_DIGITS = re.compile(r"([0-9]{1,12})")
#: Services beside a host in the list; all of them stand on its own page.
_MOST_BESIDE = 5
_MOST_ROWS = 3000
#: On the page of one.
MOST_OF_ONE = 500
_MOST_HOSTS = 300


@dataclass(frozen=True, slots=True)
class HostLine:
    name: str
    #: None where org.toml does not name it: a repository's headway.toml does.
    spec: HostSpec | None
    groups: tuple[str, ...]
    runs: tuple[OnHost, ...]

    @property
    def count(self) -> int:
        return self.runs[0].count if self.runs else 0

    @property
    def troubled(self) -> int:
        return self.runs[0].troubled if self.runs else 0


@dataclass(frozen=True, slots=True)
class Hosts:
    lines: tuple[HostLine, ...]
    #: Not shown, for there are too many.
    more: int


def read_hosts(tx: Transaction, org: Org, *, search: str = "") -> Hosts:
    """Those in trouble first, then by name."""
    found: dict[str, list[OnHost]] = {name: [] for name in org.hosts}
    for row in on_hosts(tx, most=_MOST_BESIDE, limit=_MOST_ROWS):
        found.setdefault(row.host, []).append(row)
    lines = [_line(name, org, runs) for name, runs in found.items() if search.lower() in name.lower()]
    lines.sort(key=lambda line: (line.troubled == 0, natural(line.name)))
    return Hosts(tuple(lines[:_MOST_HOSTS]), max(0, len(lines) - _MOST_HOSTS))


def read_host(tx: Transaction, org: Org, name: str) -> HostLine | None:
    """None when nobody names it and nothing was deployed to it."""
    runs = on_hosts(tx, host=name, most=MOST_OF_ONE, limit=MOST_OF_ONE)
    return _line(name, org, runs) if runs or name in org.hosts else None


def natural(name: str) -> list[tuple[int, str]]:
    """web2 before web10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in _DIGITS.split(name)]


def _line(name: str, org: Org, runs: list[OnHost]) -> HostLine:
    groups: Mapping[str, tuple[str, ...]] = org.groups
    return HostLine(
        name,
        org.hosts.get(name),
        tuple(group for group, hosts in groups.items() if name in hosts),
        tuple(runs),
    )
