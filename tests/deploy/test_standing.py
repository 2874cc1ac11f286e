"""What stands where, host by host, and the one sentence that it is folded to."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.deploy.host_states import MOVES, HostState
from headway.deploy.standing import Before, put_back, seen, stand, what_runs, without
from headway.domain.deployment import Deployment, HostRow
from headway.domain.standing import Standing, StandingState
from tests.support.clocks import NOON
from tests.support.standing_deployments import deployment

FIVE, SIX = deployment("rel-5", number=5), deployment("rel-6", number=6)
S = HostState


def row(state: HostState, host: str = "web1", reason: str = "") -> HostRow:
    return HostRow("dep", host, 0, state, reason, "rel-5")


def after(
    standing: Standing, states: list[HostState], by: Deployment = SIX, before: Before | None = None
) -> Standing:
    for state in states:
        standing = stand(standing, by, row(state, standing.host), before, "not reached", NOON)
    return standing


def nothing(host: str) -> Standing:
    return Standing("shop", "production", host)


def serving(host: str, by: Deployment = FIVE) -> Standing:
    return after(nothing(host), [S.LIVE], by)


def test_every_host_the_same_is_said_by_its_release() -> None:
    runs = what_runs([serving("web1"), serving("web2"), serving("web3")])
    assert (runs.sentence, runs.is_whole) == ("rel-5", True)


def test_a_rollback_with_one_host_down_is_told_host_by_host() -> None:
    six = [serving(name, SIX) for name in ("web1", "web2", "web3")]
    went_back = [after(one, [S.SWITCHING, S.LIVE], FIVE) for one in six[:2]]
    runs = what_runs([*went_back, after(six[2], [S.LEFT_OUT], FIVE)])
    assert runs.sentence == "rel-5 on 2 of 3; web3 not reached since 2026-03-29 12:00 UTC (had rel-6)"
    assert not runs.is_whole
    assert runs.main is not None
    assert runs.main.release == "rel-5"


def test_a_host_that_was_missed_is_told_until_it_has_caught_up() -> None:
    missed = after(serving("web1"), [S.LEFT_OUT])
    again = stand(missed, SIX, row(S.LEFT_OUT), None, "left out by ana", NOON + timedelta(days=1))
    assert (again.missed_since, again.missed_why) == (NOON, "left out by ana")
    on_its_way = after(again, [S.PREPARING, S.PREPARED, S.SWITCHING, S.CHECKING])
    assert on_its_way.missed_since == NOON
    caught_up = after(on_its_way, [S.LIVE])
    assert (caught_up.missed_since, caught_up.missed_why, caught_up.release) == (None, "", "rel-6")


def test_what_went_back_by_itself_has_what_it_had() -> None:
    before = Before("rel-5", FIVE.commit, FIVE.id, 5)
    there_and_back = after(
        serving("web1"),
        [S.SWITCHING, S.CHECKING, S.BROKEN, S.REVERTING, S.RECHECKING, S.REVERTED],
        SIX,
        before,
    )
    assert (there_and_back.release, there_and_back.number) == ("rel-5", 5)
    assert there_and_back.state is StandingState.SERVES
    from_nothing = after(nothing("web1"), [S.SWITCHING, S.LIVE, S.REVERTING, S.REVERTED], SIX, None)
    assert from_nothing.release is None


def test_what_could_not_be_taken_back_is_not_told_as_serving() -> None:
    stuck = stand(serving("web2", SIX), SIX, row(S.STUCK, "web2", "exit 1 in activate"), None, "", NOON)
    runs = what_runs([serving("web1"), stuck, serving("web3")])
    assert runs.sentence == "rel-5 on 2 of 3; web2 unclear: exit 1 in activate (had rel-6)"


def test_a_host_that_left_the_file_is_named_as_long_as_it_has_something() -> None:
    left = replace(serving("web4"), member=False)
    runs = what_runs([serving("web1"), left, replace(nothing("web5"), member=False)])
    assert runs.sentence == "rel-5; web4 is no longer of it and still has rel-5"
    assert [one.host for one in runs.gone] == ["web4"]


def test_a_host_that_left_the_file_half_emptied_is_told_to_be() -> None:
    half = replace(
        serving("web4"),
        member=False,
        state=StandingState.UNCLEAR,
        reason="half-emptied: exit 1 in back-deactivate",
    )
    assert what_runs([serving("web1"), half]).sentence == (
        "rel-5; web4 is no longer of it and still has rel-5, unclear: half-emptied: exit 1 in back-deactivate"
    )
    # Nothing stood there before, and taking it away failed: so there is something.
    stuck = replace(half, release=None, reason="exit 1")
    runs = what_runs([serving("web1"), stuck])
    assert (runs.is_whole, [one.host for one in runs.gone]) == (False, ["web4"])


def test_nothing_is_nothing() -> None:
    assert what_runs([]).sentence == "nothing"
    assert what_runs([nothing("web1")]).sentence == "nothing"
    assert what_runs([]).main is None


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=12))
def test_told_twice_it_is_the_same(states: list[HostState]) -> None:
    standing = serving("web1")
    for state in states:
        once = after(standing, [state])
        assert after(once, [state]) == once
        standing = once


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["rel-5", "rel-6"]), st.sampled_from([S.LIVE, S.LEFT_OUT, S.STUCK, S.SWITCHING])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_host_is_left_out_of_the_sentence_that_differs(hosts: list[tuple[str, HostState]]) -> None:
    found = [
        after(serving(f"web{n}", deployment(release, number=n + 1)), [state])
        for n, (release, state) in enumerate(hosts)
    ]
    runs = what_runs(found)
    main = runs.main
    assert main is not None
    for one in found:
        differs = one.release != main.release or one.missed_since or one.state is not StandingState.SERVES
        assert (one.host in runs.sentence) == bool(differs)
    assert runs.is_whole == (runs.sentence == main.release)


@pytest.mark.parametrize(
    ("release", "serving", "expected"),
    [
        # What most have; of as many, what came last; of the same moment, the last by name.
        (["rel-5", "rel-6", "rel-6"], [1, 1, 1], "rel-6"),
        (["rel-5", "rel-5", "rel-6"], [1, 1, 9], "rel-5"),
        (["rel-5", "rel-6"], [2, 1], "rel-5"),
        (["rel-5", "rel-6"], [1, 2], "rel-6"),
        (["rel-5", "rel-6"], [1, 1], "rel-6"),
        (["rel-6", "rel-5"], [1, 1], "rel-5"),
        (["rel-5", "rel-6"], [1, None], "rel-5"),
        (["rel-5", None, None], [1, 9, 9], "rel-5"),
        ([None, None], [1, 1], None),
    ],
)
def test_what_runs_is_what_most_have(
    release: list[str | None], serving: list[int | None], expected: str | None
) -> None:
    """`serving`: since which hour."""
    found = [
        replace(
            nothing(f"web{number}"),
            release=one,
            since=None if hour is None else NOON + timedelta(hours=hour),
        )
        for number, (one, hour) in enumerate(zip(release, serving, strict=True), start=1)
    ]
    main = what_runs(found[::-1]).main
    assert (main.release if main else None) == expected


@pytest.mark.parametrize(
    ("releases", "sentence", "whole"),
    [
        ("rel-5", "rel-5", True),
        ("rel-5 rel-5 rel-6", "rel-5 on 2 of 3; rel-6 on web3", False),
        ("rel-5 rel-5 rel-5 rel-6 rel-6 -", "rel-5 on 3 of 6; rel-6 on web4, web5; nothing on web6", False),
        ("rel-5 rel-5 rel-6!", "rel-5 on 2 of 3; web3 unclear: exit 1 (had rel-6)", False),
        ("rel-5 rel-5!", "rel-5 on 1 of 2; web2 unclear: exit 1", False),
        ("rel-5 rel-5 rel-6 -!", "rel-5 on 2 of 4; rel-6 on web3; web4 unclear: exit 1 (had nothing)", False),
        ("-!", "web1 unclear: exit 1 (had nothing)", False),
        ("rel-5?", "rel-5 on 0 of 1; web1 not reached since 2026-03-29 12:00 UTC", False),
        ("rel-5!?", "rel-5 on 0 of 1; web1 not reached since 2026-03-29 12:00 UTC, unclear: exit 1", False),
        ("-", "nothing", True),
        ("rel-5 rel-5~", "rel-5 on 1 of 2; web2 is in the middle of a switch", False),
        (
            "rel-6 rel-6 rel-5~",
            "rel-6 on 2 of 3; web3 is in the middle of a switch (had rel-5)",
            False,
        ),
        ("-~", "web1 is in the middle of a switch (had nothing)", False),
    ],
)
def test_the_sentence(releases: str, sentence: str, whole: bool) -> None:
    """`!` is unclear, `?` was missed, `~` is being switched."""
    found = []
    for number, word in enumerate(releases.split(), start=1):
        release = word.strip("-!?~")
        one = replace(nothing(f"web{number}"), release=f"{release}" if release else None)
        if "!" in word:
            one = replace(one, state=StandingState.UNCLEAR, reason="exit 1")
        if "~" in word:
            one = replace(one, state=StandingState.MOVING)
        found.append(replace(one, missed_since=NOON) if "?" in word else one)
    runs = what_runs(found)
    assert (runs.sentence, runs.is_whole) == (sentence, whole)


def test_what_is_left_over_or_missed_for_a_reason_is_told() -> None:
    gone = replace(serving("web9"), member=False)
    missed = replace(serving("web2"), missed_since=NOON, missed_why="left out by ana")
    runs = what_runs([gone, missed, serving("web1")])
    assert runs.sentence == (
        "rel-5 on 1 of 2; web2 left out by ana since 2026-03-29 12:00 UTC; "
        "web9 is no longer of it and still has rel-5"
    )
    assert not what_runs([gone, serving("web1")]).is_whole


LATER = NOON + timedelta(hours=1)


def test_a_host_serves_since_it_was_verified_and_the_same_deployment_changes_nothing() -> None:
    found = stand(nothing("web1"), SIX, replace(row(S.LIVE), verified_at=LATER), None, "", NOON)
    assert found == replace(
        nothing("web1"),
        release="rel-6",
        commit=SIX.commit,
        deployment=SIX.id,
        number=6,
        since=LATER,
        state=StandingState.SERVES,
        asked_at=NOON,
    )
    assert stand(found, SIX, row(S.FINISHED), None, "", NOON) == found
    assert stand(found, FIVE, row(S.WATCHING), None, "", NOON).since == NOON


@pytest.mark.parametrize(
    ("state", "expected", "reason"),
    [
        (S.SWITCHING, StandingState.MOVING, ""),
        (S.REVERTING, StandingState.MOVING, ""),
        (S.BROKEN, StandingState.UNCLEAR, "exit 1"),
        (S.STUCK, StandingState.UNCLEAR, "exit 1"),
        (S.PREPARED, StandingState.SERVES, ""),
        (S.LIVE, StandingState.SERVES, ""),
    ],
)
def test_what_a_host_is_said_to_do(state: HostState, expected: StandingState, reason: str) -> None:
    left = replace(serving("web1"), member=False)
    found = stand(left, SIX, row(state, reason="exit 1"), None, "", NOON)
    assert (found.state, found.reason, found.member) == (expected, reason, True)


def test_what_was_unclear_is_told_no_more_once_it_goes_on() -> None:
    unclear = replace(serving("web1"), state=StandingState.UNCLEAR, reason="exit 1")
    for state, expected in ((S.SWITCHING, StandingState.MOVING), (S.LIVE, StandingState.SERVES)):
        found = stand(unclear, SIX, row(state), None, "", NOON)
        assert (found.state, found.reason) == (expected, "")


def test_what_was_put_back_has_stood_there_since_it_came_back() -> None:
    before = Before("rel-5", FIVE.commit, FIVE.id, 5)
    assert put_back(serving("web1", FIVE), before, LATER).since == NOON
    unclear = replace(serving("web1", SIX), state=StandingState.UNCLEAR, reason="exit 1")
    assert stand(unclear, SIX, row(S.REVERTED), before, "", LATER) == put_back(unclear, before, LATER)
    back = put_back(unclear, before, LATER)
    assert (back.release, back.commit, back.deployment, back.number) == ("rel-5", FIVE.commit, FIVE.id, 5)
    assert (back.since, back.state, back.reason) == (LATER, StandingState.SERVES, "")
    emptied = put_back(serving("web1", SIX), None, LATER)
    assert (emptied.release, emptied.commit, emptied.deployment, emptied.number, emptied.since) == (
        None,
        "",
        None,
        None,
        LATER,
    )


def test_only_members_that_the_file_names_no_more_leave() -> None:
    standing = [serving("web1"), serving("web2"), replace(serving("web3"), member=False)]
    assert without(standing, ["web1"]) == [replace(serving("web2"), member=False)]


FOUND = Before("rel-5", FIVE.commit, FIVE.id, 5)


def test_what_a_host_says_wins_and_is_told_with_its_time() -> None:
    later = NOON + timedelta(hours=1)
    found = seen(serving("web1", SIX), FOUND, later, half_way=False)
    assert (found.release, found.number, found.state) == ("rel-5", 5, StandingState.SERVES)
    assert (found.since, found.asked_at) == (later, later)
    again = seen(found, FOUND, later + timedelta(hours=1), half_way=False)
    assert (again.since, again.asked_at) == (later, later + timedelta(hours=1))
    empty = seen(found, None, later, half_way=False)
    assert (empty.release, empty.deployment) == (None, None)


def test_what_others_left_half_way_is_told_until_they_have_finished() -> None:
    half = seen(serving("web1", SIX), FOUND, NOON, half_way=True)
    assert (half.release, half.state) == ("rel-6", StandingState.MOVING)
    assert what_runs([half]).sentence == (
        "rel-6 on 0 of 1; web1 is half-way: it has something else than what was finished there last"
    )
    assert not what_runs([half]).is_whole
    for found in (FOUND, Before("rel-6", SIX.commit, SIX.id, 6)):
        assert what_runs([seen(half, found, NOON, half_way=False)]).is_whole


def test_a_host_that_has_what_was_verified_there_is_not_half_way_because_it_was_never_finished() -> None:
    stopped = serving("web1", SIX)
    found = seen(stopped, Before("rel-6", SIX.commit, SIX.id, 6), LATER, half_way=True)
    assert found == replace(stopped, asked_at=LATER)
    assert not what_runs([seen(stopped, replace(FOUND, release="rel-6"), LATER, half_way=True)]).is_whole


def test_a_look_does_not_say_that_what_failed_there_is_well() -> None:
    broken = after(serving("web1"), [S.SWITCHING, S.BROKEN])
    assert seen(broken, FOUND, NOON, half_way=True).state is StandingState.UNCLEAR
    assert seen(broken, FOUND, NOON, half_way=False).state is StandingState.UNCLEAR
    finished = Before("rel-5", FIVE.commit, "dep-direct", 7)
    assert seen(broken, finished, NOON, half_way=False).state is StandingState.SERVES


def test_a_host_that_was_left_in_the_middle_of_its_switch_is_not_well_because_its_links_are() -> None:
    """It may be drained; only a deployment that comes to its end there says otherwise."""
    left = after(serving("web1"), [S.PREPARED, S.SWITCHING])
    found = seen(left, FOUND, LATER, half_way=False, taken=True)
    assert found.state is StandingState.UNCLEAR
    assert what_runs([found, serving("web2")]).sentence == (
        "rel-5 on 1 of 2; web1 unclear: a deployment was left in the middle of its switch"
    )
    taken_again = after(found, [S.WAITING, S.PREPARING, S.UNPREPARED], deployment("rel-7", number=7))
    assert not what_runs([taken_again]).is_whole
    assert what_runs([after(found, [S.SWITCHING, S.LIVE])]).is_whole


@given(
    st.sampled_from([S.WAITING, S.PREPARED, S.SWITCHING, S.BROKEN, S.STUCK, S.LEFT_OUT, S.LIVE]),
    st.booleans(),
)
def test_no_look_calls_a_host_well_that_is_half_way(state: S, taken: bool) -> None:
    standing = after(serving("web1"), [state])
    for _ in range(2):
        standing = seen(standing, Before("rel-4", "", "dep-others", None), LATER, half_way=True, taken=taken)
        assert not what_runs([standing]).is_whole
        assert standing.reason.count("half-way") == 1


def test_a_host_that_a_deployment_has_taken_was_reached() -> None:
    missed = after(serving("web1", SIX), [S.LEFT_OUT], FIVE)
    found = Before("rel-6", SIX.commit, SIX.id, 6)
    assert seen(missed, found, LATER, half_way=False).missed_since == NOON
    taken = seen(missed, found, LATER, half_way=False, taken=True)
    assert (taken.missed_since, taken.missed_why) == (None, "")
    assert what_runs([taken, serving("web2"), serving("web3")]).sentence == "rel-5 on 2 of 3; rel-6 on web1"


def test_a_release_that_a_hand_put_in_place_of_another_stands_there_since_then() -> None:
    moved = seen(serving("web1"), Before("rel-4", "", FIVE.id, 5), LATER, half_way=False)
    assert (moved.release, moved.since) == ("rel-4", LATER)


def test_an_environment_was_asked_when_the_host_was_that_was_asked_longest_ago() -> None:
    early, late = serving("web1"), replace(serving("web2"), asked_at=NOON + timedelta(hours=1))
    assert what_runs([late, early]).asked_at == NOON
    assert what_runs([late, nothing("web3")]).asked_at is None
    assert what_runs([]).asked_at is None
    away = stand(early, SIX, row(S.LEFT_OUT), None, "not reached", NOON + timedelta(days=1))
    assert away.asked_at == NOON
