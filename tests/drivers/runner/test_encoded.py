"""Whatever a usual tool makes of a secret, nothing of it is left in the log."""

import base64
import html
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.base.secret import MASK, Secret
from headway.drivers.runner.masking import Masker, mask

#: What passwords, tokens and URLs are made of.
LETTERS = st.sampled_from(
    "abcdefghijkmnopqrstuvwxyzABCDEFGHKLMNPQRSTUVWXYZ0123456789!#$%&'()*+,-./:;<=>?@[]^_`{|}~\"\\ é"
)
VALUES = st.text(LETTERS, min_size=6, max_size=48).map(str.strip).filter(lambda text: len(text.encode()) >= 6)
BYTES = st.binary(max_size=7)
CUTS = st.lists(st.integers(0, 10_000), max_size=8)


def encoded_in(value: str, before: bytes, after: bytes) -> tuple[str, str]:
    """The base64 of something that holds the value, and those of its characters that the value alone decides."""
    raw = value.encode()
    text = base64.b64encode(before + raw + after).decode()
    first, last = -(-len(before) * 8 // 6), (len(before) + len(raw)) * 8 // 6
    return text, text[first:last]


def wrapped(text: str, width: int, newline: str) -> str:
    return newline.join(text[at : at + width] for at in range(0, len(text), width))


def in_pieces(secret: Secret, data: bytes, cuts: list[int]) -> bytes:
    masker, out, at = Masker([secret]), b"", 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        out, at = out + masker.feed(data[at:cut]), cut
    return out + masker.finish()


def leaks(masked: bytes, own: str, *, of: int = 8) -> bool:
    """Whether a part of so many characters is left, newlines or not."""
    left = re.sub(rb"[\r\n]", b"", masked.replace(MASK, b" ")).decode()
    return any(own[at : at + of] in left for at in range(len(own) - of + 1))


@settings(max_examples=60, deadline=None)
@given(VALUES, BYTES, BYTES, st.integers(2, 80), st.sampled_from(["\n", "\r\n"]), st.booleans(), CUTS)
def test_base64_is_masked_at_each_alignment_and_wrapped_at_any_width(
    value: str, before: bytes, after: bytes, width: int, newline: str, for_urls: bool, cuts: list[int]
) -> None:
    secret = Secret("S", value)
    text, own = encoded_in(value, before, after)
    if for_urls:
        text, own = (one.translate(str.maketrans("+/", "-_")) for one in (text, own))
    data = f"Authorization: Basic {wrapped(text, width, newline)}{newline}done{newline}".encode()
    masked = mask(data, [secret])
    assert MASK in masked
    assert not leaks(masked, own)
    assert masked.endswith(b"done" + newline.encode())
    assert in_pieces(secret, data, cuts) == masked


@settings(max_examples=60, deadline=None)
@given(VALUES, BYTES, st.data())
def test_a_part_of_base64_is_masked_from_eight_characters_on(
    value: str, before: bytes, data: st.DataObject
) -> None:
    _, own = encoded_in(value, before, b"after it")
    begin = data.draw(st.integers(0, max(0, len(own) - 8)))
    part = own[begin : data.draw(st.integers(begin + 8, max(begin + 8, len(own))))]
    if len(part) < 8:
        return
    masked = mask(f"cut <{part}> off\n".encode(), [Secret("S", value)])
    assert masked == b"cut <" + MASK + b"> off\n"


@settings(max_examples=60, deadline=None)
@given(
    VALUES,
    BYTES,
    BYTES,
    st.integers(2, 80),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(0, 1),
    CUTS,
)
def test_hex_is_masked_wrapped_at_any_width_and_without_its_last_byte(
    value: str,
    before: bytes,
    after: bytes,
    width: int,
    newline: str,
    capitals: bool,
    less: int,
    cuts: list[int],
) -> None:
    secret = Secret("S", value)
    own = value.encode()[: len(value.encode()) - less].hex()
    text, tail = before.hex() + own + ("" if less else after.hex()), f"{newline}done{newline}"
    if capitals:
        own, text = own.upper(), text.upper()
    data = f"{wrapped(text, width, newline)}{tail}".encode()
    masked = mask(data, [secret])
    assert MASK in masked
    # A character alone on its line may be left at either end.
    assert not leaks(masked, own, of=8)
    assert masked.endswith(tail.encode())
    assert in_pieces(secret, data, cuts) == masked


@settings(max_examples=60, deadline=None)
@given(VALUES, st.data())
def test_a_part_of_hex_is_masked_from_sixteen_characters_on(value: str, data: st.DataObject) -> None:
    own = value.encode().hex()
    length = data.draw(st.integers(min(16, len(own)), len(own)))
    begin = data.draw(st.integers(0, len(own) - length))
    masked = mask(f"cut <{own[begin : begin + length]}> off\n".encode(), [Secret("S", value)])
    assert masked == b"cut <" + MASK + b"> off\n"


def test_what_stands_in_a_piece_several_times_is_masked_each_time() -> None:
    secret = Secret("S", "correct-horse-battery")
    _, base = encoded_in("correct-horse-battery", b"user:", b"!")
    for own in (base, b"correct-horse-battery".hex()):
        assert (
            mask(f"<{own}> <{own[4:]}> <{own}>\n".encode(), [secret]) == b"<[secret]> <[secret]> <[secret]>\n"
        )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("before", ["", "log: ", "\n", "\r\n"])
def test_a_secret_is_masked_whole_at_each_width_and_place(newline: str, before: str) -> None:
    """Also at the very beginning and end of what there is, and where eight characters of it stand alone."""
    value = "correct-horse-battery"
    secret, text = Secret("S", value), base64.b64encode(value.encode()).decode()
    for width in range(2, len(text) + 1):
        data = f"{before}{wrapped(text, width, newline)}{newline}"
        assert mask(data.encode(), [secret]).decode().removeprefix(before) == f"[secret]{newline}", width
    for begin in range(len(text) - 7):
        assert mask(f"<{text[begin : begin + 8]}>".encode(), [secret]) == b"<[secret]>", begin


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_of_characters_alone_on_a_line_the_last_is_masked(newline: str) -> None:
    """It ends what is known to be the secret's; a first one is not known to begin it."""
    text = base64.b64encode(b"correct-horse-battery").decode()
    secret = Secret("S", "correct-horse-battery")

    def masked(*lines: str) -> str:
        return mask(newline.join(lines).encode(), [secret]).decode()

    assert masked("<", text[:-1], text[-1], ">") == newline.join(["<", "[secret]", ">"])
    assert masked("<", text[0], text[1:], ">") == newline.join(["<", text[0], "[secret]", ">"])
    # Nor is one that stands alone in between, or where it was cut off: any letter may stand on a line by chance.
    assert masked("<", text[:9], text[9], text[10:], ">") == newline.join(
        ["<", "[secret]", text[9], "[secret]", ">"]
    )
    assert masked("<", text[:9], text[9], ">") == newline.join(["<", "[secret]", text[9], ">"])


ENCODERS: dict[str, Callable[[str], str]] = {
    "percent": quote,
    "percent, all": lambda text: quote(text, safe=""),
    "percent, small": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "percent, form": quote_plus,
    "percent, JavaScript": lambda text: quote(text, safe="!~*'()"),
    "percent, each byte": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "HTML": html.escape,
    "HTML, text": lambda text: html.escape(text, quote=False),
    "XML": escape,
    "XML, quotes": lambda text: escape(text, {'"': "&quot;", "'": "&apos;"}),
    "XML, attribute": lambda text: quoteattr(text)[1:-1],
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON twice": lambda text: json.dumps(json.dumps({"s": text}, ensure_ascii=False)),
    "JSON twice, ASCII": lambda text: json.dumps(json.dumps([text])),
    "hex": lambda text: text.encode().hex(),
    "hex, capitals": lambda text: text.encode().hex().upper(),
    "hex, wrapped": lambda text: wrapped(text.encode().hex(), 60, "\n"),
    "hex, within": lambda text: (b"x:" + text.encode() + b"y").hex(),
    "CSV": lambda text: '"' + text.replace('"', '""') + '"',
    "SQL": lambda text: "'" + text.replace("'", "''") + "'",
    "shell": shlex.quote,
    "shell, backslashes in quotes": lambda text: "'" + text.replace("'", "'\\''") + "'",
    "shell, double quotes": lambda text: '"' + re.sub(r'([$`"\\])', r"\\\1", text) + '"',
}


@pytest.mark.parametrize("tool", ENCODERS)
@settings(max_examples=12, deadline=None)
@given(value=VALUES, cuts=CUTS)
def test_what_tools_write_is_masked(tool: str, value: str, cuts: list[int]) -> None:
    secret = Secret("S", value)
    written = ENCODERS[tool](value)
    data = f"<<{written}>>\n".encode()
    masked = mask(data, [secret])
    assert MASK in masked
    # All but the frame that the tool puts around it.
    assert len(masked.replace(MASK, b"")) <= len(data) - len(value.encode())
    assert in_pieces(secret, data, cuts) == masked
    bare = re.sub(rb"[\r\n]", b"", masked)
    assert value.encode() not in bare
    assert value.encode().hex() not in bare.decode().lower()


@pytest.mark.parametrize("value", ["pass word$1`x`", 'it\'s "quoted" \\ <&>', "tab*[a-z]?;#!~", "abcdefgh"])
@pytest.mark.parametrize(
    "command", ["printf %q", "set -x; : ", "base64 -w 7 <<<", "xxd -p <<<", "jq -R . <<<"]
)
def test_real_tools_show_nothing(command: str, value: str) -> None:
    tool = command.split(maxsplit=1)[0]
    if shutil.which("bash") is None or (tool not in ("printf", "set") and shutil.which(tool) is None):
        pytest.skip(f"{tool} is not installed")
    shown = subprocess.run(
        ["bash", "-c", f'{command} "$1"', "bash", value], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    )  # fmt: skip
    masked = mask(shown.stdout + shown.stderr, [Secret("S", value)])
    assert MASK in masked
    assert len(masked.replace(MASK, b"").strip()) <= 12, masked


def test_of_a_long_key_a_wrapped_line_is_masked() -> None:
    key = (
        "-----BEGIN KEY-----\n"
        + "\n".join(f"{n:03}" + "Zm9vYmFyYmF6" * 5 for n in range(26))
        + "\n-----END-----\n"
    )
    secret = Secret("KEY", key)
    lines = base64.encodebytes(key.encode()).split()
    assert mask(b"\n".join(lines) + b"\n", [secret]).replace(MASK, b"").strip(b"\n=") in (b"", b"K", b"Cg")
    assert mask(b"only " + lines[9] + b" of it\n", [secret]) == b"only " + MASK + b" of it\n"


#: As tools write documents: what blanks become stands in it again and again.
INDENTED = json.dumps(
    {"type": "service", "keys": [{"id": n, "key": f"{n * 7919:x}" * 9} for n in range(9)]}, indent=8
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2), st.integers(0, 10_000), CUTS)
def test_of_a_long_indented_value_a_part_is_masked_wherever_it_begins(
    before: int, begin: int, cuts: list[int]
) -> None:
    secret = Secret("S", INDENTED)
    _, own = encoded_in(INDENTED, b"x" * before, b"after it")
    length = len(own) // 64 + 4
    begin %= len(own) - length
    data = f"cut <{own[begin : begin + length]}> off\n".encode()
    assert mask(data, [secret]) == b"cut <" + MASK + b"> off\n"
    assert in_pieces(secret, data, cuts) == b"cut <" + MASK + b"> off\n"


def test_many_secrets_of_many_lines_are_looked_for_together() -> None:
    lines = [f"{n:04} is 'one' of <many> & {n * n}" for n in range(300)]
    secrets = [Secret("MANY", "\n".join(lines)), *(Secret(f"S{n}", f"token-{n}-of-many") for n in range(300))]
    log = "".join(
        f"<{lines[n]}> {quote(f'token-{n}-of-many')} {html.escape(lines[-n])}\n" for n in range(300)
    )
    assert mask(log.encode(), secrets) == b"<[secret]> [secret] [secret]\n" * 300


def test_what_only_looks_alike_stays() -> None:
    secret = Secret("S", "correct-horse-battery")
    log = "".join(
        f"{n} {base64.b64encode(bytes([n] * 9)).decode()} {n:032x} ok\n" for n in range(200)
    ).encode()
    assert mask(log, [secret]) == log


def test_a_line_does_not_wait_for_the_next() -> None:
    """What a person looks at live is there when it was printed."""
    masker = Masker([Secret("S", "correct-horse-battery-staple")])
    lines = [b"Compiling foo v1.2\n", b"building web\n", b"tests passed: 12\n", b"y\n", b"Z\n", b"\n"]
    assert [masker.feed(line) for line in lines] == lines
