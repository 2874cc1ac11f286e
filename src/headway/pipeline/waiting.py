"""Who of those that wait may start now: slots, groups and priorities; and for each of the others what it waits for.

The order: the higher priority first, then who has waited longest, then the id. The rules:
- Within a group nobody overtakes: as long as an earlier one waits, a later one of its group waits as well. The smallest
  limit that anybody in the group names counts.
- The first one that lacks nothing but slots has all that are free kept for it, so that many small ones after it cannot
  keep a large one out for ever. It costs slots that lie idle for a while; how long jobs take is not known beforehand.
- Whoever waits for its group keeps no slots from others. Whoever needs more slots than there are waits for good, says
  so, and keeps nothing from anybody.
So among those of one priority each one's turn comes; a lower priority waits as long as higher ones keep coming.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Want:
    """One that waits: a job for slots, or a run for its group (with `slots=0`)."""

    id: str
    run: str
    #: What people read of it in the reasons of others: `shop 12 test`.
    label: str
    slots: int
    group: str | None
    group_limit: int
    priority: int
    since: datetime

    @property
    def order(self) -> tuple[int, datetime, str]:
        return (-self.priority, self.since, self.id)


@dataclass(frozen=True, slots=True)
class Holder:
    """One that is under way."""

    id: str
    run: str
    #: What people read of it: `run 12 of shop`.
    label: str
    slots: int
    group: str | None
    #: The limit that it named when it started; None: it does not matter any more.
    group_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    #: Ids of those that may start, in order.
    granted: tuple[str, ...]
    #: Id -> one clause, for each of the others.
    reasons: Mapping[str, str]


@dataclass(slots=True)
class _Group:
    """Those that have it, the smallest limit named, and the first one that waits for it."""

    labels: list[str] = field(default_factory=list)
    limit: int | None = None
    first_waiting: str | None = None

    def name_limit(self, limit: int | None) -> None:
        if limit is not None:
            self.limit = limit if self.limit is None else min(self.limit, limit)


def grant(waiting: Sequence[Want], held: Sequence[Holder], capacity: int) -> Grant:
    """Who may start beside those under way, and what each of the others waits for."""
    ordered = sorted(waiting, key=lambda want: want.order)
    free = capacity - sum(holder.slots for holder in held)
    groups = _groups(ordered, held)
    granted: list[str] = []
    reasons: dict[str, str] = {}
    reserved: Want | None = None
    for want in ordered:
        group = groups[want.group] if want.group is not None else None
        reason = _too_large(want, capacity) or (_in_group(want, group) if group else "")
        if not reason and want.slots and (reserved is not None or want.slots > free):
            reason = _slots(want, reserved, free, capacity, before=len(reasons))
            reserved = reserved or want
        if reason:
            reasons[want.id] = reason
            # One that can never start would close its group for good.
            if group and group.first_waiting is None and want.slots <= capacity:
                group.first_waiting = want.label
            continue
        granted.append(want.id)
        free -= want.slots
        if group:
            group.labels.append(want.label)
    return Grant(tuple(granted), reasons)


def _groups(ordered: Sequence[Want], held: Sequence[Holder]) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for holder in held:
        if holder.group is not None:
            group = groups.setdefault(holder.group, _Group())
            group.labels.append(holder.label)
            group.name_limit(holder.group_limit)
    for want in ordered:
        if want.group is not None:
            groups.setdefault(want.group, _Group()).name_limit(want.group_limit)
    return groups


def _too_large(want: Want, capacity: int) -> str:
    if want.slots <= max(capacity, 0):
        return ""
    if capacity <= 0:
        return "there is no slot"
    return f"it needs {want.slots} slots, and there {'is' if capacity == 1 else 'are'} only {capacity}"


def _in_group(want: Want, group: _Group) -> str:
    """Why its group keeps it; empty when it does not."""
    if group.limit is not None and len(group.labels) >= group.limit:
        labels = list(dict.fromkeys(group.labels))
        named = labels[:_NAMED]
        if len(labels) > _NAMED:
            named.append(f"{len(labels) - _NAMED} more")
        listed = " and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else named[0]
        return f"group {want.group}: {listed} {'has' if len(labels) == 1 else 'have'} it"
    if group.first_waiting is not None:
        return f"group {want.group}: {group.first_waiting} is before it"
    return ""


def _slots(want: Want, reserved: Want | None, free: int, capacity: int, *, before: int) -> str:
    if free <= 0:
        said = "the only slot is taken" if capacity == 1 else f"none of {capacity} slots is free"
    else:
        said = f"{free} of {capacity} slots {'is' if free == 1 else 'are'} free, "
        if reserved is None:
            said += f"it needs {want.slots}"
        else:
            said += f"kept for {reserved.label}, which needs {reserved.slots}"
    return f"{said}; {before} before it" if before else said
