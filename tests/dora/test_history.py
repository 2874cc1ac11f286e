from dataclasses import replace

import pytest

from headway.dora.history import outages, tell
from tests.support.deliveries import HOUR, K, S, Story, at


def failures(story: Story) -> dict[int, str | None]:
    return {item.fact.number: item.failure for item in tell(story.facts)}


def lengths(story: Story) -> list[tuple[list[int], float | None]]:
    """Numbers of what failed, and hours until it was over (None: lasts)."""
    return [
        (
            [fact.number for fact in o.failed],
            None if o.end is None else round((o.end - o.start) / HOUR, 3),
        )
        for o in outages(tell(story.facts))
    ]


def test_what_was_taken_back_by_itself_failed_and_recovered_by_itself() -> None:
    story = Story()
    story.add(0)
    story.add(10, state=S.ROLLED_BACK)
    assert failures(story) == {1: None, 2: "taken back by itself"}
    assert lengths(story) == [([2], 0.2)]


@pytest.mark.parametrize(
    ("state", "automatic", "failure"),
    [
        (S.SUCCEEDED, False, None),
        (S.CANCELLED, False, None),
        (S.ROLLED_BACK, True, "taken back by itself"),
        (S.ROLLED_BACK, False, "taken back during its rollout, as was asked"),
        (S.ROLLING_BACK, True, "being taken back now"),
        (S.FAILED, True, "could not be taken back from every host"),
        (S.FAILED, False, "failed on hosts and stayed there"),
    ],
)
def test_how_a_deployment_that_met_users_failed_by_its_own_end(state, automatic, failure) -> None:
    story = Story()
    story.add(0, state=state, automatic=automatic)
    assert failures(story) == {1: failure}


def test_a_rollback_names_what_was_live() -> None:
    story = Story()
    story.add(0)
    story.add(10)
    story.rollback(15, "r1")
    story.add(20)
    assert failures(story) == {1: None, 2: "taken back by rollback 3", 3: None, 4: None}
    assert lengths(story) == [([2], 5.2)]
    assert [item.is_good for item in tell(story.facts)] == [True, False, True, True]


def test_a_rollback_past_an_old_release_blames_only_what_is_young() -> None:
    story = Story()
    story.add(0)
    story.add(10)  # four weeks without a complaint
    story.add(700)
    story.add(710)
    story.rollback(715, "r1")
    assert failures(story)[2] is None
    assert failures(story)[3] == failures(story)[4] == "taken back by rollback 5"
    assert [item.taken_back for item in tell(story.facts)] == [False, True, True, True, False]


@pytest.mark.parametrize(("hours", "blamed"), [(82, True), (82.001, False)])
def test_what_lies_below_is_blamed_up_to_72_hours(hours: float, blamed: bool) -> None:
    story = Story()
    story.add(0)
    story.add(10)
    story.add(20)
    story.rollback(hours, "r1")
    assert failures(story)[2] == ("taken back by rollback 4" if blamed else None)
    assert failures(story)[3] == "taken back by rollback 4"


def test_a_rollback_to_a_release_from_before_takes_back_only_what_is_live() -> None:
    story = Story()
    story.add(0)
    story.add(2)
    story.rollback(5, "from-before-headway")
    assert failures(story) == {1: None, 2: "taken back by rollback 3", 3: None}


def test_a_rollback_to_what_is_live_takes_nothing_back() -> None:
    story = Story()
    story.add(0, release="r")
    story.rollback(5, "r")
    assert failures(story) == {1: None, 2: None}


def test_a_rollback_that_switched_nothing_has_no_effect() -> None:
    story = Story()
    story.add(0)
    story.add(5)
    story.rollback(8, "r1", state=S.FAILED, switched=False)
    assert failures(story)[2] is None


@pytest.mark.parametrize(("hours", "named"), [(72.2, True), (72.201, False)])
def test_a_hotfix_asked_for_within_72_hours_names_the_one_before_it(hours: float, named: bool) -> None:
    story = Story()
    story.add(0)
    story.add(hours, kind=K.HOTFIX)
    assert failures(story) == {1: "followed within 72 h by hotfix 2" if named else None, 2: None}


def test_a_hotfix_after_a_rollback_names_what_was_rolled_back_and_not_what_is_live() -> None:
    story = Story()
    story.add(0)
    story.add(10)
    story.rollback(11, "r1")
    story.add(12, kind=K.HOTFIX)
    assert failures(story) == {1: None, 2: "taken back by rollback 3", 3: None, 4: None}


@pytest.mark.parametrize(
    ("state", "switched", "named"),
    [
        (S.CANCELLED, False, False),  # withdrawn before it met anybody
        (S.CANCELLED, True, True),
        (S.FAILED, False, True),
        (S.RUNNING, False, True),
    ],
)
def test_a_hotfix_names_a_failure_unless_it_was_withdrawn(state: S, switched: bool, named: bool) -> None:
    story = Story()
    story.add(0)
    story.add(1, kind=K.HOTFIX, state=state, switched=switched)
    assert failures(story)[1] == ("followed within 72 h by hotfix 2" if named else None)


