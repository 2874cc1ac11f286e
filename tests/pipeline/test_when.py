"""Whether a condition holds for a commit, and the reason that a person reads."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.when import (
    Changed,
    Comparison,
    Expression,
    Flag,
    Joined,
    Matches,
    Name,
    Not,
    Text,
)
from headway.pipeline.when import Verdict, WhenFacts, evaluate, few_enough, parse_when

MAIN = WhenFacts(branch="main", changed=("src/app.py", "docs/guide.md"))
TAGGED = WhenFacts(tag="v1.2", dirty=True)


@pytest.mark.parametrize(
    ("condition", "facts", "value", "reason"),
    [
        ("branch == 'main'", MAIN, True, "branch is 'main'"),
        ("branch == 'next'", MAIN, False, "branch is 'main', not 'next'"),
        ("branch != 'next'", MAIN, True, "branch is 'main', not 'next'"),
        ("branch == 'main'", TAGGED, False, "there is no branch"),
        ("branch != ''", TAGGED, False, "there is no branch"),
        ("tag in ('v1.2', 'v2')", TAGGED, True, "tag is 'v1.2', one of 'v1.2', 'v2'"),
        ("branch not in ('main', 'next')", MAIN, False, "branch is 'main', one of 'main', 'next'"),
        ("branch in ('a', 'b')", MAIN, False, "branch is 'main', not one of 'a', 'b'"),
        ("'ai' in branch", MAIN, True, "'ai' is a part of 'main'"),
        ("branch in 'main-line'", MAIN, True, "branch is 'main', a part of 'main-line'"),
        ("branch in ('x', tag)", replace(MAIN, tag="main"), True, "branch is 'main', one of 'x', 'main'"),
        ("branch in ()", MAIN, False, "branch is 'main', not one of none"),
        ("matches(tag, 'v*', 'w*')", TAGGED, True, "tag 'v1.2' matches 'v*', 'w*'"),
        ("matches('', 'b')", MAIN, False, "there is no text to match 'b'"),
        ("'x' not in branch", MAIN, True, "'x' is not a part of 'main'"),
        ("'a' == 'b'", MAIN, False, "'a' is not 'b'"),
        ("dirty", TAGGED, True, "the tree is dirty"),
        ("not dirty", TAGGED, False, "the tree is dirty"),
        ("dirty == False", MAIN, True, "dirty is false"),
        ("True", MAIN, True, "the condition says True"),
        ("changed('src/**')", MAIN, True, "'src/app.py' changed"),
        ("changed('*.md')", MAIN, True, "'docs/guide.md' changed"),
        ("changed('docs')", MAIN, True, "'docs/guide.md' changed"),
        ("changed('src/**', '!src/app.py')", MAIN, False, "nothing changed in 'src/**', '!src/app.py'"),
        ("changed('/app.py')", MAIN, False, "nothing changed in '/app.py'"),
        ("changed('src/**')", TAGGED, True, "it is not known what changed, so 'src/**' counts as changed"),
        ("matches(tag, 'v*')", TAGGED, True, "tag 'v1.2' matches 'v*'"),
        ("matches(branch, 'release/*')", MAIN, False, "branch 'main' does not match 'release/*'"),
        ("matches(tag, 'v*')", MAIN, False, "there is no tag to match 'v*'"),
        ("matches('a', 'b')", MAIN, False, "text 'a' does not match 'b'"),
        ("branch == 'main' and changed('web/**')", MAIN, False, "nothing changed in 'web/**'"),
        ("branch == 'main' and not dirty", MAIN, True, "branch is 'main' and the tree is clean"),
        ("branch == 'next' or changed('src/**')", MAIN, True, "'src/app.py' changed"),
        ("branch == 'next' or tag == 'x'", MAIN, False, "branch is 'main', not 'next' and there is no tag"),
    ],
)  # fmt: skip
def test_a_verdict_with_its_reason(condition: str, facts: WhenFacts, value: bool, reason: str) -> None:
    assert evaluate(parse_when(condition), facts) == Verdict(value, reason)


words = st.text("ab/*!'[ä", max_size=4)
texts = words.map(Text) | st.sampled_from([Name("branch"), Name("tag")])
globs = st.lists(words, min_size=1, max_size=2).map(tuple)
conditions: st.SearchStrategy[Expression] = st.recursive(
    st.booleans().map(Flag)
    | st.just(Name("dirty"))
    | globs.map(Changed)
    | st.builds(Matches, texts, globs)
    | st.builds(Comparison, texts, st.sampled_from(["==", "!=", "in", "not in"]), texts)
    | st.builds(Comparison, texts, st.sampled_from(["in", "not in"]), st.lists(texts, max_size=2).map(tuple)),
    lambda inner: (
        inner.map(Not)
        | st.builds(
            Joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple)
        )
    ),
    max_leaves=5,
)
facts = st.builds(
    WhenFacts,
    st.none() | words,
    st.none() | words,
    st.booleans(),
    st.none() | st.lists(words, max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(conditions, facts)
def test_always_a_truth_with_a_reason(condition: Expression, about: WhenFacts) -> None:
    verdict = evaluate(condition, about)
    assert verdict.value in (True, False) and verdict.reason
    assert evaluate(Not(condition), about).value is not verdict.value


#: A path of a million characters, and a condition that is `length` long.
LONG_PATH = ["a" * 1_000_000]


def condition_of(length: int) -> str:
    return f"changed('{'b' * (length - 11)}')"


@pytest.mark.parametrize(
    ("paths", "conditions", "globs", "known"),
    [
        (["src/app.py"] * 10_000, ["changed('src/**')"] * 20, [], True),
        (["a"] * 200_000, ["changed('a', 'b', 'c')"] * 2, [], False),
        (["a/" * 2000] * 200, ["changed('" + "**/a/" * 190 + "')"] * 10, [], False),
        ([], ["changed('a')"] * 1000, [], True),
        # A million pairs of a path and a glob, in whichever quotes, are the most.
        (["a"] * 500_000, ["changed('a', 'b')"], [], True),
        (["a"] * 500_001, ["changed('a', 'b')"], [], False),
        (["a"] * 500_001, ['changed("a", "b")'], [], False),
        (["a"] * 1_000_000, ['changed("it\'s")'], [], True),
        (["a"] * 500_001, [], ["a", "b"], False),
        # As are five hundred million characters beside one another.
        (LONG_PATH, [condition_of(500)], [], True),
        (LONG_PATH, [condition_of(501)], [], False),
        (LONG_PATH, [condition_of(500)], ["b"], False),
    ],
    ids=range(12),
)
def test_where_asking_would_take_long_all_counts_as_changed(
    paths: list[str], conditions: list[str], globs: list[str], known: bool
) -> None:
    assert (few_enough(tuple(paths), conditions, globs) is not None) is known
