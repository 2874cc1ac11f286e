"""Of what was told of one branch: what is news, what begins a run, what the newest overtakes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.intake import ArrivalKind
from headway.pipeline.news import Choice, Fate, Told, Word, choose, moved_refs, news


def told(move: str, **more: object) -> Told:
    """`x>a`: from x to a; `-` is nothing. `?x>a` was taken before, `~x>a` is known to be old news."""
    marks, path = move[: len(move) - len(move.lstrip("?~"))], move.lstrip("?~")
    before, after = (None if place == "-" else place for place in path.split(">"))
    kind = ArrivalKind.DELETE if after is None else ArrivalKind.PUSH
    one = Told(kind, before, after, f"push:{before}:{after}", "?" in marks, "~" in marks)
    return replace(one, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "moves", "skipped", "fates"),
    [
        ("x", "x>a", "", "run"),
        ("a", "x>a", "", "known"),
        # Told by a webhook and a look, or by two hooks.
        ("x", "x>a x>a", "", "run known"),
        ("x", "x>a x>a x>a", "", "run known known"),
        ("x", "x>a a>b x>a a>b", "", "overtaken run known known"),
        # A look tells two pushes as one.
        ("x", "x>b x>a a>b", "", "overtaken overtaken run"),
        ("x", "?x>a", "", "run"),
        ("b", "?x>a", "", "known"),
        # A branch that is set back and forth.
        ("a", "a>x ?x>a", "", "overtaken run"),
        # The newest runs nothing.
        ("x", "x>a a>b", "b", "run ignored"),
        ("x", "x>a a>b b>c", "bc", "run ignored ignored"),
        ("x", "x>a a>b b>c", "b", "overtaken ignored run"),
        ("x", "x>a a>b b>c", "ac", "ignored run ignored"),
        ("x", "x>a a>b a>b", "b", "run ignored known"),
        ("x", "x>a", "a", "ignored"),
        ("-", "->a a>b", "", "overtaken run"),
        ("b", "b>-", "", "ignored"),
        ("-", "b>-", "", "known"),
        # A forge's word that comes after a look has its run and takes nobody's place.
        ("b", "~x>a", "", "run"),
        ("b", "~x>a b>c", "", "overtaken run"),
        ("b", "~x>a a>b", "", "run known"),
        ("b", "b>c ~x>a", "", "run run"),
        ("b", "b>c ~x>a", "c", "ignored run"),
    ],
)
def test_what_becomes_of_each(at: str, moves: str, skipped: str, fates: str) -> None:
    all_told = [told(move) for move in moves.split()]

    def ask(number: int, by: int) -> Word:
        after = all_told[number].after
        return Word("it runs nothing" if after is None or after in skipped else "")

    choices = choose(all_told, None if at == "-" else at, ask)
    said = ["known" if choice.by is None else str(choice.fate) for choice in choices]
    assert " ".join(said) == fates


def test_each_choice_says_why_and_by_whose_file() -> None:
    all_told = [told("x>a"), told("x>a"), told("a>b"), told("b>c"), told("c>d")]
    choices = choose(all_told, "x", lambda number, by: Word("[skip ci]" if number in {2, 4} else ""))
    assert choices == (
        Choice(Fate.OVERTAKEN, by=3),
        Choice(Fate.IGNORED, "known already"),
        Choice(Fate.IGNORED, "[skip ci]", by=3),
        Choice(Fate.RUN, by=3, overtakes=(0,)),
        Choice(Fate.IGNORED, "[skip ci]", by=4),
    )


def test_a_file_that_keeps_each_push_runs_each() -> None:
    all_told = [told("x>a"), told("a>b"), told("x>a"), told("b>c")]
    choices = choose(all_told, "x", lambda number, by: Word(collapses=False))
    assert [choice.fate for choice in choices] == [Fate.RUN, Fate.RUN, Fate.IGNORED, Fate.RUN]
    assert [choice.by for choice in choices] == [0, 1, None, 3], "each by its own file"


def test_the_newest_that_runs_decides_by_its_file_for_the_older_ones() -> None:
    asked: list[tuple[int, int]] = []

    def ask(number: int, by: int) -> Word:
        asked.append((number, by))
        return Word("[skip ci]" if number == 3 else "")

    choices = choose([told("x>a"), told("a>b"), told("b>c"), told("c>d")], "x", ask)
    assert asked == [(3, 3), (2, 2), (1, 2), (0, 2)]
    assert choices[2].overtakes == (0, 1)


def test_a_head_of_a_pull_request_is_new_once() -> None:
    head = told("->a", kind=ArrivalKind.PULL_REQUEST, content="pull_request:7:a")
    assert news([head, head], None) == (True, False)
    assert news([replace(head, was_taken=True)], "elsewhere") == (False,)


moves = st.lists(st.sampled_from("ab"), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(moves, st.data())
def test_whoever_tells_and_however_often_the_newest_real_one_runs(
    places: list[str], data: st.DataObject
) -> None:
    """Each teller tells all pushes in their order; tellers are interleaved in any way."""
    way = [f"{place}{number}" for number, place in enumerate(places)]
    pushes = [told(f"{before}>{after}") for before, after in zip(["x", *way], way, strict=False)]
    left = [list(pushes), list(pushes)]
    mixed: list[Told] = []
    while any(left):
        teller = data.draw(st.sampled_from([one for one in left if one]))
        mixed.append(teller.pop(0))
    # Commits of `b` say [skip ci].
    choices = choose(
        mixed, "x", lambda number, by: Word("skip" if str(mixed[number].after)[0] == "b" else "")
    )
    running = [str(one.after) for one, choice in zip(mixed, choices, strict=True) if choice.fate is Fate.RUN]
    real = [place for place in way if place[0] == "a"]
    assert running == real[-1:]


@pytest.mark.parametrize(
    ("known", "found", "busy", "changes"),
    [
        ({"main": "a"}, {"main": "a"}, (), []),
        ({"main": "a"}, {"main": "b"}, (), [("main", "a", "b")]),
        ({}, {"topic": "a"}, (), [("topic", None, "a")]),
        ({"topic": "a"}, {}, (), [("topic", "a", None)]),
        # News of it is being worked on: whoever told of it knows more than a look.
        ({"main": "a", "topic": "a"}, {"main": "b"}, ("main", "topic"), []),
    ],
)
def test_what_a_look_at_the_refs_finds(known, found, busy, changes) -> None:
    assert moved_refs(known, found, busy) == changes
