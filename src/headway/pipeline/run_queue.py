"""Which of the runs that wait may be under way now, and why the others may not yet."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from headway.domain.run import Run
from headway.domain.states import State
from headway.pipeline.turns import begins

_NAMED = 3


@dataclass(frozen=True, slots=True)
class RunQueue:
    #: Those that are to be driven from now on.
    begin: tuple[Run, ...]
    #: Id of each other -> what it waits for; in the order in which they will begin.
    reasons: Mapping[str, str]


def next_runs(
    candidates: Sequence[Run],
    driven: Collection[str],
    *,
    resting: Mapping[str, str],
    paused: str,
    most: int,
) -> RunQueue:
    """Of server runs that have not ended, in their order, those that may begin.

    `driven`: ids of those that are driven here. `resting`: id -> why it is left alone for a moment. `paused`: why
    nothing new may begin; empty: it may. `most`: runs under way at once. A run that goes on though nobody drives it is
    taken up before anything new. One that is cancelled while it is held has only its end to be written: neither its
    group nor a pause holds that up.
    """
    groups: dict[str, list[Run]] = {}
    for run in candidates:
        if run.trigger and run.trigger.group and (run.id in driven or run.state is State.RUNNING):
            groups.setdefault(run.trigger.group, []).append(run)
    room = most - len(driven)
    went_on: list[Run] = []
    ready: list[Run] = []
    reasons: dict[str, str] = {}
    for run in candidates:
        if run.id in driven:
            continue
        if why := resting.get(run.id) or _kept(run, groups, paused):
            reasons[run.id] = why
        elif run.state is State.RUNNING and room > 0:
            room -= 1
            went_on.append(run)
        else:
            ready.append(run)
    taken = Counter(run.takes_turn_of for run in candidates if run.id in driven or run.state is State.RUNNING)
    by_id = {run.id: run for run in ready}
    begun, later = begins([(run.id, run.takes_turn_of) for run in ready], taken, room)
    begin = (*went_on, *(by_id[id] for id in begun))
    full = f"{len(driven) + len(begin)} runs are under way, it comes after them"
    return RunQueue(begin, {**dict.fromkeys(later, full), **reasons})


def _kept(run: Run, groups: dict[str, list[Run]], paused: str) -> str:
    """Why it does not begin; a queued one that nothing keeps has its place in its group from here on."""
    trigger = run.trigger
    if trigger is None or run.state is not State.QUEUED or trigger.held_for:
        return ""
    if paused:
        return paused
    if not trigger.group:
        return ""
    before = groups.setdefault(trigger.group, [])
    if len(before) >= trigger.group_limit:
        named = ", ".join(f"run {other.number} of {other.service}" for other in before[:_NAMED])
        return f"group {trigger.group}: {named} has it"
    before.append(run)
    return ""
