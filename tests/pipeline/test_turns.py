import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.pipeline.turns import Turns, begins

MANY = [(f"a{number}", "a") for number in range(300)]


@pytest.mark.parametrize(
    ("waiting", "under_way", "order"),
    [
        ([("a1", "a"), ("a2", "a"), ("b1", "b")], {}, ["a1", "b1", "a2"]),
        ([("a1", "a"), ("b1", "b")], {"a": 1}, ["b1", "a1"]),
        ([("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c")], {"b": 1}, ["a1", "c1", "a2", "b1"]),
        ([], {"a": 3}, []),
    ],
)
def test_repositories_take_turns(
    waiting: list[tuple[str, str]], under_way: dict[str, int], order: list[str]
) -> None:
    turns = Turns([repository for _, repository in waiting], under_way)
    found = []
    for place in turns:
        turns.took(place)
        found.append(waiting[place][0])
    assert found == order
    assert begins(waiting, under_way, 0) == ([], order), "the others are told in the same order"


@pytest.mark.parametrize(
    ("waiting", "under_way", "places", "begun"),
    [
        (MANY, {}, 64, 32),
        (MANY, {"a": 32}, 32, 0),
        ([*MANY, ("b1", "b")], {"a": 32}, 32, 1),
        ([*MANY, ("b1", "b")], {}, 64, 33),
        (MANY, {}, 1, 1),
        (MANY, {}, 0, 0),
        # One that took more before is not ended for it.
        ([*MANY, ("b1", "b")], {"a": 63}, 1, 1),
    ],
)
def test_one_repository_leaves_places_for_the_next(
    waiting: list[tuple[str, str]], under_way: dict[str, int], places: int, begun: int
) -> None:
    chosen, later = begins(waiting, under_way, places)
    assert len(chosen) == begun and len(later) == len(waiting) - begun
    assert ("b1", "b") not in waiting or "b1" in chosen


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(0, 12))
def test_nobody_waits_beside_free_places_whose_repository_has_none(owners: list[str], places: int) -> None:
    waiting = list(enumerate(owners))
    chosen, later = begins(waiting, {}, places)
    assert sorted([*chosen, *later]) == [run for run, _ in waiting]
    assert len(chosen) <= places and len(set(chosen)) == len(chosen)
    if len(chosen) < places:
        assert {owners[run] for run in chosen} == set(owners)
    assert bool(chosen) == bool(waiting and places)


def test_what_took_nothing_takes_no_turn_and_may_come_again() -> None:
    turns = Turns(["a", "a", "b", "b"], {})
    found = []
    for place in turns:
        found.append(place)
        if len(found) > 1:
            turns.took(place)
        if len(found) == 3:
            turns.again(0)
    # The first one did not count for `a`, so the second stands before those of `b`.
    assert found == [0, 1, 2, 0, 3]


def test_a_higher_rank_comes_before_any_turn() -> None:
    assert list(Turns(["a", "a", "b"], {"a": 9}, [-1, -1, 0])) == [0, 1, 2]
