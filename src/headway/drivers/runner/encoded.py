"""Secrets that a tool has encoded as a part of something longer: base64 at any alignment, and hex, wrapped or not.

`base64 <<<"user:$SECRET"` holds no base64 of the secret itself: three bytes become four characters, so the secret's
look depends on how many bytes stand before it. Three texts, one for each remainder, are looked for; at their ends those
characters are left out that the neighbours have a share in. Wrapping puts a newline anywhere, and a cut leaves a part. So
a place is any part of such a text from 8 characters on, of hex from 16, a newline within it or not.

`pattern` matches groups of 4 characters, every fifth of a text, of which one stands whole in any 8 (of hex 8, every ninth,
of which one stands in any 16; every window of 8 would be more to look for than the processor's caches hold). What it finds is compared here, one after the other.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: Those of the URL-safe alphabet, and their elders.
_FOR_URLS = {ord("-"): ord("+"), ord("_"): ord("/")}
#: Bytes of the alphabet as they are, those of the URL-safe one as their elders, anything else as a blank.
_PLAIN = bytes(_FOR_URLS.get(byte, byte if byte in _ALPHABET else ord(" ")) for byte in range(256))
_NEWLINES = b"\r\n"
#: Of a long text (a private key) so many groups are looked for; its parts are then found from a greater length on.
_MOST_ANCHORS = 64
#: A part of hex says four bits a character: it is worth masking from a greater length on than one of base64.
_LEAST_HEX, _LEAST_OF_SHORT = 16, 6
#: By so many characters it is looked up what may begin at a place. No group is shorter.
_HEAD = 4
#: With a newline of two bytes after each but the last.
_WIDEST_HEAD = 3 * _HEAD - 2


@dataclass(frozen=True, slots=True, eq=False)
class _Text:
    """What a secret looks like within an encoding."""

    text: bytes
    #: A part of so many characters is a place.
    least: int
    #: Length of the groups of which a part must hold one; in any `least` characters one of them stands whole.
    group: int

    def anchors(self) -> Iterator[tuple[int, bytes]]:
        """The groups that are looked for, each with its place. One that the text holds twice (indentation) stands in
        other texts as well: its neighbour is taken, if that is better and not far."""
        step = max(self.least - self.group + 1, -(-len(self.text) // _MOST_ANCHORS))
        last = len(self.text) - self.group
        at = -1
        while at < 0 or at + step <= last:
            farthest = min(at + step, last)
            near = range(farthest, max(at, farthest - step // 2 - 1), -1)
            at = next((one for one in near if self._is_single(one)), farthest)
            yield at, self.text[at : at + self.group]

    def _is_single(self, at: int) -> bool:
        group = self.text[at : at + self.group]
        return self.text.find(group) == self.text.rfind(group)


def _texts(value: bytes) -> Iterator[_Text]:
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value).rstrip(b"=")[(0, 2, 3)[before] :]
        # The last character changes with what follows, if the bytes do not come out even.
        firm = len(encoded) - ((before + len(value)) % 3 != 0)
        # One less than all of a short one: its first character may stand alone at a line's end.
        yield _Text(encoded, max(_HEAD, min(8, firm - 1)), _HEAD)
    for encoded in {value.hex().encode(), value.hex().upper().encode()}:
        # Of a short one four less than all: its last byte may be cut off, and a character at either end stand alone.
        least = max(_LEAST_OF_SHORT, min(_LEAST_HEX, len(encoded) - 4))
        yield _Text(encoded, least, min(8, least))


class Encoded:
    """Finds parts of these values' encodings."""

    def __init__(self, values: Iterable[bytes]) -> None:
        texts = [text for value in sorted(set(values)) for text in _texts(value)]
        self._all = b"\0".join(sorted({text.text for text in texts}))
        self._longest = max((len(text.text) for text in texts), default=0)
        self._by_head: dict[bytes, list[tuple[_Text, int]]] = {}
        groups: set[bytes] = set()
        for text in texts:
            for at, group in text.anchors():
                self._by_head.setdefault(group[:_HEAD], []).append((text, at))
                groups.add(group)
        #: A regular expression (RE2, bytes): all places hold a match of it.
        self.pattern = _any_of(sorted(groups))

    def places(self, data: bytes, starts: Iterable[int]) -> set[tuple[int, int]]:
        """Where they stand in `data`, in no order, and one within another. `starts`: where matches of `pattern` begin."""
        found: set[tuple[int, int]] = set()
        runs: dict[_Text, _Run] = {}
        for at in starts:
            head = data[at : at + _WIDEST_HEAD].translate(_PLAIN, _NEWLINES)[:_HEAD]
            for text, offset in self._by_head.get(head, ()):
                run = runs.get(text)
                if run is None or not run.holds(at, offset):
                    run = runs[text] = _Run.around(data, at, text.text, offset)
                    if len(run.places) >= text.least:
                        found.update(run.parts(text))
        return found

    def start_of_tail(self, data: bytes) -> int:
        """Where the bytes begin that may become a part when more comes."""
        end = len(data)
        # A line that ends with one such character is no beginning: else half of all lines would wait for the next.
        shortest = 2 if data[-1:] in (b"\r", b"\n") else 1
        width = 32
        while True:
            window = data[max(0, end - width) :]
            plain = window.translate(_PLAIN, _NEWLINES)
            length = 0
            while length < len(plain) and plain[len(plain) - length - 1 :] in self._all:
                length += 1
            if length < len(plain) or width > 2 * self._longest + 2 or width >= end:
                break
            width *= 4
        if length < shortest:
            return end
        at = len(window)
        while length:
            at -= 1
            length -= window[at] not in _NEWLINES
        return end - len(window) + at


