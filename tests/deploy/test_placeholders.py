import pytest

from headway.deploy.placeholders import UnknownPlaceholder, Values, fill_command, fill_url

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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{hots}", "{hots} is no placeholder"),
        ("{labels.rack}", "the host web 1 has no label 'rack'"),
        ("{labels}", "no placeholder"),
    ],
)
def test_another_name_is_an_error(text: str, message: str) -> None:
    with pytest.raises(UnknownPlaceholder, match=message):
        fill_command(text, VALUES)
