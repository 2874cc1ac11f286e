"""Secrets that a tool has encoded as a part of something longer: base64 at any alignment, and hex, wrapped or not.

`base64 <<<"user:$SECRET"` holds no base64 of the secret itself: three bytes become four characters, so the secret's
look depends on how many bytes stand before it. Three texts, one for each remainder, are looked for; at their ends those
characters are left out that the neighbours have a share in. Wrapping puts a newline anywhere, and a cut leaves a part. So
a place is any part of such a text from 8 characters on, a newline within it or not; of hex it is the whole.

To find it has to be quick, for nearly all that is looked through holds none. Most of a log are small letters, and any 8
characters of base64 hold some capitals and digits: so only those are kept of it, a fifth, and there `bytes.find` looks for
a few of each secret's that follow one another (`signs`). Only where one is found the data itself is looked through, for
every fifth group of 4, one of which stands whole in any 8 characters, and what was found is compared one by one.
"""

import base64
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: Bytes of the alphabet as they are, those of the URL-safe one as their elders, anything else as a blank.
_PLAIN = bytes(
    {ord("-"): ord("+"), ord("_"): ord("/")}.get(byte, byte if byte in _ALPHABET else ord(" "))
    for byte in range(256)
)
_NEWLINES = b"\r\n"
_NEWLINE = re.compile(rb"[\r\n]")
#: Of a long text (a private key) so many groups are looked for; its parts are then found from a greater length on.
_MOST_ANCHORS = 64
_FEW = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_ALL_BUT_FEW = bytes(byte for byte in range(256) if byte not in _FEW)
#: Of capitals and digits so many in a row: rare enough in a log.
_SIGN = 3
_LAST_DIGIT = ord("9")


