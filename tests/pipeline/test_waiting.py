"""Who may start, and what the others wait for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.pipeline.waiting import Holder, Want, grant

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def want(
    name: str, slots: int = 1, group: str | None = None, limit: int = 1, priority: int = 0, since: int = 0
) -> Want:
    return Want(
        name, f"run-{name}", f"shop {name}", slots, group, limit, priority, NOON + timedelta(seconds=since)
    )


def holder(name: str, slots: int = 1, group: str | None = None, limit: int | None = None) -> Holder:
    return Holder(name, f"run-{name}", f"run {name} of shop", slots, group, limit)


@pytest.mark.parametrize(
    ("waiting", "held", "capacity", "granted", "reasons"),
    [
        ([want("a"), want("b")], [], 4, ["a", "b"], {}),
        ([want("a", since=2), want("b", since=1)], [], 1, ["b"], {"a": "the only slot is taken"}),
        ([want("a"), want("b", priority=1)], [], 1, ["b"], {"a": "the only slot is taken"}),
        (
            [want("a"), want("b", 3), want("c")],
            [holder("1")],
            4,
            ["a"],
            {
                "b": "2 of 4 slots are free, it needs 3",
                "c": "2 of 4 slots are free, kept for shop b, which needs 3; 1 before it",
            },
        ),
        (
            [want("a"), want("b"), want("c")],
            [holder("1", 4)],
            4,
            [],
            {
                "a": "none of 4 slots is free",
                "b": "none of 4 slots is free; 1 before it",
                "c": "none of 4 slots is free; 2 before it",
            },
        ),
        (
            [want("a", group="gpu"), want("b", group="gpu"), want("c")],
            [holder("12", group="gpu")],
            4,
            ["c"],
            {"a": "group gpu: run 12 of shop has it", "b": "group gpu: run 12 of shop has it"},
        ),
        # The group is free, but nobody overtakes in it.
        (
            [want("a", 3, group="gpu", limit=2), want("b", 1, group="gpu", limit=2)],
            [holder("1", 2)],
            4,
            [],
            {"a": "2 of 4 slots are free, it needs 3", "b": "group gpu: shop a is before it"},
        ),
        # The smallest limit counts, also that of one under way.
        (
            [want("a", group="gpu", limit=3)],
            [holder("1", group="gpu", limit=1)],
            4,
            [],
            {"a": "group gpu: run 1 of shop has it"},
        ),
        (
            [want("a", group="gpu", limit=2)],
            [holder(str(n), group="gpu") for n in range(2)],
            9,
            [],
            {"a": "group gpu: run 0 of shop and run 1 of shop have it"},
        ),
        (
            [want("a", group="gpu", limit=3)],
            [holder(str(n), group="gpu") for n in range(3)],
            9,
            [],
            {"a": "group gpu: run 0 of shop, run 1 of shop and run 2 of shop have it"},
        ),
        (
            [want("a", group="gpu", limit=5)],
            [holder(str(n), group="gpu") for n in range(5)],
            9,
            [],
            {"a": "group gpu: run 0 of shop, run 1 of shop, run 2 of shop and 2 more have it"},
        ),
        # What can never start keeps nothing from anybody, neither slots nor its group.
        (
            [want("a", 9, group="gpu"), want("b", group="gpu")],
            [],
            4,
            ["b"],
            {"a": "it needs 9 slots, and there are only 4"},
        ),
        ([want("a", 2)], [], 1, [], {"a": "it needs 2 slots, and there is only 1"}),
        # One that needs all there are can start, and so it keeps its place in its group.
        (
            [want("a", 4, group="gpu"), want("b", group="gpu")],
            [holder("1", 2)],
            4,
            [],
            {"a": "2 of 4 slots are free, it needs 4", "b": "group gpu: shop a is before it"},
        ),
        ([want("a", 2)], [holder("1", 3)], 4, [], {"a": "1 of 4 slots is free, it needs 2"}),
        ([want("a")], [], 0, [], {"a": "there is no slot"}),
        # A run waits for its group alone.
        (
            [want("a", 0, group="deploy"), want("b", 0, group="deploy")],
            [holder("1", 4)],
            4,
            ["a"],
            {"b": "group deploy: shop a has it"},
        ),
    ],
)
def test_grants(
    waiting: list[Want], held: list[Holder], capacity: int, granted: list[str], reasons: dict[str, str]
) -> None:
    answer = grant(waiting, held, capacity)
    assert (list(answer.granted), dict(answer.reasons)) == (granted, reasons)


CAPACITY = st.integers(1, 5)
GROUPS = {None: 1, "gpu": 1, "licence": 2}


@st.composite
def wants(draw: st.DrawFn) -> list[Want]:
    count = draw(st.integers(0, 8))
    return [
        want(
            f"w{number}",
            draw(st.integers(0, 6)),
            group := draw(st.sampled_from(list(GROUPS))),
            GROUPS[group],
            draw(st.integers(-1, 1)),
            draw(st.integers(0, 3)),
        )
        for number in range(count)
    ]


def as_holder(asked: Want) -> Holder:
    return Holder(asked.id, asked.run, asked.label, asked.slots, asked.group, asked.group_limit)


@settings(max_examples=200, deadline=None)
@given(wants(), CAPACITY, st.randoms(use_true_random=False))
def test_every_turn_comes_and_no_limit_breaks(waiting: list[Want], capacity: int, random) -> None:
    """Plays a whole queue: at each look some that are under way end, at random."""
    pending = {asked.id: asked for asked in waiting}
    held: list[Holder] = []
    possible = {asked.id for asked in waiting if asked.slots <= capacity}
    started: list[Want] = []
    for _ in range(4 * len(waiting) + 4):
        answer = grant(list(pending.values()), held, capacity)
        assert set(answer.granted) | set(answer.reasons) == set(pending)
        assert all(answer.reasons.values()) and not set(answer.granted) & set(answer.reasons)
        # An idle builder never idles while something could run.
        assert held or answer.granted or not possible & pending.keys()
        for granted in answer.granted:
            asked = pending.pop(granted)
            started.append(asked)
            held.append(as_holder(asked))
        assert sum(holder.slots for holder in held) <= capacity
        for group, limit in GROUPS.items():
            assert group is None or sum(holder.group == group for holder in held) <= limit
        for ended in [holder for holder in held if random.random() < 0.5] or held[:1]:
            held.remove(ended)
    assert {asked.id for asked in started} == possible
    for group in ("gpu", "licence"):
        within = [asked.order for asked in started if asked.group == group]
        assert within == sorted(within), "nobody overtakes within a group"


@settings(max_examples=200, deadline=None)
@given(wants(), CAPACITY)
def test_the_first_that_lacks_only_slots_is_the_next_to_get_them(waiting: list[Want], capacity: int) -> None:
    """However many small ones come after it, and however often."""
    large = want("large", capacity, since=-1)
    held = [holder("1")]
    small = [replace(asked, group=None, priority=0) for asked in waiting if asked.slots > 0]
    assert not grant([large, *small], held, capacity).granted
    assert grant([large, *small], [], capacity).granted == ("large",)
