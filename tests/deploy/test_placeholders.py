from dataclasses import replace

import pytest

from headway.deploy.placeholders import UnknownPlaceholder, Values, fill_command, fill_path, fill_url

VALUES = Values("web 1", "10.0.0.1", "rel-b", "shop", "production", {"zone": "a'b; rm -rf /"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("touch {host}", "touch 'web 1'"),
        (
            "echo {release} ${HOME} ${#x} {} {a,b} { print } {1..3}",
            "echo rel-b ${HOME} ${#x} {} {a,b} { print } {1..3}",
        ),
        ("register {labels.zone}", "register 'a'\"'\"'b; rm -rf /'"),
        ("deploy {service}-{environment}", "deploy shop-production"),
    ],
)
def test_each_is_one_quoted_word(text: str, expected: str) -> None:
    assert fill_command(text, VALUES) == expected


def test_in_a_url_a_part_of_it() -> None:
    assert fill_url("http://{address}:80/{host}?x={labels.zone}", VALUES) == (
        "http://10.0.0.1:80/web%201?x=a%27b%3B%20rm%20-rf%20%2F"
    )


def test_in_a_path_it_stands_as_it_is() -> None:
    """The path is quoted as a whole where it is used."""
    assert fill_path("/srv/{service}/{host}/{labels.zone}", VALUES) == "/srv/shop/web 1/a'b; rm -rf /"


def test_an_address_of_ipv6_stays_one_in_a_url() -> None:
    assert fill_url("http://{address}:80/", replace(VALUES, address="[::1]")) == "http://[::1]:80/"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "{hots}",
            "{hots} is no placeholder; allowed are "
            "{host}, {address}, {release}, {service}, {environment}, {labels.NAME}",
            "if the braces are the shell's, put spaces inside them or a $ before them",
        ),
        (
            "{labels.rack}",
            "{labels.rack} is used, but the host web 1 has no label 'rack'",
            'add it: [hosts.web 1] labels = { rack = "…" }',
        ),
        (
            "{labels}",
            "{labels} is no placeholder; allowed are "
            "{host}, {address}, {release}, {service}, {environment}, {labels.NAME}",
            "if the braces are the shell's, put spaces inside them or a $ before them",
        ),
    ],
)
def test_another_name_is_an_error_that_says_what_to_write(text: str, message: str, hint: str) -> None:
    with pytest.raises(UnknownPlaceholder) as wrong:
        fill_command(text, VALUES)
    assert (wrong.value.message, wrong.value.hint) == (message, hint)