@dataclass(frozen=True, slots=True)
class _Text:
    """What a secret looks like within an encoding."""

    text: bytes
    #: A part of so many characters is a place.
    least: int
    #: Length of the groups that are looked for; in any `least` characters one of them stands whole.
    group: int

    @property
    def _step(self) -> int:
        return max(self.least - self.group + 1, -(-len(self.text) // _MOST_ANCHORS))

    def anchors(self) -> Iterator[tuple[bytes, int]]:
        last = len(self.text) - self.group
        for at in range(min(self._step - 1, last), last + 1, self._step):
            yield self.text[at : at + self.group], at

    def signs(self) -> tuple[set[bytes], set[bytes]]:
        """What stands in each part that can be found: some capitals and digits in a row, or else a group."""
        few = [at for at, byte in enumerate(self.text) if byte in _FEW]
        width = min(self._step + self.group - 1, len(self.text))
        length = max(_SIGN, min(2 * _SIGN, width // 5))
        rows = {few[at]: few[at : at + length] for at in range(len(few) - length + 1)}
        signs: set[bytes] = set()
        groups: set[bytes] = set()
        covered = -1
        for end in range(width, len(self.text) + 1):
            if covered >= end - width:
                continue
            # The last ones of a part stand in the most parts behind it. Digits alone stand in every log.
            inside = [row for at, row in rows.items() if at >= end - width and row[-1] < end]
            told = [(row[0], bytes(self.text[at] for at in row)) for row in inside]
            covered, sign = max(
                (one for one in told if sum(byte > _LAST_DIGIT for byte in one[1]) > 1), default=(-1, b"")
            )
            if covered >= 0:
                signs.add(sign)
            else:
                covered = end - self.group
                groups.add(self.text[covered:end])
        return signs, groups


def _texts(value: bytes) -> Iterator[_Text]:
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value).rstrip(b"=")[(0, 2, 3)[before] :]
        # The last character changes with what follows, if the bytes do not come out even.
        firm = len(encoded) - ((before + len(value)) % 3 != 0)
        # One less than all of a short one: its first character may stand alone at a line's end.
        yield _Text(encoded, max(4, min(8, firm - 1)), 4)
    for encoded in {value.hex().encode(), value.hex().upper().encode()}:
        yield _Text(encoded, len(encoded), 8)


class Encoded:
    """Finds parts of these values' encodings."""

    def __init__(self, values: Iterable[bytes]) -> None:
        texts = [text for value in sorted(set(values)) for text in _texts(value)]
        self._all = b"\0".join(sorted({text.text for text in texts}))
        self._longest = max((len(text.text) for text in texts), default=0)
        self._signs: dict[bytes, list[_Text]] = {}
        self._groups: dict[bytes, list[_Text]] = {}
        for text in texts:
            for known, told in zip((self._signs, self._groups), text.signs(), strict=True):
                for one in told:
                    known.setdefault(one, []).append(text)

    def places(self, data: bytes) -> set[tuple[int, int]]:
        """Where they stand in `data`, in no order, and one within another."""
        found: set[tuple[int, int]] = set()
        few, plain = data.translate(None, _ALL_BUT_FEW), data.translate(_PLAIN, _NEWLINES)
        suspects: dict[_Text, None] = {}
        for known, where in ((self._signs, few), (self._groups, plain)):
            for sign, texts in known.items():
                if sign in where:
                    suspects |= dict.fromkeys(texts)
        lines: _Lines | None = None
        for text in suspects:
            for anchor, offset in text.anchors():
                at = plain.find(anchor)
                while at >= 0:
                    lines = lines or _Lines(data, plain)
                    found.update(lines.parts(text, offset, at))
                    at = plain.find(anchor, at + 1)
        return found

    def start_of_tail(self, data: bytes) -> int:
        """Where the bytes begin that may become a part when more comes."""
        end = len(data)
        newline = len(data) - len(data.rstrip(_NEWLINES))
        # A line that ends with one such character is no beginning: else half of all lines would wait for the next.
        shortest = 2 if newline else 1
        window = data[max(0, end - 2 * self._longest - 2) :]
        plain = window.translate(_PLAIN, _NEWLINES)
        length = 0
        while length < len(plain) and plain[len(plain) - length - 1 :] in self._all:
            length += 1
        if length < shortest:
            return end
        return len(data) - len(window) + _Lines(window, plain).place(len(plain) - length)


class _Lines:
    """Data with its newlines, and without: which character stands where."""

    def __init__(self, data: bytes, plain: bytes) -> None:
        self._data = data
        self._plain = plain
        # Where in `plain` the newlines would stand.
        self._newlines = [found.start() - number for number, found in enumerate(_NEWLINE.finditer(data))]

    def place(self, at: int) -> int:
        """The place in the data of a character of `plain`."""
        return at + bisect_right(self._newlines, at)

    def parts(self, text: _Text, offset: int, at: int) -> Iterator[tuple[int, int]]:
        """The places around the character `at` of `plain`, which is number `offset` of the text."""
        begin, end, last = at, at, at - offset + len(text.text)
        while begin > max(0, at - offset) and self._plain[begin - 1] == text.text[begin - 1 - at + offset]:
            begin -= 1
        while end < min(last, len(self._plain)) and self._plain[end] == text.text[end - at + offset]:
            end += 1
        for first, stop in self._joined(begin, end, last):
            if stop - first >= text.least:
                yield self.place(first), self.place(stop - 1) + 1

    def _joined(self, begin: int, end: int, last: int) -> Iterator[tuple[int, int]]:
        """Cut where something else than one newline stands, and where a line holds one character alone, unless it is the
        text's last."""
        lines: list[tuple[int, int]] = []
        first = begin
        for at in range(begin + 1, end + 1):
            if at == end or self.place(at) - self.place(at - 1) > 1:
                lines.append((first, at))
                first = at
        start: int | None = None
        stop = begin
        for line_begin, line_end in lines:
            is_long = line_end - line_begin > 1 or line_end == last
            if start is not None and not (is_long and self._is_newline(line_begin)):
                yield start, stop
                start = None
            if start is None and line_end - line_begin > 1:
                start = line_begin
            stop = line_end
        if start is not None:
            yield start, stop

    def _is_newline(self, at: int) -> bool:
        """Whether one newline parts this character from the one before."""
        return self._data[self.place(at - 1) + 1 : self.place(at)] in (b"\n", b"\r\n")
