"""Which of the jobs that wait may start now: slots, groups and priorities; and for each of the others what it waits for.

The order: the higher priority first. Among those of one priority repositories take turns: whose jobs hold the fewest
slots is next. Among those of one turn whoever has waited longest, which counts from the last slot that its repository
was given; then the id. So each other repository passes one that waits once, however many jobs it has. The rules:
- Within a group nobody overtakes, whosever turn it is: as long as one of a higher priority or an earlier one waits, a
  later one of its group waits as well. The smallest limit that anybody in the group names counts.
- The first one that lacks nothing but slots has all that are free kept for it, so that many small ones after it cannot
  keep a large one out for ever. It costs slots that lie idle for a while; how long jobs take is not known beforehand.
- Whoever waits for its group keeps no slots from others, and takes no turn of its repository. Whoever needs more slots
  than there are waits for good, says so, and keeps nothing from anybody.
So among those of one priority each one's turn comes; a lower priority waits as long as higher ones keep coming.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from headway.pipeline.turns import Turns

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Want:
    """A job that waits for slots."""

    id: str
    run: str
    #: The one whose turn it takes.
    repository: str
    #: What people read of it in the reasons of others: `shop 12 test`.
    label: str
    slots: int
    group: str | None
    group_limit: int
    priority: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """One that is under way."""

    id: str
    run: str
    repository: str
    #: What people read of it: `run 12 of shop`.
    label: str
    slots: int
    group: str | None
    #: The limit that it named when it started; None: it does not matter any more.
    group_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    want: Want
    #: One clause; empty: it may start.
    reason: str
    #: All free slots are kept for it: nobody after it may start.
    keeps_free: bool = False


@dataclass(slots=True)
class _Group:
    """Those that have it, the smallest limit named, and who waits for it."""

    labels: list[str] = field(default_factory=list)
    limit: int | None = None
    #: Their places, in the order in which they get it; those before `passed` have got it.
    line: list[int] = field(default_factory=list)
    passed: int = 0
    #: The first one waits for something else.
    is_stuck: bool = False
    #: Whose turn came before that of the first one.
    early: set[int] = field(default_factory=set)

    @property
    def is_full(self) -> bool:
        return self.limit is not None and len(self.labels) >= self.limit

    @property
    def is_closed(self) -> bool:
        """Nobody else gets it this time."""
        return self.is_full or self.is_stuck

    def name_limit(self, limit: int | None) -> None:
        if limit is not None:
            self.limit = limit if self.limit is None else min(self.limit, limit)

    def is_first(self, place: int) -> bool:
        return self.line[self.passed] == place

    def come_up(self) -> list[int]:
        """Of those that were early who has an answer now: the next one, or all where nobody gets the group any more."""
        if self.is_closed:
            found, self.early = sorted(self.early), set()
            return found
        first = self.line[self.passed] if self.passed < len(self.line) else None
        if first is None or first not in self.early:
            return []
        self.early.remove(first)
        return [first]


def grant(
    waiting: Sequence[Want], held: Sequence[Holder], capacity: int, last: Mapping[str, datetime]
) -> Iterator[Answer]:
    """Each one with whether it may start beside those under way, in the order of their turns.

    `last`: when a repository was last given a slot. Sorting apart, it costs no more than what is taken of it.
    """
    ordered = sorted(waiting, key=lambda want: _order(want, last))
    free = capacity - sum(holder.slots for holder in held)
    groups = _groups(ordered, held, capacity)
    under_way: Counter[str] = Counter()
    for holder in held:
        under_way[holder.repository] += holder.slots
    turns = Turns([want.repository for want in ordered], under_way, [-want.priority for want in ordered])
    reserved: Want | None = None
    before = 0
    for place in turns:
        want = ordered[place]
        group = groups[want.group] if want.group is not None else None
        reason = _too_large(want, capacity)
        if group and not reason:
            if not (group.is_closed or group.is_first(place)):
                group.early.add(place)
                continue
            reason = _in_group(group, want, ordered) if group.is_closed else ""
        if reason:
            yield Answer(want, reason)
            before += 1
            continue
        turns.took(place, want.slots)
        if reserved is not None or want.slots > free:
            keeps_free, reserved = reserved is None, reserved or want
            yield Answer(want, _slots(want, reserved, free, capacity, before=before), keeps_free)
            before += 1
            if group:
                group.is_stuck = True
        else:
            free -= want.slots
            yield Answer(want, "")
            if group:
                group.labels.append(want.label)
                group.passed += 1
        for early in group.come_up() if group else ():
            turns.again(early)


def _order(want: Want, last: Mapping[str, datetime]) -> tuple[int, datetime, datetime, str]:
    served = last.get(want.repository)
    waits = want.since if served is None else max(want.since, served)
    return (-want.priority, waits, want.since, want.id)


def _groups(ordered: Sequence[Want], held: Sequence[Holder], capacity: int) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for holder in held:
        if holder.group is not None:
            group = groups.setdefault(holder.group, _Group())
            group.labels.append(holder.label)
            group.name_limit(holder.group_limit)
    for place, want in enumerate(ordered):
        if want.group is not None:
            group = groups.setdefault(want.group, _Group())
            group.name_limit(want.group_limit)
            # One that can never start would close its group for good.
            if want.slots <= capacity:
                group.line.append(place)
    for group in groups.values():
        group.line.sort(key=lambda place: _order(ordered[place], {}))
    return groups


def _too_large(want: Want, capacity: int) -> str:
    if want.slots <= max(capacity, 0):
        return ""
    if capacity <= 0:
        return "there is no slot"
    return f"it needs {want.slots} slots, and there {'is' if capacity == 1 else 'are'} only {capacity}"


def _in_group(group: _Group, want: Want, ordered: Sequence[Want]) -> str:
    """Why its group keeps it."""
    if group.is_full:
        labels = list(dict.fromkeys(group.labels))
        named = labels[:_NAMED]
        if len(labels) > _NAMED:
            named.append(f"{len(labels) - _NAMED} more")
        listed = " and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else named[0]
        return f"group {want.group}: {listed} {'has' if len(labels) == 1 else 'have'} it"
    return f"group {want.group}: {ordered[group.line[group.passed]].label} is before it"


def _slots(want: Want, reserved: Want, free: int, capacity: int, *, before: int) -> str:
    if free <= 0:
        said = "the only slot is taken" if capacity == 1 else f"none of {capacity} slots is free"
    else:
        said = f"{free} of {capacity} slots {'is' if free == 1 else 'are'} free, "
        if reserved is want:
            said += f"it needs {want.slots}"
        else:
            said += f"kept for {reserved.label}, which needs {reserved.slots}"
    return f"{said}; {before} before it" if before else said
