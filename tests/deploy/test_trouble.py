"""What is wrong in an environment: the worst is said first, and nothing that is wrong is left unsaid."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.deploy.host_states import HostState
from headway.deploy.standing import stand, what_runs
from headway.deploy.trouble import Ended, TroubleKind, troubles
from headway.domain.deployment import Deployment, DeploymentState, HostRow
from headway.domain.standing import Standing
from tests.support.clocks import NOON
from tests.support.standing_deployments import deployment

D, K, S = DeploymentState, TroubleKind, HostState
FIVE, SIX = deployment("rel-5", number=5), deployment("rel-6", number=6)
GOOD, BAD, BACK = Ended(6, D.SUCCEEDED), Ended(6, D.FAILED), Ended(6, D.ROLLED_BACK)


def host(name: str, by: Deployment = FIVE, *states: HostState) -> Standing:
    found = Standing("shop", "production", name)
    for state in (S.LIVE, *states):
        row = HostRow("dep", name, 0, state, "exit 1 in activate", "rel-5")
        found = stand(found, by, row, None, "not reached", NOON)
    return found


def said(*hosts: Standing, last: Ended | None = GOOD, moving: bool = False) -> list[str]:
    return [one.sentence for one in troubles(what_runs(hosts), last, moving=moving)]


def test_nothing_is_wrong_where_every_host_serves_the_same() -> None:
    assert said(host("web1"), host("web2")) == []


def test_a_failed_deployment_two_releases_and_a_missed_host_are_all_said_the_worst_first() -> None:
    three = (host("web1", SIX), host("web2", SIX), host("web3", FIVE, S.LEFT_OUT))
    assert said(*three, last=Ended(12, D.FAILED)) == [
        "deployment 12 failed",
        "2 releases are live",
        "web3 not reached",
    ]


def test_a_deployment_under_way_repaired_nothing_yet_and_two_releases_are_its_way() -> None:
    both = (host("web1", SIX), host("web2"))
    assert said(*both, moving=True) == []
    assert said(*both, last=BAD, moving=True) == ["deployment 6 failed"]
    assert said(*both) == ["2 releases are live"]


def test_a_host_with_nothing_among_serving_ones_is_named() -> None:
    assert said(host("web1"), Standing("shop", "production", "web2")) == ["nothing on web2"]


def test_a_host_of_which_nobody_can_say_what_it_serves_is_broken() -> None:
    (stuck,) = troubles(what_runs([host("web1", SIX, S.STUCK)]), BACK, moving=False)[:1]
    assert (stuck.kind, stuck.sentence, stuck.is_broken) == (
        K.UNCLEAR,
        "web1: unclear what it serves",
        True,
    )


def test_a_host_that_left_the_file_and_what_was_taken_back_need_somebody_and_break_nothing() -> None:
    left = replace(host("web4"), member=False)
    found = troubles(what_runs([host("web1"), left]), BACK, moving=False)
    assert [(one.kind, one.is_broken) for one in found] == [(K.LEFT_OVER, False), (K.TAKEN_BACK, False)]
    assert [one.sentence for one in found] == [
        "web4, no longer of it, still has a release",
        "deployment 6 was taken back",
    ]


def test_many_missed_hosts_are_counted_not_listed() -> None:
    missed = [host(f"web{n}", FIVE, S.LEFT_OUT) for n in range(1, 6)]
    assert said(*missed) == ["web1, web2, web3 and 2 more not reached"]


def test_nothing_is_wrong_where_nothing_is_left_unless_another_system_says_so() -> None:
    assert said(last=BAD) == []
    assert said(last=Ended(6, D.FAILED, elsewhere=True)) == ["deployment 6 failed"]


@pytest.mark.parametrize("last", [None, GOOD, BAD, BACK])
@given(
    hosts=st.lists(
        st.tuples(st.sampled_from([FIVE, SIX]), st.sampled_from([S.LIVE, S.LEFT_OUT, S.STUCK, S.BROKEN])),
        min_size=1,
        max_size=5,
    )
)
def test_quiet_means_whole(last: Ended | None, hosts: list[tuple[Deployment, HostState]]) -> None:
    runs = what_runs(host(f"web{n}", by, state) for n, (by, state) in enumerate(hosts))
    found = troubles(runs, last, moving=False)
    assert bool(found) == (not runs.is_whole or last in (BAD, BACK))
    assert [one.is_broken for one in found] == sorted((one.is_broken for one in found), reverse=True)
