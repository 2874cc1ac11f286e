"""Globs of branches and tags: the whole name is meant."""

import pytest

from headway.base.globs import takes_in


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
        (["**", "!draft/**"], "draft/x", False),
        (["**", "!draft/**", "draft/keep"], "draft/keep", True),
        (["Main"], "main", False),
        ([], "main", False),
    ],
)
def test_globs(globs: list[str], name: str, taken: bool) -> None:
    assert takes_in(globs, name) is taken


def test_many_stars_take_no_time() -> None:
    assert not takes_in(["**/" * 60 + "x"], "a/" * 60 + "y")