def test_a_failed_hotfix_belongs_to_the_outage_it_was_to_end() -> None:
    story = Story()
    story.add(0)
    story.add(10)
    story.add(12, kind=K.HOTFIX, state=S.ROLLED_BACK)
    story.add(14, kind=K.HOTFIX)
    assert lengths(story) == [([2, 3], 4.2)]


def test_two_failures_that_each_went_back_are_two_outages() -> None:
    story = Story()
    story.add(0)
    story.add(10, state=S.ROLLED_BACK)
    story.add(12, state=S.ROLLED_BACK)
    story.add(14)
    assert lengths(story) == [([2], 0.2), ([3], 0.2)]


def test_what_could_not_be_taken_back_lasts_until_something_good_is_everywhere() -> None:
    story = Story()
    story.add(0)
    story.add(10, state=S.FAILED)
    assert lengths(story) == [([2], None)]
    story.add(15, state=S.CANCELLED)
    assert lengths(story) == [([2], None)]
    story.add(30)
    assert lengths(story) == [([2], 20.2)]


NOTHING = "lasts: nothing good was verified on every host since"
BEFORE = "all hosts verified on what they had before"


@pytest.mark.parametrize(
    ("deployments", "expected"),
    [
        # The first one that Headway knows failed already.
        ([(0, S.FAILED), (10, S.SUCCEEDED)], ["1 for 10.2 h, all hosts verified on deployment 2"]),
        ([(0, S.SUCCEEDED), (10, S.FAILED)], [f"2 still, {NOTHING}"]),
        # Being good up to the moment of the failure ends nothing.
        ([(0, S.SUCCEEDED), (0.2, S.FAILED)], [f"2 still, {NOTHING}"]),
        # One that begins in the moment in which the other is over stands by itself.
        ([(10, S.ROLLED_BACK), (10.2, S.ROLLED_BACK)], [f"1 for 0.2 h, {BEFORE}", f"2 for 0.2 h, {BEFORE}"]),
        ([(10, S.ROLLED_BACK), (10.1, S.ROLLED_BACK)], [f"1,2 for 0.2 h, {BEFORE}"]),
        # Restored and another one verified at once: it was its own way back.
        ([(10, S.ROLLED_BACK), (10, S.SUCCEEDED)], [f"1 for 0.2 h, {BEFORE}"]),
    ],
)
def test_when_an_outage_is_over_and_by_what(deployments: list[tuple[float, S]], expected: list[str]) -> None:
    story = Story()
    for hours, state in deployments:
        story.add(hours, state=state)
    assert [
        f"{','.join(str(fact.number) for fact in o.failed)} "
        f"{'still' if o.end is None else f'for {(o.end - o.start) / HOUR:g} h'}, {o.rule}"
        for o in outages(tell(story.facts))
    ] == expected


def test_each_environment_has_its_own_outages() -> None:
    here, there = Story(), Story(environment="eu", numbers_after=10)
    here.add(20, state=S.FAILED)
    there.add(10, state=S.FAILED)
    there.add(30)
    found = outages(tell([*here.facts, *there.facts]))
    assert [([fact.number for fact in o.failed], o.end) for o in found] == [([11], at(30.2)), ([1], None)]


def test_all_are_told_by_their_first_switch_and_last_those_without_one() -> None:
    here, there = Story(), Story(service="blog")
    asked_late = there.add(40)
    slow = replace(here.add(10), first_switched_at=at(50))
    never = [here.add(5, state=S.FAILED, switched=False), there.add(3, state=S.CANCELLED, switched=False)]
    told = tell([slow, *never, asked_late])
    assert [item.fact for item in told] == [asked_late, slow, never[1], never[0]]


def test_environments_and_services_do_not_touch_one_another() -> None:
    here, there, other = Story(), Story(environment="eu"), Story(service="blog")
    here.add(0)
    there.add(1, kind=K.HOTFIX)
    other.rollback(2, "x")
    told = tell([*here.facts, *there.facts, *other.facts])
    assert [item.failure for item in told] == [None, None, None]
    assert [item.superseded_by for item in told] == [None, None, None]


def test_mature_is_old_or_superseded_whatever_came_of_it() -> None:
    story = Story()
    story.add(0)
    story.add(10, state=S.FAILED, switched=False)
    story.add(20, state=S.ROLLED_BACK)
    told = {item.fact.number: item for item in tell(story.facts)}
    assert told[1].superseded_by is told[3].fact
    assert not told[2].is_mature(at(1000))
    assert not told[3].is_mature(at(20 + 71))
    assert told[3].is_mature(at(20 + 72))
