"""Globs of branches, tags and files: what they take in, and that no pattern with no name costs more than it may."""

import re

import pathspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headway.base import globs as module
from headway.base.globs import Unreadable, first_taken_in, read_glob, read_path_glob, read_rule, takes_in


@pytest.mark.parametrize(
    ("globs", "name", "taken"),
    [
        (["main"], "main", True),
        (["main"], "topic/main", False),
        (["main"], "main/topic", False),
        (["*"], "main", True),
        (["*"], "topic/main", False),
        (["**"], "topic/main", True),
        (["release/*"], "release/1.2", True),
        (["release/*"], "release/1/2", False),
        (["release/**"], "release/1/2", True),
        (["**/hotfix"], "hotfix", True),
        (["v[0-9]*"], "v12", True),
        (["v[0-9]*"], "version", False),
        (["v[!0-9]*"], "version", True),
        (["[[:digit:]_]"], "_", True),
        (["[]-]"], "-", True),
        (["[a-]"], "-", True),
        ([r"\*"], "*", True),
        ([r"\*"], "a", False),
        (["a*b*c"], "aXbYbZc", True),
        (["a*bc*c"], "abc", False),
        (["ab*ba"], "aba", False),
        (["?"], "\n", True),
        (["**", "!draft/**"], "draft/x", False),
        (["**", "!draft/**", "draft/keep"], "draft/keep", True),
        (["Main"], "main", False),
        (["[a", "main"], "main", True),
        ([], "main", False),
    ],
)
def test_globs_of_names(globs: list[str], name: str, taken: bool) -> None:
    assert takes_in(globs, name) is taken


@pytest.mark.parametrize(
    ("globs", "path", "taken"),
    [
        (["src/**"], "src/a/b.py", True),
        (["src/**"], "src", False),
        (["src"], "deep/src/a.py", True),
        (["/src"], "deep/src/a.py", False),
        (["*.md"], "docs/guide.md", True),
        (["docs/"], "docs/guide.md", True),
        (["docs/"], "docs", False),
        (["src/**", "!src/docs/**"], "src/docs/a", False),
        # The folder is let go of, and what `src/**` has named stays: as git has it.
        (["src/**", "!src/docs"], "src/docs/a", True),
        (["src/", "!src/docs/"], "src/docs/a", False),
        (["**/x/**/y"], "a/x/b/c/y", True),
        (["# a comment", " "], "a", False),
        (["a[", "a"], "a", True),
    ],
)
def test_globs_of_files(globs: list[str], path: str, taken: bool) -> None:
    assert (first_taken_in(globs, ["other/thing", path]) == path) is taken


# Without `[!a]`: pathspec lets it take a slash, which git does not.
sign = st.sampled_from(["a", "b", "*", "?", "[ab]", "[a-c]"])
part = st.lists(sign, min_size=1, max_size=4).map("".join).filter(lambda text: "**" not in text)
glob = st.lists(part | st.just("**"), min_size=1, max_size=4).map("/".join)
path = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["", "/"]), glob, st.sampled_from(["", "/"]), path)
def test_one_glob_means_what_git_s_ignore_files_mean(start: str, middle: str, end: str, name: str) -> None:
    if end and middle.endswith("*") and middle.rpartition("/")[2] == "**":
        end = ""  # `a/**/` is read in different ways
    whole = f"{start}{middle}{end}"
    assert (first_taken_in([whole], [name]) is not None) is pathspec.GitIgnoreSpec.from_lines(
        [whole]
    ).match_file(name)


@pytest.mark.parametrize("text", ["[a", "a/[", "\\", "[a-", "[[:no:]]"])
def test_a_glob_that_can_mean_nothing_is_told(text: str) -> None:
    with pytest.raises(Unreadable):
        read_glob(text)


@pytest.mark.parametrize("text", ["a**b", "***", "x/**y"])
def test_in_a_glob_of_artifacts_two_stars_stand_alone(text: str) -> None:
    with pytest.raises(Unreadable, match="stands alone"):
        read_path_glob(text)


# Time


class Steps:
    """Counts the signs of names that chunks are compared with: each place that is looked at costs a chunk's length."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        stands_at, find = module._Chunk.stands_at, module._Chunk.find

        def counted_stands_at(chunk: module._Chunk, text: str, place: int) -> bool:
            self.count += chunk.size + 1
            return stands_at(chunk, text, place)

        def counted_find(chunk: module._Chunk, text: str, start: int, end: int) -> int:
            found = find(chunk, text, start, end)
            looked_at = (found if found >= 0 else end) - start + 1
            self.count += looked_at * (chunk.size + 1)
            return found

        patch.setattr(module._Chunk, "stands_at", counted_stands_at)
        patch.setattr(module._Chunk, "find", counted_find)


hard = st.lists(st.sampled_from(["*", "a", "?", "[ab]", "a*", "/", "**/", "b"]), min_size=1, max_size=30).map(
    "".join
)
names = st.builds(
    lambda unit, times, end: unit * times + end,
    st.sampled_from(["a", "ab", "a/", "aa/b"]),
    st.integers(1, 200),
    st.sampled_from(["", "b", "c"]),
)


@settings(max_examples=150, deadline=None)
@given(hard, names)
@example("*a" * 30 + "*b", "a" * 4000)
@example("**/" * 60 + "x", "a/" * 400 + "y")
@example("**/a*a*a*b/" * 20 + "x", "aaaa/" * 400 + "y")
def test_every_pattern_takes_time_that_is_linear_in_the_name(text: str, name: str) -> None:
    bound = (len(text) + 5) * (len(name) + name.count("/") + 2)
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(patch)
        takes_in([text], name)
        assert steps.count <= bound
        steps.count = 0
        first_taken_in([text], [name])
        assert steps.count <= bound + 5 * len(name)


@settings(max_examples=150, deadline=None)
@given(st.text("ab*?[]!^-\\.+(){}|$", max_size=12).filter(lambda text: "/" not in text))
def test_no_chunk_has_a_repeat_in_it(text: str) -> None:
    """So that looking whether it stands at a place costs its length at most, whatever Python's matcher does."""
    try:
        read = read_rule(text)
    except Unreadable:
        return
    for one in read.glob.parts if read else ():
        for chunk in one.chunks if one else ():
            if chunk.pattern is not None:
                parsed = re._parser.parse(chunk.pattern.pattern, re.DOTALL)  # type: ignore[attr-defined]
                kinds = {str(kind) for kind, _ in parsed}
                assert kinds <= {"LITERAL", "NOT_LITERAL", "ANY", "IN", "ASSERT_NOT", "FAILURE"}
                assert parsed.getwidth()[1] <= chunk.size
