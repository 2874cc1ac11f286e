"""Who holds the hosts, judged from one look at each of them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headway.deploy.record import HostRecord


@dataclass(frozen=True, slots=True)
class LockOwner:
    """What an owner writes beside its epoch: which process, and for people who, why and since when."""

    #: Random; the same on all hosts of one taking.
    id: str
    machine: str
    boot_id: str
    pid: int
    start_time: str
    user: str
    reason: str
    deployment: str
    #: For people; never compared with another machine's clock.
    since: str

    def line(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Holder:
    """An open epoch on a host. `owner` is None in the moment before it is written, and for what is no owner's."""

    host: str
    epoch: int
    owner: LockOwner | None
    beat: str


def holders(records: Mapping[str, HostRecord]) -> tuple[Holder, ...]:
    """Every open epoch, by host."""
    return tuple(
        Holder(host, epoch, _owner(record.owners.get(epoch)), record.beats.get(epoch, ""))
        for host, record in sorted(records.items())
        for epoch in record.open
    )


def _owner(value: Mapping[str, Any] | None) -> LockOwner | None:
    try:
        return LockOwner(**value) if value else None
    except TypeError:
        return None


def next_token(records: Mapping[str, HostRecord]) -> int:
    """Higher than any that was ever given on these hosts: the highest is never removed."""
    return 1 + max((record.highest for record in records.values()), default=0)


def stale_on(record: HostRecord, stale: frozenset[Holder], host: str) -> tuple[int, ...]:
    """The epochs that a new owner closes on this host: exactly those that were judged."""
    return tuple(epoch for epoch in record.open if any(h.host == host and h.epoch == epoch for h in stale))


def told(holder: Holder) -> str:
    """Who, why, since when, for a person."""
    if holder.owner is None:
        return f"somebody (epoch {holder.epoch} on {holder.host}, no name yet)"
    owner = holder.owner
    return f"{owner.user}, {owner.reason}, since {owner.since} (epoch {holder.epoch} on {holder.host})"
