"""What is looked for of a secret's encodings, and what is kept until more comes, on their own."""

import base64
import re

import pytest

from headway.drivers.runner.encoded import Encoded

VALUE = b"correct-horse-battery"
BASE64 = base64.b64encode(VALUE)
LONG = bytes(range(1, 250))


def texts(value: bytes) -> list[tuple[bytes, int]]:
    """The value within base64 at each alignment and within hex, each with the length from which a part is masked."""
    at_each = (
        base64.b64encode(b"\0" * n + value)[-(-8 * n // 6) : (n + len(value)) * 8 // 6] for n in range(3)
    )
    return [*((text, 8) for text in at_each), (value.hex().encode(), 16), (value.hex().upper().encode(), 16)]


@pytest.mark.parametrize(
    "value", [VALUE, LONG[:40], b"\xfb\xef\xbe\xff" * 4 + b"??>>"], ids=["word", "bytes", "signs"]
)
def test_each_part_from_its_least_length_on_is_found_wrapped_or_not(value: bytes) -> None:
    encoded = Encoded([value])
    pattern = re.compile(encoded.pattern)
    for text, least in texts(value):
        for at in range(len(text) - least + 1):
            part = text[at : at + least]
            for width, newline in ((least, b""), (2, b"\n"), (3, b"\r\n"), (least - 2, b"\n")):
                lines = newline.join(part[n : n + width] for n in range(0, least, width))
                # One character alone on the last line is masked only if it is the text's last.
                if least % width == 1 and at + least < len(text):
                    continue
                for written in {lines, lines.replace(b"+", b"-").replace(b"/", b"_")}:
                    data = b"<" + written + b">"
                    spans = [found.span() for found in pattern.finditer(data)]
                    places = encoded.places(data, [start for span in spans for start in range(*span)])
                    assert (1, 1 + len(written)) in places, written


@pytest.mark.parametrize("value", [b"secret", b"secret7", b"secret88", b"???>>>"])
def test_of_a_short_value_all_but_a_little_is_enough_and_less_is_not(value: bytes) -> None:
    """All but one character of base64 that the value alone decides, all but four of hex."""
    encoded = Encoded([value])
    pattern = re.compile(encoded.pattern)
    for text, least in texts(value):
        enough = min(8, len(text) - 1) if least == 8 else max(6, min(16, len(text) - 4))
        for length in (enough - 1, enough):
            for at in range(len(text) - length + 1):
                data = b"<" + text[at : at + length] + b">"
                spans = [found.span() for found in pattern.finditer(data)]
                places = encoded.places(data, [start for span in spans for start in range(*span)])
                assert places == ({(1, 1 + length)} if length == enough else set()), data


def test_what_is_looked_for_is_a_group_as_it_stands() -> None:
    pattern = re.compile(Encoded([b"secret"]).pattern)
    assert base64.b64encode(b"secret") == b"c2VjcmV0"
    assert pattern.search(b"jcmV")
    assert not any(pattern.search(other) for other in (b"ccmV", b"jmmV", b"jcVV", b"jcm", b"j\n\ncmV"))


def groups(value: bytes) -> int:
    return len(re.findall(rb"\[[^\]]+\](?=[|)])", Encoded([value]).pattern))


def test_no_more_groups_are_looked_for_than_each_part_needs() -> None:
    """Of 28 characters of base64 each fifth group of 4, at three alignments; of 42 of hex, in small letters and capitals,
    each ninth of 8."""
    assert groups(VALUE) == 3 * 5 + 2 * 3


def test_of_a_long_value_a_bounded_number_of_groups_is_looked_for() -> None:
    for size in (600, 6000):
        value = bytes((n * n + 7 * n) % 251 for n in range(size))
        assert groups(value) <= 5 * 64


def test_nothing_is_looked_for_where_there_are_no_secrets() -> None:
    encoded = Encoded([])
    assert (encoded.pattern, encoded.places(BASE64, []), encoded.start_of_tail(BASE64)) == (
        b"",
        set(),
        len(BASE64),
    )


@pytest.mark.parametrize("newline", [b"", b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    ("data", "tail"),
    [
        (b"", b""),
        (b"log: ", b""),
        (b"log: ", b"Y"),
        (b"log: ", b"Y2"),
        (b"log: ", b"Y2\n9y"),
        (b"log: ", b"Y2\r\n9y"),
        (b"log: Y2-", b"Y2"),
        # A part of any length, beyond each window that is looked at.
        (b"", BASE64),
        (b"log: ", VALUE.hex().encode()),
        (b"x" * 200, VALUE.hex().upper().encode()),
        (b"log: ", b"\r\n".join(BASE64[n : n + 2] for n in range(0, len(BASE64), 2))),
    ],
)
def test_the_beginning_of_a_part_is_kept_until_more_comes(data: bytes, tail: bytes, newline: bytes) -> None:
    # A line that ends with one character alone is printed at once.
    kept = len(tail) > 1 or not newline
    whole = data + tail + newline
    assert Encoded([VALUE]).start_of_tail(whole) == (len(data) if kept and tail else len(whole))


def test_the_beginning_of_a_part_for_urls_is_kept_as_well() -> None:
    """`-` and `_` stand for `+` and `/` there."""
    assert Encoded([b"\xfb\xef\xbe\xff\xff\xff"]).start_of_tail(b"log: --__") == len(b"log: ")


def test_of_a_long_value_all_that_has_come_is_kept() -> None:
    encoded = Encoded([LONG])
    for text, _ in texts(LONG):
        for length in (31, 32, 33, 127, 128, 129, len(text)):
            part = text[-length:]
            assert encoded.start_of_tail(part) == 0
            assert encoded.start_of_tail(b"log: " + part) == 5
            wrapped = b"\r\n".join(part[n : n + 2] for n in range(0, length, 2))
            assert encoded.start_of_tail(b"log: " + wrapped) == 5
