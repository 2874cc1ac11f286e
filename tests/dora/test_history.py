from datetime import timedelta

import pytest

from headway.dora.history import outages, tell
from tests.support.deliveries import K, S, Story, at


def failures(story: Story) -> dict[int, str | None]:
    return {item.fact.number: item.failure for item in tell(story.facts)}


def lengths(story: Story) -> list[tuple[list[int], float | None]]:
    """Numbers of what failed, and hours until it was over (None: lasts)."""
    return [
        (
            [fact.number for fact in o.failed],
            None if o.end is None else round((o.end - o.start) / timedelta(hours=1), 3),
        )
        for o in outages(tell(story.facts))
    ]


def test_what_was_taken_back_by_itself_failed_and_recovered_by_itself() -> None:
    story = Story()
    story.add(0)
    story.add(10, state=S.ROLLED_BACK)
    assert failures(story) == {1: None, 2: "taken back by itself"}
    assert lengths(story) == [([2], 0.2)]


def test_going_back_at_ctrl_c_is_a_failure_too() -> None:
    story = Story()
    story.add(0, state=S.ROLLED_BACK, automatic=False)
    assert failures(story) == {1: "taken back during its rollout, as was asked"}


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


def test_a_rollback_to_a_release_from_before_takes_back_what_is_live() -> None:
    story = Story()
    story.add(0, release="old-one")
    story.rollback(5, "from-before-headway")
    assert failures(story)[1] == "taken back by rollback 2"


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


@pytest.mark.parametrize(("hours", "named"), [(71.9, True), (72.5, False)])
def test_a_hotfix_within_72_hours_names_the_one_before_it(hours: float, named: bool) -> None:
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


def test_a_hotfix_that_was_withdrawn_names_nothing() -> None:
    story = Story()
    story.add(0)
    story.add(1, kind=K.HOTFIX, state=S.CANCELLED, switched=False)
    assert failures(story)[1] is None


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
