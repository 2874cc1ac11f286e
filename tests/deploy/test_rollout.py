"""What a deployment does next, by examples that read like the table, and by playing it to its end a thousand ways."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.deploy.host_states import (
    ASKS,
    GOES_ON,
    MOVES,
    SERVES,
    TOUCHED,
    ActionKind,
    HostState,
    IllegalMove,
    Outcome,
    begin,
    finish,
)
from headway.deploy.rollout import (
    Action,
    Asked,
    Decision,
    Facts,
    next_actions,
    watch_of,
    what_stands,
    what_to_do,
)
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState, HostRow
from tests.deploy.examples import NOW, deployment, rows

S, A, D = HostState, ActionKind, DeploymentState
GOOD, BAD = Outcome(True, switched=True), Outcome(False, "exit 1 in activate")


def decide(states: str, *, facts: Facts | None = None, batch: int = 1, **changes: object) -> Decision:
    return next_actions(
        deployment(**changes), rows([HostState(s) for s in states.split()], batch), facts or Facts()
    )


def actions(decision: Decision) -> str:
    return " ".join(f"{action.kind}:{action.host}" for action in decision.actions)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("waiting waiting", "prepare:web1 prepare:web2"),
        ("prepared waiting", "prepare:web2"),
        ("prepared preparing", "prepare:web2"),
        ("prepared prepared", "switch:web1"),
        ("switching prepared", "switch:web1"),
        ("checking prepared", "check:web1"),
        ("undraining prepared", "undrain:web1"),
        ("watching prepared", "watch:web1"),
        ("live prepared", "switch:web2"),
        ("live live", "finish:web1 finish:web2"),
        ("finished finishing", "finish:web2"),
    ],
)
def test_the_way_forward(states: str, expected: str) -> None:
    decision = decide(states)
    assert (decision.state, actions(decision)) == (D.RUNNING, expected)


def test_several_hosts_of_a_batch_at_once_and_nothing_twice() -> None:
    assert actions(decide("prepared prepared prepared", batch=2)) == "switch:web1 switch:web2"
    busy = Facts(active=frozenset({"web1"}))
    assert actions(decide("switching prepared prepared", batch=2, facts=busy)) == "switch:web2"
    assert actions(decide("switching live prepared", batch=2, facts=busy)) == ""


def test_once_comes_after_all_are_prepared_and_before_the_first_switch() -> None:
    facts = Facts(has_once=True)
    assert actions(decide("prepared waiting", facts=facts)) == "prepare:web2"
    assert actions(decide("prepared prepared", facts=facts)) == "once:web1"
    assert actions(decide("migrated prepared", facts=facts)) == "switch:web1"


def test_the_end() -> None:
    assert decide("finished finished").state is D.SUCCEEDED
    assert decide("live live").verified
    assert not decide("live checking").verified


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("live broken prepared", "revert:web2 revert:web1"),
        ("live live broken", "revert:web3 revert:web2"),
        ("broken prepared prepared", "revert:web1"),
        ("live live checking broken", "revert:web4 revert:web3"),
    ],
)
def test_a_failing_host_takes_all_switched_ones_back_in_reverse(states: str, expected: str) -> None:
    decision = decide(states)
    assert (decision.state, actions(decision), decision.automatic) == (D.ROLLING_BACK, expected, True)


def test_what_is_under_way_ends_first_and_what_only_asks_is_broken_off() -> None:
    facts = Facts(active=frozenset({"web1", "web3"}))
    decision = decide("checking broken switching", batch=3, facts=facts)
    assert (decision.state, actions(decision), decision.stop) == (D.RUNNING, "", frozenset({"web1"}))


@pytest.mark.parametrize(
    ("states", "active", "expected", "state"),
    [
        ("reverting live live", "web1", "revert:web3", D.ROLLING_BACK),
        ("rechecking readmitting live", "", "recheck:web1 readmit:web2", D.ROLLING_BACK),
        ("reverted broken prepared", "", "revert:web2", D.ROLLING_BACK),
        ("switching reverted prepared", "", "revert:web1", D.ROLLING_BACK),
        ("reverted reverted prepared", "", "", D.ROLLED_BACK),
        ("reverted stuck prepared", "", "", D.FAILED),
    ],
)
def test_the_way_back(states: str, active: str, expected: str, state: DeploymentState) -> None:
    decision = decide(
        states, state=D.ROLLING_BACK, reason="why", facts=Facts(active=frozenset(active.split()))
    )
    assert (actions(decision), decision.state) == (expected, state)


def test_a_failed_way_back_is_shouted_with_what_stands_where() -> None:
    found = rows([S.REVERTED, S.STUCK, S.PREPARED])
    found[1] = replace(found[1], reason="exit 3 in back-activate")
    decision = next_actions(deployment(state=D.ROLLING_BACK, reason="web2: unwell"), found, Facts())
    assert decision.reason == (
        "web2: unwell; GOING BACK FAILED: web2: exit 3 in back-activate; "
        "rel-a on web1, web3; half-way between rel-b and rel-a on web2; "
        "bring one release to all, when web2 is mended: headway deploy production --release rel-b, "
        "or headway deploy production --release rel-a"
    )


@pytest.mark.parametrize(
    ("states", "active", "expected", "state"),
    [
        # What is ill goes back in any case; what serves stays once the release before does not come up.
        ("live broken stuck", "", "revert:web2", D.ROLLING_BACK),
        ("live live stuck", "", "", D.FAILED),
        ("live reverting stuck", "web2", "", D.ROLLING_BACK),
        ("live reverted stuck", "", "revert:web1", D.ROLLING_BACK),
        ("watching live stuck", "", "watch:web1", D.ROLLING_BACK),
    ],
)
def test_going_back_by_itself_never_takes_the_last_host_that_serves(
    states: str, active: str, expected: str, state: DeploymentState
) -> None:
    facts = Facts(active=frozenset(active.split()))
    decision = decide(states, state=D.ROLLING_BACK, reason="web3: unwell", facts=facts)
    assert (actions(decision), decision.state) == (expected, state)


@pytest.mark.parametrize(
    ("states", "away", "expected"),
    [
        ("live stuck", "web2", "revert:web1"),
        ("live stuck stuck", "web2 web3", "revert:web1"),
        ("live stuck stuck", "web3", ""),
        ("live live stuck stuck", "web4", ""),
    ],
)
def test_a_host_that_is_away_says_nothing_of_the_release_gone_back_to(
    states: str, away: str, expected: str
) -> None:
    facts = Facts(away=frozenset(away.split()))
    decision = decide(states, state=D.ROLLING_BACK, reason="asked to go back", facts=facts)
    assert actions(decision) == expected


def test_a_way_back_that_stops_says_what_serves_and_what_to_do() -> None:
    found = rows([S.LIVE, S.STUCK, S.PREPARED])
    found[1] = replace(found[1], reason="health (http): status 500")
    decision = next_actions(deployment(state=D.ROLLING_BACK, reason="web2: unwell"), found, Facts())
    assert decision.reason == (
        "web2: unwell; GOING BACK FAILED: web2: health (http): status 500; "
        "stopped: rel-a does not come up, and web1 serves on; "
        "rel-b on web1; half-way between rel-b and rel-a on web2; rel-a on web3; "
        "bring one release to all, when web2 is mended: headway deploy production --release rel-b, "
        "or headway deploy production --release rel-a"
    )


def test_before_any_switch_there_is_nothing_to_take_back() -> None:
    assert decide("unprepared prepared").state is D.FAILED
    assert "no host was switched" in decide("unprepared prepared").reason
    waits = decide("unprepared preparing", facts=Facts(active=frozenset({"web2"})))
    assert (waits.state, actions(waits)) == (D.RUNNING, "")


def test_an_incompatible_once_cannot_be_passed() -> None:
    decision = decide("live broken", facts=Facts(has_once=True, once_compatible=False))
    assert decision.state is D.FAILED
    assert "cannot go back" in decision.reason
    assert "go on with a repaired release: headway deploy production" in decision.reason
    assert decide("live broken", facts=Facts(has_once=True)).state is D.ROLLING_BACK


def test_a_rollback_goes_on_past_a_broken_host_while_its_release_comes_up() -> None:
    kind = DeploymentKind.ROLLBACK
    assert actions(decide("live broken prepared", kind=kind)) == "switch:web3"
    recording = decide("live broken live", kind=kind)
    assert (recording.reason, recording.verified) == ("2 of 3 hosts serve, writing the record", False)
    end = decide("finished broken finished", kind=kind)
    assert end.state is D.FAILED
    assert "mend web2 and call it again: headway rollback production --to rel-b" in end.reason


@pytest.mark.parametrize(
    ("states", "active", "expected", "state"),
    [
        ("broken prepared prepared", "", "", D.FAILED),
        ("broken broken prepared", "", "", D.FAILED),
        # What has begun is brought to serve first, and counts then.
        ("broken checking prepared", "", "check:web2", D.RUNNING),
        ("broken checking prepared", "web2", "", D.RUNNING),
        ("left_out broken prepared", "", "", D.FAILED),
        ("left_out live prepared", "", "switch:web3", D.RUNNING),
        ("broken", "", "", D.FAILED),
    ],
)
def test_a_rollback_to_a_release_that_does_not_come_up_stops_while_something_serves(
    states: str, active: str, expected: str, state: DeploymentState
) -> None:
    facts = Facts(active=frozenset(active.split()))
    decision = decide(states, kind=DeploymentKind.ROLLBACK, facts=facts, batch=2)
    assert (actions(decision), decision.state) == (expected, state)


def test_a_rollback_that_stops_names_every_host_that_serves_on() -> None:
    kind = DeploymentKind.ROLLBACK
    assert "and web3, web4 serve on;" in decide("broken broken prepared prepared", batch=2, kind=kind).reason


def test_a_rollback_that_stops_says_what_serves_and_what_to_do() -> None:
    found = rows([S.BROKEN, S.BROKEN, S.PREPARED], batch=2)
    found[:2] = [replace(row, reason="health (tcp): refused", switched_at=NOW) for row in found[:2]]
    decision = next_actions(deployment(kind=DeploymentKind.ROLLBACK), found, Facts())
    assert decision.reason == (
        "web1: health (tcp): refused; web2: health (tcp): refused; "
        "stopped: rel-b does not come up, and web3 serves on; "
        "rel-b, not verified, on web1, web2; rel-a on web3; "
        "mend web1, web2 and call it again: headway rollback production --to rel-b, "
        "or take another release: headway rollback production --to RELEASE, "
        "or headway deploy production --release rel-a"
    )


@pytest.mark.parametrize(
    ("asked", "states", "active", "state", "expected"),
    [
        (Asked.PAUSE, "live switching prepared", "web2", D.RUNNING, ""),
        (Asked.BACK, "live checking prepared", "", D.ROLLING_BACK, "revert:web2 revert:web1"),
        (Asked.BACK, "prepared prepared prepared", "", D.CANCELLED, ""),
        (Asked.STAY, "live switching prepared", "web2", D.RUNNING, ""),
        (Asked.STAY, "live checking prepared", "", D.RUNNING, "check:web2"),
        (Asked.STAY, "live live prepared", "", D.CANCELLED, ""),
    ],
)
def test_ctrl_c(asked: Asked, states: str, active: str, state: DeploymentState, expected: str) -> None:
    decision = decide(states, facts=Facts(asked=asked, active=frozenset(active.split())))
    assert (decision.state, actions(decision), decision.automatic) == (state, expected, False)
    assert decision.ask is (asked is Asked.PAUSE and not active)


def told_rows(states: str, told: str, batch: int = 1) -> list[HostRow]:
    """`told`: `web1=slow web3=exit 1`, hosts with their reasons, divided by commas."""
    reasons = dict(one.split("=") for one in told.split(",") if one)
    return [replace(row, reason=reasons.get(row.host, "")) for row in rows(states.split(), batch)]


@pytest.mark.parametrize(
    ("states", "facts", "told", "state", "verified", "reason"),
    [
        ("waiting preparing prepared", Facts(), "", D.RUNNING, False, "preparing, 1 of 3 hosts ready"),
        ("prepared prepared", Facts(has_once=True), "", D.RUNNING, False, "running `once` on web1"),
        ("migrating prepared", Facts(has_once=True), "", D.RUNNING, False, "running `once` on web1"),
        ("live live prepared", Facts(), "", D.RUNNING, False, "batch 2 of 2: web3"),
        ("checking live prepared", Facts(), "", D.RUNNING, False, "batch 1 of 2: web1"),
        ("checking prepared prepared", Facts(), "", D.RUNNING, False, "batch 1 of 2: web1, web2"),
        ("live finished live", Facts(), "", D.RUNNING, True, "all hosts serve, writing the record"),
        ("finishing finished live", Facts(), "", D.RUNNING, True, "all hosts serve, writing the record"),
        (
            "live live waiting",
            Facts(without=("web3",)),
            "",
            D.RUNNING,
            True,
            "2 of 3 hosts serve, writing the record",
        ),
        (
            "finished finished",
            Facts(active=frozenset({"web1"})),
            "",
            D.RUNNING,
            False,
            "waiting for what is under way",
        ),
        ("finished finished", Facts(), "", D.SUCCEEDED, True, "serves on all hosts"),
        (
            "finished finished finished",
            Facts(),
            "web1=it was slow,web3=no journal",
            D.SUCCEEDED,
            True,
            "serves on all hosts, but web1: it was slow; web3: no journal",
        ),
        (
            "finished waiting waiting",
            Facts(without=("web2", "web3")),
            "web1=it was slow",
            D.SUCCEEDED,
            True,
            "serves on 1 of 3 hosts; web2, web3 left out, the next deployment brings it to them, but web1: it was slow",
        ),
        (
            "finished left_out finished",
            Facts(),
            "web2=no route",
            D.FAILED,
            False,
            "web2: no route; rel-b on web1, web3; rel-a on web2; bring one release to all, when web2 is mended: "
            "headway deploy production --release rel-b, or headway deploy production --release rel-a",
        ),
        (
            "unprepared prepared",
            Facts(),
            "web1=exit 1 in prepare",
            D.FAILED,
            False,
            "web1: exit 1 in prepare; no host was switched",
        ),
        (
            "unprepared unprepared",
            Facts(),
            "web1=exit 1,web2=exit 2",
            D.FAILED,
            False,
            "web1: exit 1; web2: exit 2; no host was switched",
        ),
        ("live broken", Facts(), "web2=unwell", D.ROLLING_BACK, False, "web2: unwell"),
        (
            "prepared",
            Facts(asked=Asked.BACK),
            "",
            D.CANCELLED,
            False,
            "asked to go back; no host was switched",
        ),
        ("live live", Facts(asked=Asked.BACK), "", D.ROLLING_BACK, False, "asked to go back"),
        (
            "live broken prepared",
            Facts(has_once=True, once_compatible=False),
            "web2=unwell",
            D.FAILED,
            False,
            'web2: unwell; cannot go back: `once` has run and is declared rollback = "incompatible"; '
            "go on with a repaired release: headway deploy production; "
            "rel-b on web1; rel-a, drained, on web2; rel-a on web3",
        ),
        (
            "checking broken prepared",
            Facts(has_once=True, once_compatible=False),
            "web2=unwell",
            D.RUNNING,
            False,
            'web2: unwell; cannot go back: `once` has run and is declared rollback = "incompatible"; '
            "go on with a repaired release: headway deploy production",
        ),
        (
            "unprepared migrated",
            Facts(has_once=True, once_compatible=False),
            "web1=exit 1",
            D.FAILED,
            False,
            "web1: exit 1; no host was switched",
        ),
        ("live prepared", Facts(asked=Asked.PAUSE), "", D.RUNNING, False, "paused"),
        (
            "checking prepared",
            Facts(asked=Asked.PAUSE, active=frozenset({"web1"})),
            "",
            D.RUNNING,
            False,
            "finishing the step at hand",
        ),
        (
            "live live prepared",
            Facts(asked=Asked.STAY),
            "",
            D.CANCELLED,
            False,
            "stopped, as it was asked for; rel-b on web1, web2; rel-a on web3",
        ),
    ],
)
def test_what_is_said_at_each_step(
    states: str, facts: Facts, told: str, state: DeploymentState, verified: bool, reason: str
) -> None:
    decision = next_actions(deployment(), told_rows(states, told, batch=2), facts)
    assert (decision.state, decision.verified, decision.reason) == (state, verified, reason)


def test_what_stands_where() -> None:
    found = rows([S.LIVE, S.WATCHING, S.BROKEN, S.PREPARED, S.REVERTED])
    found[2] = replace(found[2], switched_at=NOW)
    assert what_stands(deployment(), found) == (
        "rel-b on web1, web2; rel-b, not verified, on web3; rel-a on web4, web5"
    )


def test_a_pause_breaks_off_what_only_asks_and_is_under_way() -> None:
    facts = Facts(asked=Asked.PAUSE, active=frozenset({"web1", "web3"}))
    decision = decide("checking watching switching prepared", batch=4, facts=facts)
    assert (decision.stop, decision.ask, actions(decision)) == (frozenset({"web1"}), False, "")


@pytest.mark.parametrize(
    ("states", "active"), [("reverting live", "web1"), ("rechecking live", ""), ("reverted", "")]
)
def test_the_way_back_keeps_the_reason_for_which_it_began(states: str, active: str) -> None:
    facts = Facts(active=frozenset(active.split()))
    decision = decide(states, state=D.ROLLING_BACK, reason="web3: unwell", facts=facts)
    assert decision.reason == "web3: unwell"


def test_what_was_begun_by_one_who_was_killed_is_followed_under_the_same_reason() -> None:
    found = told_rows("unprepared preparing", "web1=exit 1")
    decision = next_actions(deployment(), found, Facts())
    assert (decision.reason, actions(decision)) == ("web1: exit 1", "prepare:web2")


def test_hosts_left_out_and_hosts_broken_are_both_missing() -> None:
    facts = Facts(without=("web3",))
    decision = decide("live broken waiting", kind=DeploymentKind.ROLLBACK, facts=facts)
    assert (decision.reason, decision.verified) == ("1 of 3 hosts serve, writing the record", False)


def test_the_first_release_of_all_has_nothing_to_go_back_to() -> None:
    found = [replace(row, previous_release=None) for row in rows([S.LIVE, S.STUCK])]
    decision = next_actions(deployment(state=D.ROLLING_BACK, reason="why"), found, Facts())
    assert (
        "stopped: nothing ran there before, and taking it away failed; web1 serves on; "
        "rel-b on web1; rel-b, not wholly taken away, on web2; "
    ) in decision.reason


def test_a_way_back_to_a_release_on_some_hosts_and_to_none_on_others_names_the_release() -> None:
    found = rows([S.LIVE, S.STUCK, S.STUCK])
    found[1] = replace(found[1], previous_release=None)
    decision = next_actions(deployment(state=D.ROLLING_BACK, reason="why"), found, Facts())
    assert "stopped: rel-a does not come up, and web1 serves on" in decision.reason


@pytest.mark.parametrize(
    ("state", "before", "switched", "expected"),
    [
        (S.PREPARED, "rel-a", False, "rel-a on web1"),
        (S.PREPARED, None, False, "nothing on web1"),
        (S.WATCHING, "rel-a", True, "rel-b on web1"),
        (S.FINISHED, "rel-a", True, "rel-b on web1"),
        (S.SWITCHING, "rel-a", False, "rel-a, drained, on web1"),
        (S.CHECKING, "rel-a", True, "rel-b, not verified, on web1"),
        (S.BROKEN, None, False, "nothing yet on web1"),
        (S.LEFT_OUT, "rel-a", False, "rel-a on web1"),
        (S.LEFT_OUT, None, False, "unknown on web1"),
        (S.REVERTING, "rel-a", True, "half-way between rel-b and rel-a on web1"),
        (S.STUCK, None, True, "rel-b, not wholly taken away, on web1"),
        (S.REVERTED, "rel-a", True, "rel-a on web1"),
    ],
)
def test_what_stands_on_a_host(state: HostState, before: str | None, switched: bool, expected: str) -> None:
    row = replace(rows([state])[0], previous_release=before, switched_at=NOW if switched else None)
    assert what_stands(deployment(), [row]) == expected


@pytest.mark.parametrize(
    ("states", "before", "kind", "expected"),
    [
        (
            "broken stuck left_out live",
            ["rel-a", "rel-b", "rel-z", None],
            DeploymentKind.PLANNED,
            [
                "bring one release to all, when web1, web2, web3 is mended: headway deploy production --release rel-b",
                "or headway deploy production --release rel-a",
                "or headway deploy production --release rel-z",
            ],
        ),
        (
            "live stuck",
            [None, None],
            DeploymentKind.ROLLBACK,
            [
                "mend web2 and call it again: headway rollback production --to rel-b",
                "or take another release: headway rollback production --to RELEASE",
            ],
        ),
    ],
)
def test_what_a_person_does_next(
    states: str, before: list[str | None], kind: DeploymentKind, expected: list[str]
) -> None:
    found = [
        replace(row, previous_release=had) for row, had in zip(rows(states.split()), before, strict=True)
    ]
    assert what_to_do(deployment(kind=kind), found) == ", ".join(expected)


def test_only_the_first_batch_is_watched() -> None:
    facts = Facts(watch=timedelta(minutes=2))
    assert [watch_of(row, facts) for row in rows([S.LIVE] * 3)] == [
        timedelta(minutes=2),
        timedelta(),
        timedelta(),
    ]


def test_a_canary_is_watched_before_it_counts() -> None:
    row = replace(rows([S.UNDRAINING])[0])
    watched = finish(row, A.UNDRAIN, GOOD, watch=timedelta(minutes=2), now=NOW)
    assert (watched.state, watched.due_at, watched.verified_at) == (
        S.WATCHING,
        NOW + timedelta(minutes=2),
        None,
    )
    live = finish(watched, A.WATCH, GOOD, watch=timedelta(minutes=2), now=NOW)
    assert (live.state, live.verified_at, live.due_at) == (S.LIVE, NOW, None)


def test_moves_that_are_not_in_the_table_are_refused() -> None:
    with pytest.raises(IllegalMove):
        begin(rows([S.REVERTED])[0], A.SWITCH)
    assert begin(rows([S.SWITCHING])[0], A.SWITCH) == rows([S.SWITCHING])[0]
    assert set(MOVES) == set(S)


class Play:
    """A deployment played by chance: outcomes, the order in which hosts end, kills in between."""

    def __init__(
        self, seed: int, total: int, batch: int, *, facts: Facts, kind: DeploymentKind, failing: float
    ) -> None:
        self.random = random.Random(seed)
        self.rows = {row.host: row for row in rows([S.WAITING] * total, batch)}
        self.deployment: Deployment = deployment(kind=kind)
        self.facts, self.failing = facts, failing
        self.active: dict[str, Action] = {}
        self.switched_order: list[str] = []

    def run(self) -> Deployment:
        for _ in range(2000):
            if self.random.random() < 0.1:
                self.active.clear()  # killed: whoever comes next has the rows alone
            decision = self.decide()
            if decision.state.is_final:
                assert not self.active
                return self.deployment
            for host in decision.stop:
                self.active.pop(host)
            assert self.active or decision.stop or decision.actions, decision
            if self.active:
                self.end_one()
        raise AssertionError("it never ends")

    def decide(self) -> Decision:
        facts = replace(self.facts, active=frozenset(self.active))
        decision = next_actions(self.deployment, list(self.rows.values()), facts)
        for action in decision.actions:
            assert action.host not in self.active
            if action.kind is A.SWITCH:
                self.check_switch(action.host)
            state = self.rows[action.host].state
            if state in (S.PREPARED, S.MIGRATED, S.LIVE, S.WATCHING):
                self.check_something_serves(action.kind)
            self.rows[action.host] = begin(self.rows[action.host], action.kind)
            self.active[action.host] = action
        self.deployment = replace(self.deployment, state=decision.state, reason=decision.reason)
        return decision

    def check_something_serves(self, kind: ActionKind) -> None:
        """Whoever goes back takes a host that serves only while more came up on the way back than failed."""
        if kind not in (A.SWITCH, A.REVERT):
            return
        back = kind is A.REVERT
        up = {S.REVERTED} if back else SERVES
        failed = sum(row.state == (S.STUCK if back else S.BROKEN) for row in self.rows.values())
        assert failed <= sum(row.state in up for row in self.rows.values())

    def check_switch(self, host: str) -> None:
        assert all(row.state not in (S.WAITING, S.PREPARING, S.UNPREPARED) for row in self.rows.values())
        batch = self.rows[host].batch
        before = [row for row in self.rows.values() if row.batch < batch]
        one_way = self.deployment.kind is DeploymentKind.ROLLBACK
        assert all(row.state in SERVES or (one_way and row.state == S.BROKEN) for row in before)
        if self.facts.has_once:
            assert self.rows["web1"].state not in (S.PREPARED, S.MIGRATING)

    def end_one(self) -> None:
        host = self.random.choice(sorted(self.active))
        action = self.active.pop(host)
        outcome = BAD if self.random.random() < self.failing else GOOD
        row = self.rows[host]
        self.rows[host] = finish(row, action.kind, outcome, watch=watch_of(row, self.facts), now=NOW)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 7),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.02, 0.1]),
    st.sampled_from([DeploymentKind.PLANNED, DeploymentKind.ROLLBACK]),
)
def test_whatever_happens_it_ends_and_leaves_no_host_between(
    seed: int, total: int, batch: int, has_once: bool, compatible: bool, failing: float, kind: DeploymentKind
) -> None:
    facts = Facts(
        has_once=has_once and kind is not DeploymentKind.ROLLBACK,
        once_compatible=compatible,
        watch=timedelta(seconds=1),
    )
    play = Play(seed, total, batch, facts=facts, kind=kind, failing=failing)
    end = play.run()
    states = {HostState(row.state) for row in play.rows.values()}
    assert not states & set(GOES_ON)
    match end.state:
        case D.SUCCEEDED:
            assert states == {S.FINISHED}
        case D.ROLLED_BACK:
            assert states <= {S.REVERTED, S.PREPARED, S.MIGRATED}
        case D.FAILED if kind is DeploymentKind.PLANNED and not (facts.has_once and not compatible):
            assert S.STUCK in states or not states & TOUCHED
        case D.FAILED:
            assert states & {S.BROKEN, S.STUCK, S.UNPREPARED}
        case _:
            raise AssertionError(end.state)
    if failing == 0:
        assert end.state is D.SUCCEEDED
    assert set(GOES_ON) >= ASKS
    assert isinstance(next(iter(play.rows.values())), HostRow)
