"""Which forge stands behind an address, and where its API is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain.intake import ForgeKind
from headway.drivers.forge.addresses import ForgeAddressWrong, forge_address, kind_of

GITHUB, GITLAB, GITEA = ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA


@pytest.mark.parametrize(
    ("url", "forge", "api", "full_name", "web_url"),
    [
        ("https://github.com/team/shop.git", None, "https://api.github.com", "team/shop", "https://github.com/team/shop"),
        ("https://github.com/team/shop", None, "https://api.github.com", "team/shop", "https://github.com/team/shop"),
        ("git@github.com:team/shop.git", None, "https://api.github.com", "team/shop", "https://github.com/team/shop"),
        ("github.com:team/shop", None, "https://api.github.com", "team/shop", "https://github.com/team/shop"),
        ("ssh://git@github.com/team/shop.git", None, "https://api.github.com", "team/shop", "https://github.com/team/shop"),
        ("https://GitHub.com/team/shop/", None, "https://api.github.com", "team/shop", "https://github.com/team/shop"),
        ("https://git.example.org/team/shop.git", GITHUB, "https://git.example.org/api/v3", "team/shop", "https://git.example.org/team/shop"),
        ("https://gitlab.com/group/team/shop.git", None, "https://gitlab.com/api/v4", "group/team/shop", "https://gitlab.com/group/team/shop"),
        ("git@gitlab.example.org:group/team/shop.git", GITLAB, "https://gitlab.example.org/api/v4", "group/team/shop", "https://gitlab.example.org/group/team/shop"),
        ("https://codeberg.org/team/shop.git", None, "https://codeberg.org/api/v1", "team/shop", "https://codeberg.org/team/shop"),
        ("ssh://git@git.example.org:2222/team/shop.git", GITEA, "https://git.example.org/api/v1", "team/shop", "https://git.example.org/team/shop"),
        ("http://127.0.0.1:3000/team/shop.git", GITEA, "http://127.0.0.1:3000/api/v1", "team/shop", "http://127.0.0.1:3000/team/shop"),
        ("https://example.org/forge/team/shop.git", GITEA, "https://example.org/forge/api/v1", "team/shop", "https://example.org/forge/team/shop"),
        ("http://[::1]:3000/team/shop", GITEA, "http://[::1]:3000/api/v1", "team/shop", "http://[::1]:3000/team/shop"),
        # A name and password go no further.
        ("https://grace:s3cret@github.com/team/shop.git", None, "https://api.github.com", "team/shop", "https://github.com/team/shop"),
    ],
)  # fmt: skip
def test_from_clone_address_to_api(
    url: str, forge: ForgeKind | None, api: str, full_name: str, web_url: str
) -> None:
    found = forge_address(url, forge)
    assert (found.api, found.full_name, found.web_url) == (api, full_name, web_url)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("git@github.com:team/shop.git", GITHUB),
        ("https://gitlab.com/team/shop", GITLAB),
        ("https://codeberg.org/team/shop", GITEA),
        ("https://git.example.org/team/shop", None),
        ("/srv/git/shop.git", None),
        ("https://evil-github.com/team/shop", None),
        ("https://github.com.evil.example/team/shop", None),
    ],
)
def test_the_kind_of_well_known_hosts(url: str, kind: ForgeKind | None) -> None:
    assert kind_of(url) is kind


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop",
        "/srv/git/shop.git",
        "file:///srv/git/shop.git",
        "https://github.com/",
        "https://github.com/team",
        "https://github.com/team/..",
        "https://github.com/../shop",
        "https://github.com/team/sh%2Fop",
        "https://github.com/team/shop?x=1/y",
        "https://github.com:99999/team/shop",
        "https://[::1/team/shop",
        "ftp://github.com/team/shop",
        "git@github.com:/etc/passwd",
        "https://github.com/team/" + "x" * 3000,
        "https://github.com/team/shop\n",
    ],
)
def test_what_is_no_address_of_a_repository_is_refused(url: str) -> None:
    with pytest.raises(ForgeAddressWrong):
        forge_address(url)


def test_an_unknown_host_needs_its_kind_said() -> None:
    with pytest.raises(ForgeAddressWrong) as caught:
        forge_address("https://git.example.org/team/shop")
    assert "git.example.org" in caught.value.message
    assert "gitea" in str(caught.value.hint)


def test_a_password_in_the_address_stands_in_no_error() -> None:
    with pytest.raises(ForgeAddressWrong) as caught:
        forge_address("https://grace:s3cret@git.example.org/team/shop")
    assert "s3cret" not in str(caught.value)


@given(st.text(max_size=60), st.sampled_from([None, GITHUB, GITLAB, GITEA]))
def test_any_text_gives_an_address_or_the_typed_error(text: str, forge: ForgeKind | None) -> None:
    for url in (text, f"https://{text}", f"git@github.com:{text}"):
        try:
            found = forge_address(url, forge)
        except ForgeAddressWrong:
            continue
        assert found.api.startswith(("https://", "http://"))
        assert ".." not in found.full_name.split("/")
