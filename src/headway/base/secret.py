"""A secret value: shown by nobody by accident, masked in every form in which a tool may print it."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

MASK = b"[secret]"
#: A shorter value would mask half of the log, and guessing it back from the gaps is easy.
MINIMUM_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Secret:
    """A named secret. `str()` and `repr()` never hold its value; `reveal()` says aloud that it is read."""

    name: str
    _value: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(self._value) < MINIMUM_LENGTH:
            raise ValueError(
                f"the secret {self.name} has fewer than {MINIMUM_LENGTH} characters and could not be masked"
            )

    def __str__(self) -> str:
        return f"[secret {self.name}]"

    def reveal(self) -> str:
        return self._value

    def forms(self) -> frozenset[bytes]:
        """Byte strings to be masked: raw, percent-encoded, HTML, XML, JSON (twice as well), CSV, SQL, as a word of shell, base64;
        several lines line by line. Where base64 and hex are parts of something longer, `encoded` finds them."""
        pieces = {self._value, *self._value.splitlines()}
        return frozenset(
            form
            for piece in pieces
            if len(piece.strip()) >= MINIMUM_LENGTH
            for form in (*_base64(piece.encode()), *(text.encode() for text in _written(piece)))
        )


def _base64(raw: bytes) -> Iterator[bytes]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw)
        yield encode(raw).rstrip(b"=")


def _written(text: str) -> Iterator[str]:
    """As tools write it into something else: a URL, a page, a document, a script."""
    yield text
    # Nothing is left as it is, what paths leave, what JavaScript's two functions leave; then all bytes.
    for safe in ("", "/", "!~*'()", ";,/?:@&=+$#!~*'()"):
        for encoded in (quote(text, safe=safe), quote(text, safe=safe).replace("%20", "+")):
            yield encoded
            yield _SMALL.sub(lambda found: found[0].lower(), encoded)
    every = "".join(f"%{byte:02X}" for byte in text.encode())
    yield from (every, every.lower())
    for quotes in ({}, {'"': "&quot;"}, {'"': "&#34;", "'": "&#39;"}, {'"': "&quot;", "'": "&#39;"}):
        yield _replaced(text, _MARKUP | quotes)
    for apostrophe in ("&#x27;", "&apos;", "&#039;"):
        yield _replaced(text, _MARKUP | {'"': "&quot;", "'": apostrophe})
    for ascii_only in (True, False):
        once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        # As PHP writes a slash, and as Go and others keep documents from ending a script.
        for told in (once, once.replace("/", "\\/"), _replaced(once, _IN_SCRIPTS)):
            yield told
            for ascii_then in (True, False):
                yield json.dumps(told, ensure_ascii=ascii_then)[1:-1]
    # Quotes doubled, as CSV and SQL do.
    yield text.replace('"', '""')
    yield text.replace("'", "''")
    # Within single quotes, as shlex and as bash's set -x do; within double quotes; with a backslash before each.
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield _IN_DOUBLE_QUOTES.sub(r"\\\g<0>", text)
    for in_none in (_IN_NONE, _IN_BASH):
        yield in_none.sub(r"\\\g<0>", text)


_SMALL = re.compile("%[0-9A-F]{2}")
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_IN_SCRIPTS = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e"}
_IN_DOUBLE_QUOTES = re.compile(r'[$`"\\]')
#: As `printf %q` of bash does, and as cautious tools do.
_IN_BASH = re.compile(r"[\s'\"\\|&;()<>!{}*\[?\]^$`,]|^[#~]|(?<=[:=])~")
_IN_NONE = re.compile(r"[^\w@%+=:./\x80-\U0010ffff-]", re.ASCII)


def _replaced(text: str, by: Mapping[str, str]) -> str:
    return "".join(by.get(letter, letter) for letter in text)


def last_lines(text: str, most: int) -> str:
    """The last lines of it that fit into `most` characters, each whole; empty when none does.

    For what is quoted before it is masked: secrets are masked line by line, and half of one would be masked by nobody.
    """
    lines: list[str] = []
    for line in reversed(text.strip().split("\n")):
        most -= len(line) + 1
        if most < -1:
            break
        lines.insert(0, line)
    return "\n".join(lines)
