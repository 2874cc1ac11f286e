"""What a condition may say, and what is said of one that cannot be read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.when import (
    DEEPEST,
    LONGEST,
    Changed,
    Comparison,
    Flag,
    Joined,
    Matches,
    Name,
    Not,
    Text,
    WhenInvalid,
    parse_when,
)

ALL = (
    "branch, tag, dirty, changed('glob'), matches(tag, 'glob'), 'text', True, False "
    "and ==, !=, in, not in, and, or, not"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("branch == 'main'", Comparison(Name("branch"), "==", Text("main"))),
        ("  'v1' != tag", Comparison(Text("v1"), "!=", Name("tag"))),
        ("dirty", Name("dirty")),
        ("True", Flag(True)),
        ("not dirty", Not(Name("dirty"))),
        ("dirty == False", Comparison(Name("dirty"), "==", Flag(False))),
        ("branch in ('a', \"b\")", Comparison(Name("branch"), "in", (Text("a"), Text("b")))),
        ("branch not in ['a']", Comparison(Name("branch"), "not in", (Text("a"),))),
        ("'x' in branch", Comparison(Text("x"), "in", Name("branch"))),
        ("changed('src/**', '!src/a')", Changed(("src/**", "!src/a"))),
        ("matches(tag, 'v*')", Matches(Name("tag"), ("v*",))),
        ("dirty and dirty or dirty", Joined("or", (Joined("and", (Name("dirty"), Name("dirty"))), Name("dirty")))),
        ("(dirty)", Name("dirty")),
    ],
)  # fmt: skip
def test_what_a_condition_may_say(text: str, expected: object) -> None:
    assert parse_when(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, f"the condition cannot be read; allowed: {ALL}"),
        ("branch = 'main'", 8, "the condition cannot be read; did you mean '=='?"),
        ("branch == 'main", 11, f"the condition cannot be read; allowed: {ALL}"),
        ("branch == 'main') ", 17, f"the condition cannot be read; allowed: {ALL}"),
        ("brunch == 'a'", 1, "'brunch' is no name that is known here; did you mean 'branch'?"),
        ("dirty and zzz", 11, f"'zzz' is no name that is known here; allowed: {ALL}"),
        ("'ä' == tga", 8, "'tga' is no name that is known here; did you mean 'tag'?"),
        ("branch", 1, "branch is text, not true or false; allowed: a comparison, as in branch == '…'"),
        ("dirty and 'x'", 11, "'x' is text, not true or false; allowed: a comparison, as in 'x' == '…'"),
        ("branch == True", 1, "branch == True compares text with true or false; allowed: like with like"),
        ("dirty in ('a',)", 1, "dirty is true or false, not text; allowed: text in a list of text"),
        ("branch in (dirty,)", 12, "dirty is true or false, not text; allowed: text"),
        ("branch == 'a' == 'b'", 1, "this compares more than two values; allowed: two of them, joined by and"),
        ("branch < 'a'", 1, f"branch < 'a' compares in a way that is not known here; allowed: {ALL}"),
        ("branch == 3", 11, f"3 means nothing here; allowed: {ALL}"),
        ("branch.upper() == 'A'", 1, f"branch.upper() is no function that is known here; allowed: {ALL}"),
        ("__import__('os')", 1, f"__import__() is no function that is known here; allowed: {ALL}"),
        ("change('a')", 1, "change() is no function that is known here; did you mean 'changed'?"),
        ("changed()", 1, "a glob is missing; allowed: changed('glob', …)"),
        ("changed('a', tag)", 14, "tag is no glob in quotes; allowed: changed('glob', …)"),
        ("changed(' ')", 9, "' ' is no glob in quotes; allowed: changed('glob', …)"),
        ("changed(x='a')", 1, "changed() takes no named values; allowed: changed('glob', …)"),
        ("changed(*'a')", 9, "*'a' is no glob in quotes; allowed: changed('glob', …)"),
        ("matches('v*')", 1, "matches() needs a text and a glob; allowed: matches(tag, 'glob', …)"),
        ("matches(dirty, 'v*')", 9, "dirty is true or false, not text; allowed: text"),
        ("[x for x in branch]", 1, f"[x for x in branch] means nothing here; allowed: {ALL}"),
        ("lambda: dirty", 1, f"lambda: dirty means nothing here; allowed: {ALL}"),
        ("(a := dirty)", 2, f"a := dirty means nothing here; allowed: {ALL}"),
        ("f'{branch}' == 'x'", 1, f"f'{{branch}}' means nothing here; allowed: {ALL}"),
        ("tag == 'a\\tb'", 10, "found '\\\\'; allowed: one line without '\\\\'"),
        ("dirty\nor dirty", 6, "found '\\n'; allowed: one line without '\\n'"),
        ("dirty # or not", 7, "found '#'; allowed: one line without '#'"),
        ("dirty if 1else dirty", 10, f"the condition cannot be read; allowed: {ALL}"),
        ("d" * (LONGEST + 1), LONGEST, f"the condition is longer than {LONGEST} characters; allowed: up to {LONGEST}"),
        ("not " * (DEEPEST + 1) + "dirty", 4 * (DEEPEST + 1) + 1, f"the condition is nested deeper than {DEEPEST} levels; allowed: {ALL}"),
        ("(" * 300, 1, None),
    ],
)  # fmt: skip
def test_what_is_said_of_a_condition_that_cannot_be_read(text: str, column: int, message: str | None) -> None:
    with pytest.raises(WhenInvalid) as caught:
        parse_when(text)
    if message is not None:
        assert (caught.value.message, caught.value.column) == (message, column)
        assert str(caught.value) == f"{message} (at character {column})"


pieces = st.sampled_from(
    [
        "branch",
        "tag",
        "dirty",
        "changed",
        "matches",
        "(",
        ")",
        "[",
        "]",
        ",",
        "==",
        "!=",
        "in",
        "not",
        "and",
        "or",
        "'a'",
        "'*'",
        "True",
        "None",
        "1",
        ".",
        ":",
        "=",
        "lambda",
        "*",
        "ä",
        "'",
        "\\",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces, max_size=15).map(" ".join) | st.text(max_size=40))
def test_never_another_error(text: str) -> None:
    try:
        parse_when(text)
    except WhenInvalid as error:
        found = error
        assert 1 <= found.column <= max(len(text), 1) + 1
