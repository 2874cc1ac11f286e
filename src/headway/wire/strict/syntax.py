"""TOML text as tomllib reads it, of a bounded size: tomllib keeps each beginning of each key together with its table's,
so a hundred lines of a thousand dots each cost it gigabytes. What is built is counted before it sees the text."""

import re
import tomllib
from typing import Any

#: Levels. Ours need 7; an indicator may bring tables of its own.
DEEPEST = 24
#: Parts of all keys, each with those of its table, and items of lists. A file of 256 KiB that people write has less than 20,000.
MOST_PARTS = 50_000

_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
#: Numbers, dates and words, which end where something else may begin.
_SCALAR = re.compile(r"[^ \t\n,\[\]{}\"'#]+")
_STOPS = re.compile(r'["\\\n]')


class TooMuch(ValueError):
    """More than any file of ours has; line and column count from 1."""

    def __init__(self, message: str, text: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = text.count("\n", 0, at) + 1
        self.column = at - text.rfind("\n", 0, at)


def load_toml(text: str) -> dict[str, Any]:
    """Raises TooMuch, and what tomllib raises: TOMLDecodeError, ValueError, RecursionError."""
    _Scan(text.replace("\r\n", "\n")).to_the_end()
    return tomllib.loads(text)


def parts_of(text: str) -> int:
    """Of all keys, each with those of its table, and commas between items. Raises TooMuch."""
    scan = _Scan(text.replace("\r\n", "\n"))
    scan.to_the_end()
    return scan.total


class _Scan:
    """One walk through the text, each character once. It knows just enough to tell keys from values.

    Where the text is no TOML it stops: tomllib reads no further either, and says why.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.total = 0
        #: Levels of the table whose header came last.
        self.header = 0
        #: Of each array and inline table that is open: what closes it, and the levels of what stands in it.
        self.open: list[tuple[str, int]] = []
        #: Levels of the value that comes next.
        self.level = 0
        self.wants_key = True

    def to_the_end(self) -> None:
        while self.at < len(self.text) and self._step(self.text[self.at]):
            pass

    def _step(self, char: str) -> bool:
        """One token; False: this is no TOML."""
        if char in " \t":
            self._skip_space()
        elif char == "\n":
            self.at += 1
            self.wants_key = self.wants_key or not self.open
        elif char == "#":
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif self.wants_key and char == "[" and not self.open:
            return self._table()
        elif self.wants_key and char != "}":
            return self._key()
        elif char in "\"'":
            return self._string()
        elif char in "[{":
            self._begin(char)
        elif char in "]}":
            return self._end(char)
        elif char == ",":
            return self._next()
        else:
            self._scalar()
        return True

    def _skip_space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _table(self) -> bool:
        self.at += 2 if self.text.startswith("[[", self.at) else 1
        self.wants_key = False
        self.header = self._parts(0)
        if not self.header or not self.text.startswith("]", self.at):
            return False
        self.at += 2 if self.text.startswith("]]", self.at) else 1
        return True

    def _key(self) -> bool:
        above = self.open[-1][1] if self.open else self.header
        parts = self._parts(above)
        if not parts or not self.text.startswith("=", self.at):
            return False
        self.at += 1
        self.level, self.wants_key = above + parts, False
        return True

    def _parts(self, above: int) -> int:
        """Reads a key and counts its parts; 0: there is none."""
        parts = 0
        while True:
            self._skip_space()
            bare = _BARE_KEY.match(self.text, self.at)
            if bare is not None:
                self.at = bare.end()
            elif not self.text.startswith(("'", '"'), self.at) or not self._string():
                return 0
            parts += 1
            self._count(above + parts)
            self._skip_space()
            if not self.text.startswith(".", self.at):
                self._sum(above + parts)
                return parts
            self.at += 1

    def _string(self) -> bool:
        quote = self.text[self.at]
        if self.text.startswith(quote * 3, self.at):
            return self._ends(quote * 3, 3) and self._extra(quote)
        return self._ends(quote, 1)

    def _ends(self, closing: str, begin: int) -> bool:
        """Goes behind the end of a string that begins with `begin` quotation marks."""
        text, at, lines = self.text, self.at + begin, begin == 3
        if closing[0] == "'":
            end = text.find(closing, at)
            self.at = end + len(closing)
            return end >= 0 and (lines or "\n" not in text[at:end])
        while (stop := _STOPS.search(text, at)) is not None:
            at = stop.end()
            if stop[0] == "\\":
                at += 1
            elif stop[0] == "\n" and not lines:
                return False
            elif text.startswith(closing, stop.start()):
                self.at = stop.start() + len(closing)
                return True
        return False

    def _extra(self, quote: str) -> bool:
        """A text of several lines may end with up to two quotation marks of its own."""
        for _ in range(2):
            self.at += self.text.startswith(quote, self.at)
        return True

    def _begin(self, char: str) -> None:
        self._count(self.level)
        # An item's number is a level as well.
        self.level += char == "["
        self.open.append(("]" if char == "[" else "}", self.level))
        self.wants_key = char == "{"
        self.at += 1

    def _end(self, char: str) -> bool:
        if not self.open or self.open.pop()[0] != char:
            return False
        self.wants_key = False
        self.at += 1
        return True

    def _next(self) -> bool:
        if not self.open:
            return False
        closing, self.level = self.open[-1]
        if closing == "]":
            self._sum(1)
        self.wants_key = closing == "}"
        self.at += 1
        return True

    def _scalar(self) -> None:
        found = _SCALAR.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _count(self, levels: int) -> None:
        if levels > DEEPEST:
            raise TooMuch(f"this is nested deeper than {DEEPEST} levels", self.text, self.at)

    def _sum(self, parts: int) -> None:
        self.total += parts
        if self.total > MOST_PARTS:
            message = f"down to here there are more than {MOST_PARTS:,} parts of keys (each with its table's) and items"
            raise TooMuch(message, self.text, self.at)
