"""What arrives: how the branch of a stranger is called."""

import pytest

from headway.domain.intake import PullRequest


@pytest.mark.parametrize(
    ("head_url", "branch"),
    [
        ("https://forge.test/mallory/shop", "mallory:main"),
        ("https://forge.test/group/mallory/shop.git", "mallory:main"),
        ("git@forge.test:mallory/shop.git", "mallory:main"),
        ("ssh://git@forge.test:22/mallory/shop", "mallory:main"),
        ("", "fork:main"),
    ],
)
def test_a_stranger_s_branch_has_a_name_that_no_branch_has(head_url: str, branch: str) -> None:
    assert PullRequest(7, "", "main", "main", head_url, fork=True).branch == branch
    assert PullRequest(7, "", "main", "main", head_url, fork=False).branch == "main"