@dataclass(frozen=True, slots=True)
class _Run:
    """Characters of a text that stand in the data one after the other, at most one newline between two."""

    #: Which character of the text is the first.
    offset: int
    #: Where each stands in the data.
    places: list[int]

    @classmethod
    def around(cls, data: bytes, at: int, text: bytes, offset: int) -> "_Run":
        """As far as it goes to both sides of the place `at`, where character `offset` stands."""
        before = list(_along(data, at - 1, reversed(text[:offset]), -1))
        before.reverse()
        return cls(offset - len(before), before + list(_along(data, at, text[offset:], 1)))

    def holds(self, at: int, offset: int) -> bool:
        index = offset - self.offset
        return 0 <= index < len(self.places) and self.places[index] == at

    def parts(self, text: _Text) -> Iterator[tuple[int, int]]:
        """The run, cut where a line holds one character alone, unless it is the text's last."""
        reaches_end = self.offset + len(self.places) == len(text.text)
        lines = self._lines()
        part: list[int] = []
        for number, line in enumerate(lines):
            is_last_of_text = reaches_end and number == len(lines) - 1
            if len(line) > 1 or (part and is_last_of_text):
                part += line
            else:
                yield from _as_place(part, text.least)
                part = []
        yield from _as_place(part, text.least)

    def _lines(self) -> list[list[int]]:
        lines: list[list[int]] = [[]]
        for at in self.places:
            if lines[-1] and at - lines[-1][-1] > 1:
                lines.append([])
            lines[-1].append(at)
        return lines


def _as_place(part: list[int], least: int) -> Iterator[tuple[int, int]]:
    if len(part) >= least:
        yield part[0], part[-1] + 1


def _along(data: bytes, at: int, wanted: Iterable[int], step: int) -> Iterator[int]:
    """The places of these characters from `at` on, to the right (1) or to the left (-1)."""
    for byte in wanted:
        if not 0 <= at < len(data):
            return
        if _PLAIN[data[at]] != byte:
            at += step * _newline_at(data, at, step)
            if not 0 <= at < len(data) or _PLAIN[data[at]] != byte:
                return
        yield at
        at += step


def _newline_at(data: bytes, at: int, step: int) -> int:
    """The length of the newline that begins here, seen to the right, or ends here, seen to the left."""
    if step > 0:
        return 2 if data.startswith(b"\r\n", at) else int(data.startswith(b"\n", at))
    return 2 if at > 0 and data.startswith(b"\r\n", at - 1) else int(data.startswith(b"\n", at))


def _any_of(parts: list[bytes]) -> bytes:
    """A regular expression of these, a newline or none between two characters; what they begin with alike stands there
    once, which keeps RE2's states small."""
    if not parts:
        return b""
    tails: dict[bytes, list[bytes]] = {}
    for part in parts:
        tails.setdefault(part[:1], []).append(part[1:])
    branches = []
    for first, rest in tails.items():
        letter = (
            b"[" + re.escape(first + bytes(new for new, old in _FOR_URLS.items() if old == first[0])) + b"]"
        )
        # What is complete here matches whatever follows.
        branches.append(letter if b"" in rest else letter + rb"(?:\r?\n)?" + _any_of(rest))
    return b"(?:" + b"|".join(branches) + b")"
