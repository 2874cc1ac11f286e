"""The states of one host in a deployment, what may follow what, and what an action makes of them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from headway.domain.deployment import HostRow


class HostState(StrEnum):
    """Forward: waiting … finished. Back: reverting … reverted. `-ing` is under way, on the host or asking it."""

    WAITING = "waiting"
    PREPARING = "preparing"
    PREPARED = "prepared"
    #: `once` is under way on this host, for the whole deployment.
    MIGRATING = "migrating"
    MIGRATED = "migrated"
    SWITCHING = "switching"
    #: Asked for its health before it is let back among the serving.
    CHECKING = "checking"
    UNDRAINING = "undraining"
    #: A canary that serves and is asked for its health until the watch is over.
    WATCHING = "watching"
    LIVE = "live"
    FINISHING = "finishing"
    FINISHED = "finished"
    #: `prepare` or `once` failed: users never met it.
    UNPREPARED = "unprepared"
    #: Failed after its switch began: has to be taken back.
    BROKEN = "broken"
    REVERTING = "reverting"
    RECHECKING = "rechecking"
    READMITTING = "readmitting"
    REVERTED = "reverted"
    #: Could not be taken back; a person has to look.
    STUCK = "stuck"
    #: Could not be reached when going back began, or a person left it out: takes no part, and is told at the end.
    LEFT_OUT = "left_out"


class ActionKind(StrEnum):
    PREPARE = "prepare"
    ONCE = "once"
    SWITCH = "switch"
    CHECK = "check"
    UNDRAIN = "undrain"
    WATCH = "watch"
    FINISH = "finish"
    REVERT = "revert"
    RECHECK = "recheck"
    READMIT = "readmit"


S, A = HostState, ActionKind

#: Which state may follow which. Nothing else ever changes a host's state.
MOVES: dict[HostState, frozenset[HostState]] = {
    S.WAITING: frozenset({S.PREPARING, S.LEFT_OUT}),
    S.PREPARING: frozenset({S.PREPARED, S.UNPREPARED, S.LEFT_OUT}),
    S.PREPARED: frozenset({S.MIGRATING, S.SWITCHING, S.LEFT_OUT}),
    S.MIGRATING: frozenset({S.MIGRATED, S.UNPREPARED}),
    S.MIGRATED: frozenset({S.SWITCHING}),
    S.SWITCHING: frozenset({S.CHECKING, S.BROKEN, S.REVERTING}),
    S.CHECKING: frozenset({S.UNDRAINING, S.BROKEN, S.REVERTING}),
    S.UNDRAINING: frozenset({S.WATCHING, S.LIVE, S.BROKEN, S.REVERTING}),
    S.WATCHING: frozenset({S.LIVE, S.BROKEN, S.REVERTING}),
    S.LIVE: frozenset({S.FINISHING, S.REVERTING}),
    S.FINISHING: frozenset({S.FINISHED, S.BROKEN}),
    S.FINISHED: frozenset(),
    S.UNPREPARED: frozenset(),
    S.BROKEN: frozenset({S.REVERTING}),
    S.REVERTING: frozenset({S.RECHECKING, S.STUCK}),
    S.RECHECKING: frozenset({S.READMITTING, S.STUCK}),
    S.READMITTING: frozenset({S.REVERTED, S.STUCK}),
    S.REVERTED: frozenset(),
    S.STUCK: frozenset(),
    S.LEFT_OUT: frozenset(),
}

#: The state in which a host is while an action is under way, and where a good and a bad end lead.
_COURSE: dict[ActionKind, tuple[HostState, HostState, HostState]] = {
    A.PREPARE: (S.PREPARING, S.PREPARED, S.UNPREPARED),
    A.ONCE: (S.MIGRATING, S.MIGRATED, S.UNPREPARED),
    A.SWITCH: (S.SWITCHING, S.CHECKING, S.BROKEN),
    A.CHECK: (S.CHECKING, S.UNDRAINING, S.BROKEN),
    A.UNDRAIN: (S.UNDRAINING, S.LIVE, S.BROKEN),
    A.WATCH: (S.WATCHING, S.LIVE, S.BROKEN),
    # All hosts are verified by then: a record that can't be written is told, it is no reason to go back.
    A.FINISH: (S.FINISHING, S.FINISHED, S.FINISHED),
    A.REVERT: (S.REVERTING, S.RECHECKING, S.STUCK),
    A.RECHECK: (S.RECHECKING, S.READMITTING, S.STUCK),
    A.READMIT: (S.READMITTING, S.REVERTED, S.STUCK),
}

#: Under way, and the action that goes on with it.
GOES_ON: dict[HostState, ActionKind] = {course[0]: kind for kind, course in _COURSE.items()}
#: Its switch has begun and nobody has taken it back: what a rollback has to look after.
TOUCHED = frozenset({S.SWITCHING, S.CHECKING, S.UNDRAINING, S.WATCHING, S.LIVE, S.BROKEN})
#: Nothing was switched there, and nothing has to be before others go on.
UNTOUCHED = frozenset({S.WAITING, S.PREPARING, S.PREPARED})
GOING_BACK = frozenset({S.REVERTING, S.RECHECKING, S.READMITTING})
SERVES = frozenset({S.LIVE, S.FINISHING, S.FINISHED})
#: Only asks, changes nothing: may be broken off at once.
ASKS = frozenset({S.CHECKING, S.WATCHING, S.RECHECKING})


class IllegalMove(AssertionError):
    """The engine asked for a state that may not follow: a fault of Headway's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action. `reason` is one line for a person; on success it may be empty."""

    good: bool
    reason: str = ""
    #: The switch itself was done, whatever came after it: from here on users meet the release.
    switched: bool = False
    #: Nothing was done: the host did not answer, or nobody wants it tried.
    away: bool = False
    #: The host has something else than what was put there: somebody changed it meanwhile.
    changed: bool = False


def begin(row: HostRow, action: ActionKind) -> HostRow:
    """The row while `action` is under way; the same row when it goes on with what had begun."""
    running = _COURSE[action][0]
    return row if row.state == running else _move(row, running, reason="")


def finish(row: HostRow, action: ActionKind, outcome: Outcome, *, watch: timedelta, now: datetime) -> HostRow:
    """The row after `action`. `watch` is how long this host is watched once it serves; zero for most."""
    _, good, bad = _COURSE[action]
    to = good if outcome.good else S.BROKEN if outcome.changed else bad
    if to is S.LIVE and action is A.UNDRAIN and watch:
        return replace(
            _move(row, S.WATCHING, reason=f"serves, is watched for {watch.total_seconds():g}s"),
            due_at=now + watch,
        )
    moved = _move(row, to, reason=outcome.reason)
    if outcome.switched and row.switched_at is None:
        moved = replace(moved, switched_at=now)
    if to is S.LIVE:
        moved = replace(moved, verified_at=now)
    if to is S.REVERTED:
        moved = replace(moved, reverted_at=now)
    return replace(moved, due_at=None)


def leave_out(row: HostRow, reason: str) -> HostRow:
    """The row of a host that takes no part any more; it is one of UNTOUCHED."""
    return _move(row, S.LEFT_OUT, reason=reason)


def correct(row: HostRow, state: HostState, reason: str) -> HostRow:
    """The row of a host on which somebody else acted meanwhile: no move of ours, but what was found there."""
    return replace(row, state=state, reason=reason, due_at=None)


def _move(row: HostRow, to: HostState, *, reason: str) -> HostRow:
    if to not in MOVES[HostState(row.state)]:
        raise IllegalMove(f"{row.host} is {row.state}; that may not become {to}")
    return replace(row, state=to, reason=reason)
