"""What an action makes of a host's row: as a person reads it afterwards."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headway.deploy.host_states import (
    ActionKind,
    HostState,
    IllegalMove,
    Outcome,
    begin,
    correct,
    finish,
    leave_out,
)
from headway.domain.deployment import HostRow
from tests.deploy.examples import NOW, rows

S, A = HostState, ActionKind
EARLIER = NOW - timedelta(minutes=3)


def row(state: HostState, **changes: object) -> HostRow:
    [one] = rows([state])
    return replace(one, reason="as it was", **changes)  # type: ignore[arg-type]


def after(state: HostState, action: ActionKind, outcome: Outcome, *, watch: int = 0) -> HostRow:
    return finish(row(state, due_at=EARLIER), action, outcome, watch=timedelta(seconds=watch), now=NOW)


@pytest.mark.parametrize(
    ("before", "action", "under_way", "good", "bad"),
    [
        (S.WAITING, A.PREPARE, S.PREPARING, S.PREPARED, S.UNPREPARED),
        (S.PREPARED, A.ONCE, S.MIGRATING, S.MIGRATED, S.UNPREPARED),
        (S.MIGRATED, A.SWITCH, S.SWITCHING, S.CHECKING, S.BROKEN),
        (S.CHECKING, A.CHECK, S.CHECKING, S.UNDRAINING, S.BROKEN),
        (S.UNDRAINING, A.UNDRAIN, S.UNDRAINING, S.LIVE, S.BROKEN),
        (S.WATCHING, A.WATCH, S.WATCHING, S.LIVE, S.BROKEN),
        # All hosts are verified by then: a record that can't be written is no reason to go back.
        (S.LIVE, A.FINISH, S.FINISHING, S.FINISHED, S.FINISHED),
        (S.BROKEN, A.REVERT, S.REVERTING, S.RECHECKING, S.STUCK),
        (S.RECHECKING, A.RECHECK, S.RECHECKING, S.READMITTING, S.STUCK),
        (S.READMITTING, A.READMIT, S.READMITTING, S.REVERTED, S.STUCK),
    ],
)
def test_an_action_is_under_way_and_then_has_a_good_or_a_bad_end(
    before: HostState, action: ActionKind, under_way: HostState, good: HostState, bad: HostState
) -> None:
    begun = begin(row(before), action)
    assert begun.state == under_way
    # Gone on with after a crash it is the row that it was.
    assert begun.reason == ("as it was" if before == under_way else "")
    for outcome, state in ((Outcome(True), good), (Outcome(False, "exit 3"), bad)):
        ended = after(under_way, action, outcome)
        assert (ended.state, ended.reason, ended.due_at) == (state, outcome.reason, None)


def test_one_that_somebody_changed_meanwhile_is_broken_and_says_why() -> None:
    ended = after(S.FINISHING, A.FINISH, Outcome(False, "current is rel-x", changed=True))
    assert (ended.state, ended.reason) == (S.BROKEN, "current is rel-x")


def test_a_canary_is_watched_before_it_is_live() -> None:
    watched = after(S.UNDRAINING, A.UNDRAIN, Outcome(True), watch=90)
    assert (watched.state, watched.reason) == (S.WATCHING, "serves, is watched for 90s")
    assert (watched.due_at, watched.verified_at) == (NOW + timedelta(seconds=90), None)
    assert after(S.WATCHING, A.WATCH, Outcome(True), watch=90).state == S.LIVE
    assert after(S.UNDRAINING, A.UNDRAIN, Outcome(False, "exit 3"), watch=90).state == S.BROKEN


def test_when_users_met_the_release_and_when_it_was_good_and_gone_is_kept() -> None:
    def times(one: HostRow) -> tuple[object, object, object]:
        return one.switched_at, one.verified_at, one.reverted_at

    assert times(after(S.SWITCHING, A.SWITCH, Outcome(True, switched=True))) == (NOW, None, None)
    # The switch itself was done, what came after it failed.
    assert times(after(S.SWITCHING, A.SWITCH, Outcome(False, "exit 3", switched=True))) == (NOW, None, None)
    assert times(after(S.SWITCHING, A.SWITCH, Outcome(False, "exit 3"))) == (None, None, None)
    assert times(after(S.UNDRAINING, A.UNDRAIN, Outcome(True))) == (None, NOW, None)
    assert times(after(S.READMITTING, A.READMIT, Outcome(True))) == (None, None, NOW)
    assert times(after(S.READMITTING, A.READMIT, Outcome(False, "exit 3"))) == (None, None, None)
    # What was done twice after a crash happened the first time.
    again = finish(
        row(S.SWITCHING, switched_at=EARLIER),
        A.SWITCH,
        Outcome(True, switched=True),
        watch=timedelta(),
        now=NOW,
    )
    assert again.switched_at == EARLIER


def test_a_host_that_takes_no_part_says_why() -> None:
    left = leave_out(row(S.PREPARED), "did not answer")
    assert (left.host, left.state, left.reason) == ("web1", S.LEFT_OUT, "did not answer")
    with pytest.raises(IllegalMove, match="web1 is live; that may not become left_out"):
        leave_out(row(S.LIVE), "did not answer")


def test_what_was_found_on_a_host_is_no_move_and_nothing_is_due_there() -> None:
    found = correct(row(S.WATCHING, due_at=NOW), S.REVERTED, "has rel-x")
    assert (found.state, found.reason, found.due_at) == (S.REVERTED, "has rel-x", None)
