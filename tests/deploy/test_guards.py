"""Floors and the gate: never looser than either, and more in the way never opens it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.deploy.gate import Frozen, GateFacts, Verdict, may_deploy
from headway.deploy.guards import Guards, Who, Word, applying, stricter, why_not_counted
from headway.domain.contract import ApprovalSpec
from headway.domain.org import ApprovalFloor, Floor
from headway.domain.people import Role
from tests.deploy.examples import NOW, environment

ANA = Who("ana", Role.DEVELOPER, frozenset({"web"}))
BO = Who("bo", Role.DEVELOPER, frozenset({"web", "security"}))
EVE = Who("eve", Role.OPERATOR)
LOOK = Who("lou", Role.VIEWER)
RANK = {Verdict.OPEN: 0, Verdict.HELD: 1, Verdict.REFUSED: 2}


def yes(who: Who, comment: str = "", at: datetime = NOW) -> Word:
    return Word(who, True, at, comment)


def facts(*words: Word, **changes: object) -> GateFacts:
    return GateFacts(now=NOW, words=words, **changes)  # type: ignore[arg-type]


def reasons(rule: ApprovalSpec, *words: Word, **changes: object) -> list[str]:
    answer = may_deploy(environment(approval=rule), "rel-b", facts(*words, **changes))
    return [one.reason for one in answer.obstacles]


def test_approvals_are_counted_by_person_and_each_that_does_not_count_says_why() -> None:
    rule = ApprovalSpec(2, ("team:web",), not_own=True, comment=True, expires=timedelta(hours=1))
    told = reasons(
        rule,
        yes(ANA, "mine"),
        yes(BO, ""),
        yes(EVE, "fine"),
        own=frozenset({"ana"}),
    )
    assert told == [
        "production needs 2 approvals from team:web with a comment; not counted: "
        "ana asked for it, pushed or wrote it; bo's has no comment; eve is none of team:web"
    ]
    late = yes(BO, "fine", NOW - timedelta(hours=1))
    assert "bo's has run out" in reasons(rule, late)[0]
    assert reasons(rule, yes(ANA, "a"), yes(BO, "b")) == []
    assert reasons(rule, yes(ANA, "a"), yes(ANA, "b")) != []


@pytest.mark.parametrize(
    ("wanted", "who", "is_one"),
    [
        ("team:web", ANA, True),
        ("team:web", EVE, False),
        ("eve", EVE, True),
        ("role:developer", EVE, True),
        ("role:operator", ANA, False),
        ("role:emperor", EVE, False),
        ("ana", BO, False),
    ],
)
def test_who_is_meant(wanted: str, who: Who, is_one: bool) -> None:
    assert who.is_one_of([wanted]) is is_one


def test_with_nobody_named_it_takes_whoever_may_approve() -> None:
    assert reasons(ApprovalSpec(), yes(EVE)) == []
    assert "lou may only look" in reasons(ApprovalSpec(), yes(LOOK))[0]


def test_one_no_ends_it_with_its_words() -> None:
    no = Word(BO, False, NOW, "the index is missing")
    answer = may_deploy(environment(), "rel-b", facts(yes(EVE), no))
    assert answer.verdict is Verdict.REFUSED
    assert answer.reason == "bo said no: the index is missing"


def test_everything_in_the_way_is_told_at_once() -> None:
    floor = Floor(
        "careful",
        approvals=ApprovalFloor(1, ("team:security",)),
        branches=("main", "release/*"),
        deployers=("role:operator",),
        objective=True,
    )
    end = NOW + timedelta(hours=3)
    answer = may_deploy(
        environment(after="staging", approval_from="team:web"),
        "rel-b",
        facts(
            succeeded_before=False,
            asked_by=ANA,
            branches=("feature",),
            pull_request=7,
            frozen=(Frozen("feast", "nobody is here", end, True),),
            locked="deployment 3 of rel-a goes on",
        ),
        [floor],
    )
    assert answer.verdict is Verdict.REFUSED
    assert [one.kind for one in answer.obstacles] == [
        "pull_request",
        "branch",
        "objective",
        "deployer",
        "after",
        "approval",
        "approval",
        "freeze",
        "lock",
    ]
    assert answer.until == end
    assert all(one.hint for one in answer.obstacles)


def test_what_passes_a_freeze() -> None:
    strict, mild = Frozen("audit", "", None, False), Frozen("feast", "", None, True)

    def kinds(**changes: object) -> list[str]:
        answer = may_deploy(environment(), "rel-b", facts(frozen=(strict, mild), **changes))
        return [one.reason for one in answer.obstacles]

    assert len(kinds()) == 2
    assert kinds(hotfix=True) == ["production is frozen: audit"]
    assert kinds(going_back=True) == []
    back = may_deploy(environment(), "rel-b", facts(going_back=True, locked="deployment 3 goes on"))
    assert (back.verdict, back.reason) == (Verdict.HELD, "deployment 3 goes on")


def test_a_name_at_a_terminal_meets_no_floor() -> None:
    floor = Floor("two", approvals=ApprovalFloor(2))
    answer = may_deploy(
        environment(approval_from="team:web"), "rel-b", facts(approved_by="somebody"), [floor]
    )
    assert answer.reason.startswith("production needs 2 approvals")


def test_floors_apply_by_globs() -> None:
    floors = [Floor("a", ("shop*",), ("prod*",)), Floor("b"), Floor("c", ("cart",))]
    assert [floor.name for floor in applying(floors, "shop-api", "production")] == ["a", "b"]
    assert [floor.name for floor in applying(floors, "cart", "staging")] == ["b", "c"]


def test_each_word_of_a_floor_stands_before_the_environment() -> None:
    hour = timedelta(hours=1)
    floor = Floor(
        "whole",
        approvals=ApprovalFloor(2, ("team:web", "bo"), hour, not_own=True, comment=True),
        branches=("main",),
        deployers=("role:operator",),
        objective=True,
        ask=True,
        built_here=True,
    )
    assert stricter(environment(), [floor, Floor("nothing")]) == Guards(
        approvals=(ApprovalSpec(2, ("team:web", "bo"), hour, not_own=True, comment=True),),
        branches=(("main",),),
        deployers=(("role:operator",),),
        objective=True,
        ask=True,
        built_here=True,
        pusher=True,
    )
    assert stricter(environment(), [Floor("nothing")]) == Guards()
    assert stricter(environment(), [replace(floor, approvals=ApprovalFloor(1))]).pusher is False
    rule = stricter(environment(), [floor]).approvals[0]
    assert why_not_counted(yes(EVE), rule, frozenset(), NOW) == "eve is none of team:web, bo"


handles = st.sampled_from(["ana", "bo", "eve", "lou", "team:web", "team:security", "role:operator"])
people = st.sampled_from([ANA, BO, EVE, LOOK])
from_ = st.lists(handles, max_size=3).map(tuple)
rules = st.builds(
    ApprovalSpec,
    count=st.integers(1, 3),
    from_=from_,
    expires=st.sampled_from([timedelta(minutes=5), timedelta(hours=24)]),
    not_own=st.booleans(),
    comment=st.booleans(),
)
globs = st.lists(st.sampled_from(["main", "release/*", "*"]), max_size=2).map(tuple)
floors = st.builds(
    Floor,
    name=st.just("floor"),
    approvals=st.none()
    | rules.map(lambda r: ApprovalFloor(r.count, r.from_, r.expires, r.not_own, r.comment)),
    branches=globs,
    deployers=from_,
    objective=st.booleans(),
    ask=st.booleans(),
)
words = st.lists(
    st.builds(
        Word,
        people,
        st.booleans(),
        st.sampled_from([NOW, NOW - timedelta(minutes=10), NOW - timedelta(days=2)]),
        st.sampled_from(["", "fine"]),
    ),
    max_size=4,
    unique_by=lambda word: word.who.handle,
).map(tuple)
freezes = st.builds(Frozen, st.just("feast"), st.just(""), st.none(), st.booleans())
situations = st.builds(
    GateFacts,
    when=st.none() | st.booleans().map(lambda value: (value, "a clause")),
    succeeded_before=st.booleans(),
    going_back=st.booleans(),
    now=st.just(NOW),
    hotfix=st.booleans(),
    words=words,
    own=st.frozensets(st.sampled_from(["ana", "bo", "eve"])),
    asked_by=st.none() | people,
    branches=globs,
    pull_request=st.none() | st.just(7),
    has_objective=st.booleans(),
    frozen=st.lists(freezes, max_size=2).map(tuple),
    locked=st.sampled_from(["", "deployment 3 goes on"]),
)
specs = st.builds(
    lambda rule, after: environment(approval=rule, after=after),
    st.none() | rules,
    st.sampled_from([None, "staging"]),
)


@given(specs, situations, st.lists(floors, max_size=3), floors)
def test_another_floor_never_opens_the_gate(
    spec: object, situation: GateFacts, standing: Sequence[Floor], another: Floor
) -> None:
    before = may_deploy(spec, "rel-b", situation, standing)  # type: ignore[arg-type]
    after = may_deploy(spec, "rel-b", situation, [*standing, another])  # type: ignore[arg-type]
    assert RANK[after.verdict] >= RANK[before.verdict]
    assert set(before.obstacles) <= set(after.obstacles)


@given(specs, situations, st.lists(floors, max_size=2))
def test_joined_guards_are_never_looser_than_the_repository_or_the_floors(
    spec: object, situation: GateFacts, joined: Sequence[Floor]
) -> None:
    whole = may_deploy(spec, "rel-b", situation, joined)  # type: ignore[arg-type]
    own = may_deploy(spec, "rel-b", situation)  # type: ignore[arg-type]
    bare = replace(spec, approval=None, after=None)  # type: ignore[type-var]
    org = may_deploy(bare, "rel-b", situation, joined)  # type: ignore[arg-type]
    assert RANK[whole.verdict] >= max(RANK[own.verdict], RANK[org.verdict])
    guards, alone = stricter(spec, joined), stricter(spec, ())  # type: ignore[arg-type]
    assert set(alone.approvals) <= set(guards.approvals)
    assert guards.ask >= any(floor.ask for floor in joined)


@given(
    specs,
    situations,
    st.lists(floors, max_size=2),
    st.sampled_from(["freeze", "lock", "no", "withdraw", "after", "when", "pull_request", "later"]),
)
def test_more_in_the_way_never_opens_the_gate(
    spec: object, situation: GateFacts, joined: Sequence[Floor], what: str
) -> None:
    harder = {
        "freeze": lambda: replace(situation, frozen=(*situation.frozen, Frozen("more", "", None, False))),
        "lock": lambda: replace(situation, locked="somebody is there"),
        "no": lambda: replace(
            situation, words=(*situation.words, Word(Who("zoe", Role.DEVELOPER), False, NOW))
        ),
        "withdraw": lambda: (
            replace(situation, words=tuple(w for w in situation.words[1:] if w.yes))
            if all(word.yes for word in situation.words)
            else situation
        ),
        "after": lambda: replace(situation, succeeded_before=False),
        "when": lambda: replace(situation, when=(False, "no")),
        "pull_request": lambda: replace(situation, pull_request=7),
        "later": lambda: replace(situation, now=NOW + timedelta(days=9)),
    }[what]()
    before = may_deploy(spec, "rel-b", situation, joined)  # type: ignore[arg-type]
    after = may_deploy(spec, "rel-b", harder, joined)  # type: ignore[arg-type]
    assert RANK[after.verdict] >= RANK[before.verdict]
    assert (after.verdict is Verdict.OPEN) == (not after.obstacles)


@pytest.mark.parametrize(
    ("floor", "changes", "kind"),
    [
        (Floor("ours", built_here=True), {"built_elsewhere": "another system built it"}, "built"),
        (
            Floor("eyes", approvals=ApprovalFloor(0, not_own=True)),
            {"unknown_pusher": "nobody told who pushed it"},
            "pusher",
        ),
    ],
)
def test_what_a_floor_asks_of_a_release_and_nobody_else_does(
    floor: Floor, changes: dict[str, object], kind: str
) -> None:
    told = facts(**changes)
    held = may_deploy(environment(), "rel-b", told, [floor])
    assert [one.kind for one in held.obstacles] == [kind]
    assert next(iter(changes.values())) in held.reason  # type: ignore[operator]
    assert may_deploy(environment(), "rel-b", told).verdict is Verdict.OPEN
    assert may_deploy(environment(), "rel-b", facts(), [floor]).verdict is Verdict.OPEN
