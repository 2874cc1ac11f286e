"""Who may start, and what the others wait for."""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.pipeline.waiting import Holder, Want, grant

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def want(
    name: str,
    slots: int = 1,
    group: str | None = None,
    limit: int = 1,
    priority: int = 0,
    since: int = 0,
    of: str = "shop",
) -> Want:
    at = NOON + timedelta(seconds=since)
    return Want(name, f"run-{name}", of, f"{of} {name}", slots, group, limit, priority, at)


def holder(
    name: str, slots: int = 1, group: str | None = None, limit: int | None = None, of: str = "shop"
) -> Holder:
    return Holder(name, f"run-{name}", of, f"run {name} of {of}", slots, group, limit)


def look(
    waiting: Sequence[Want],
    held: Sequence[Holder],
    capacity: int,
    last: Mapping[str, datetime] | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Who may start, and the others with their reasons, both in order."""
    answers = list(grant(waiting, held, capacity, last or {}))
    return (
        [answer.want.id for answer in answers if not answer.reason],
        {answer.want.id: answer.reason for answer in answers if answer.reason},
    )


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
    ],
)
def test_grants(
    waiting: list[Want], held: list[Holder], capacity: int, granted: list[str], reasons: dict[str, str]
) -> None:
    assert look(waiting, held, capacity) == (granted, reasons)


MANY = [want(f"a{number:03}", since=number) for number in range(100)]


@pytest.mark.parametrize(
    ("waiting", "held", "capacity", "last", "order"),
    [
        # A newcomer comes after one job of who was here before, not after a hundred.
        ([*MANY, want("b", since=200, of="blog")], [], 1, {}, ["a000", "b", "a001"]),
        # It is next where the other has slots already.
        ([*MANY, want("b", since=200, of="blog")], [holder("1")], 2, {}, ["b", "a000", "a001"]),
        # On one slot nobody holds any when it is free: who was given the last one has not waited since.
        ([*MANY, want("b", since=200, of="blog")], [], 1, {"shop": 201}, ["b", "a000", "a001"]),
        ([*MANY, want("b", since=200, of="blog")], [], 1, {"shop": 199}, ["a000", "b", "a001"]),
        # What counts is slots, not jobs.
        (
            [*MANY, *(want(f"b{number}", since=200, of="blog") for number in range(3))],
            [holder("1", 2)],
            4,
            {},
            ["b0", "b1", "a000", "b2", "a001"],
        ),
        # A priority is one for all; turns are among those who have the same.
        (
            [want("a", priority=1, since=1), want("a2", priority=1, since=2), want("b", of="blog")],
            [],
            1,
            {},
            ["a", "a2", "b"],
        ),
        # Within one repository the oldest is the first.
        ([want("young", since=2), want("old", since=1)], [], 1, {"shop": 3}, ["old", "young"]),
        # Who waits for a group takes no turn of its repository.
        (
            [
                want("a", group="gpu"),
                want("a2", since=2),
                want("b", since=1, of="blog"),
                want("b2", of="blog", since=3),
            ],
            [holder("1", group="gpu", of="third")],
            1,
            {},
            ["a", "b", "a2", "b2"],
        ),
        # In a group the oldest is first, whosever turn it is; whose turn was before comes at once after it.
        (
            [
                want("a", group="gpu", limit=2),
                want("b", group="gpu", limit=2, since=1, of="blog"),
                want("a2", since=2),
            ],
            [holder("1"), holder("2")],
            9,
            {},
            ["a", "b", "a2"],
        ),
    ],
)
def test_repositories_take_turns_for_slots(
    waiting: list[Want], held: list[Holder], capacity: int, last: dict[str, int], order: list[str]
) -> None:
    times = {repository: NOON + timedelta(seconds=second) for repository, second in last.items()}
    granted, reasons = look(waiting, held, capacity, times)
    assert [*granted, *reasons][: len(order)] == order


CAPACITY = st.integers(1, 5)
GROUPS = {None: 1, "gpu": 1, "licence": 2}


@st.composite
def wants(draw: st.DrawFn) -> list[Want]:
    count = draw(st.integers(0, 8))
    return [
        want(
            f"w{number}",
            draw(st.integers(1, 6)),
            group := draw(st.sampled_from(list(GROUPS))),
            GROUPS[group],
            draw(st.integers(-1, 1)),
            draw(st.integers(0, 3)),
            draw(st.sampled_from(["shop", "blog", "wiki"])),
        )
        for number in range(count)
    ]


def as_holder(asked: Want) -> Holder:
    return Holder(
        asked.id, asked.run, asked.repository, asked.label, asked.slots, asked.group, asked.group_limit
    )


def age(asked: Want) -> tuple[int, datetime, str]:
    return (-asked.priority, asked.since, asked.id)


@settings(max_examples=200, deadline=None)
@given(wants(), CAPACITY, st.randoms(use_true_random=False))
def test_every_turn_comes_and_no_limit_breaks(waiting: list[Want], capacity: int, random) -> None:
    """Plays a whole queue: at each look some that are under way end, at random."""
    pending = {asked.id: asked for asked in waiting}
    held: list[Holder] = []
    last: dict[str, datetime] = {}
    possible = {asked.id for asked in waiting if asked.slots <= capacity}
    started: list[Want] = []
    for second in range(4 * len(waiting) + 4):
        answers = list(grant(list(pending.values()), held, capacity, last))
        assert sorted(answer.want.id for answer in answers) == sorted(pending), "each has one answer"
        for first in [index for index, answer in enumerate(answers) if answer.keeps_free]:
            assert all(answer.reason and not answer.keeps_free for answer in answers[first + 1 :])
        granted = [answer.want for answer in answers if not answer.reason]
        # An idle builder never idles while something could run.
        assert held or granted or not possible & pending.keys()
        for asked in granted:
            del pending[asked.id]
            started.append(asked)
            held.append(as_holder(asked))
            last[asked.repository] = NOON + timedelta(seconds=second)
        assert sum(holder.slots for holder in held) <= capacity
        for group, limit in GROUPS.items():
            assert group is None or sum(holder.group == group for holder in held) <= limit
        for ended in [holder for holder in held if random.random() < 0.5] or held[:1]:
            held.remove(ended)
    assert {asked.id for asked in started} == possible
    for group in ("gpu", "licence"):
        within = [age(asked) for asked in started if asked.group == group]
        assert within == sorted(within), "nobody overtakes within a group"


@settings(max_examples=200, deadline=None)
@given(wants(), CAPACITY)
def test_within_one_repository_the_higher_priority_then_the_oldest_has_its_answer_first(
    waiting: list[Want], capacity: int
) -> None:
    alone = [replace(asked, group=None) for asked in waiting]
    for repository in ("shop", "blog", "wiki"):
        order = [
            answer.want for answer in grant(alone, [], capacity, {}) if answer.want.repository == repository
        ]
        assert order == sorted(order, key=age)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.randoms(use_true_random=False))
def test_each_other_repository_passes_a_newcomer_no_more_often_than_there_are_slots(
    capacity: int, others: int, needed: int, random
) -> None:
    """However many jobs of theirs are older, however large the newcomer's is, and while more keep coming."""
    newcomer = want("newcomer", min(needed, capacity), since=1000, of="newcomer")
    names = [f"crowd-{number}" for number in range(others)]
    crowd = [want(f"{name} {age}", since=age, of=name) for name in names for age in range(20)]
    held: list[Holder] = []
    last: dict[str, datetime] = {}
    passed: Counter[str] = Counter()
    for second in range(1000, 1100):
        answers = list(grant([*crowd, newcomer], held, capacity, last))
        for asked in (answer.want for answer in answers if not answer.reason):
            if asked is newcomer:
                assert all(passed[name] <= capacity + 1 for name in names), passed
                return
            passed[asked.repository] += 1
            crowd[crowd.index(asked)] = replace(asked, id=f"{asked.id}+")
            held.append(as_holder(asked))
            last[asked.repository] = NOON + timedelta(seconds=second)
        held.remove(random.choice(held))
    raise AssertionError(f"the newcomer never came: {passed}")


def test_a_long_queue_costs_no_more_than_a_step_or_three_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed; also where those of a group come in the worst order: the youngest one's turn is first."""
    pushed = 0

    def push(heap: list[object], one: object) -> None:
        nonlocal pushed
        pushed += 1
        heapq.heappush(heap, one)

    monkeypatch.setattr("headway.pipeline.turns.heappush", push)
    many = [
        want(
            f"{number:05}",
            group=("gpu", None)[number % 2],
            limit=2000,
            since=-number,
            of=f"repo-{number % 50}",
        )
        for number in range(4000)
    ]
    last = {f"repo-{number}": NOON + timedelta(seconds=50 - number) for number in range(50)}
    for capacity in (1, 4000):
        pushed = 0
        assert len(list(grant(many, [], capacity, last))) == len(many)
        assert pushed <= 6 * len(many)


@settings(max_examples=200, deadline=None)
@given(wants(), CAPACITY)
def test_the_first_that_lacks_only_slots_is_the_next_to_get_them(waiting: list[Want], capacity: int) -> None:
    """However many small ones come after it, and however often."""
    large = want("large", capacity, since=-1)
    held = [holder("1", of="other")]
    small = [replace(asked, group=None, priority=0) for asked in waiting]
    assert not look([large, *small], held, capacity)[0]
    assert look([large, *small], [], capacity)[0] == ["large"]
