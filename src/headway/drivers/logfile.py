"""One attempt's masked log, read: any bytes, any lines, a search; plain while it grows, packed once it is finished.

Measured with 1,000,000 lines in 64 MiB: opened and counted in 0.03 s plain and in 0.2 ms packed; then any window of
500 lines in 0.4 ms plain and below 2 ms packed. A log that grows is counted only where it is new, whoever reads it.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from headway.drivers.log_lines import BLOCK, nth_newline
from headway.drivers.log_packing import LogDamaged, compress, packed_path
from headway.drivers.log_texts import Text, open_text

__all__ = ["LogDamaged", "LogFile", "Matches", "Window", "compress", "log_exists", "remove_log"]

#: Bytes of a line that a window shows; the rest is cut.
LONGEST_LINE = 64 * 1024
#: Lines and bytes that one window gives at most; who wants more asks again, from the line after the last.
MOST_LINES = 10_000
MOST_BYTES = 4 << 20
#: Bytes that one search looks through if not told otherwise: about 0.1 s plain, 0.3 s packed.
SEARCHED = 64 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Window:
    """Lines that follow each other. `first` is the number of the first one, counted from 1."""

    first: int
    #: Without their newlines. One longer than 64 KiB is cut, and a mark at its end tells how long it is.
    lines: tuple[bytes, ...]
    #: Where the first one begins, and where the last one ends with its newline, in bytes of the text.
    offset: int
    end: int
    #: Lines of the whole log at this moment.
    total: int


@dataclass(frozen=True, slots=True)
class Matches:
    #: Numbers of the lines that hold the pattern, ascending.
    lines: tuple[int, ...]
    #: Whether the log was looked through to its end.
    complete: bool
    #: The last line that was looked through whole; go on with `first_line=scanned_to + 1`.
    scanned_to: int


class LogFile:
    """Safe to use from several threads; close it when none of them reads any more.

    A log that is not there is an empty one, and is looked for again each time. One that was opened plain stays
    readable when it is packed, or removed, meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opening = threading.Lock()
        self._text: Text | None = None
        self._closed = False

    @classmethod
    def open(cls, path: Path) -> Self:
        """`path` is the plain file's, whichever form there is. Raises LogDamaged, OSError."""
        log = cls(path)
        log._find()
        return log

    @property
    def path(self) -> Path | None:
        """The file that holds it, which may be the packed one; None when there is none (yet, or any more)."""
        text = self._find()
        return text.path if text else None

    @property
    def size(self) -> int:
        """Bytes of text, now."""
        text = self._find()
        return text.size() if text else 0

    @property
    def is_complete(self) -> bool:
        """Whether it is known never to grow again: it is packed. A plain one may be finished, too."""
        text = self._find()
        return text is not None and text.is_complete

    @property
    def lines(self) -> int:
        """How many lines there are now; a last one without a newline counts."""
        text = self._find()
        if text is None:
            return 0
        return _lines(text, *text.look())

    def read(self, offset: int, length: int) -> bytes:
        """What stands there; less than `length` only at the end."""
        text = self._find()
        return text.read(offset, length) if text and offset >= 0 and length > 0 else b""

    def line_of(self, offset: int) -> int:
        """The line in which the byte at `offset` stands; at the very end, the line that would come next."""
        text = self._find()
        if text is None or offset <= 0:
            return 1
        offset = min(offset, text.look()[0])
        block, within = divmod(offset, BLOCK)
        before = text.newlines_before(block)
        return before + text.read(block * BLOCK, within).count(b"\n") + 1

    def offset_of(self, line: int) -> int:
        """Where this line begins; the end of the text when there are fewer lines."""
        text = self._find()
        if text is None or line <= 1:
            return 0
        return _offset_of(text, line, *text.look())

    def window(self, first_line: int, count: int) -> Window:
        """The lines `first_line` to `first_line + count - 1`, as far as they are there.

        At most MOST_LINES and about MOST_BYTES (but one line at least); see `len(window.lines)`.
        """
        text = self._find()
        first = max(1, first_line)
        if text is None:
            return Window(first, (), 0, 0, 0)
        size, newlines = text.look()
        total = _lines(text, size, newlines)
        last = min(first + min(count, MOST_LINES) - 1, total)
        begin = _offset_of(text, first, size, newlines)
        if last < first:
            return Window(first, (), begin, begin, total)
        end = _offset_of(text, last + 1, size, newlines)
        if end - begin <= MOST_BYTES:
            found = _whole_lines(text.read(begin, end - begin))
        else:
            found, end = _walk(text, begin, first, last, (size, newlines))
        return Window(first, tuple(found), begin, end, total)

    def search(
        self,
        pattern: bytes,
        *,
        first_line: int = 1,
        limit: int = 1000,
        ignore_case: bool = False,
        most_bytes: int = SEARCHED,
    ) -> Matches:
        """The lines from `first_line` on that hold `pattern`: at most `limit`, in at most about `most_bytes`.

        Colours and other control sequences count as they stand. `ignore_case` knows ASCII's letters. Raises
        ValueError for a pattern that no line can hold.
        """
        if not pattern or b"\n" in pattern:
            raise ValueError("a pattern is a part of one line")
        text, first = self._find(), max(1, first_line)
        if text is None:
            return Matches((), complete=True, scanned_to=0)
        size, newlines = text.look()
        total = _lines(text, size, newlines)
        if first > total:
            return Matches((), complete=True, scanned_to=total)
        begin = _offset_of(text, first, size, newlines)
        finder = _Finder(pattern, first, ignore_case=ignore_case)
        for piece, position in _pieces(text, begin, size):
            finder.look_through(piece)
            if len(finder.found) >= limit:
                last = finder.found[limit - 1] if limit > 0 else first - 1
                complete = last == total or (position >= size and len(finder.found) == limit)
                return Matches(tuple(finder.found[:limit]), complete, total if complete else last)
            # A line is looked through whole even if it is longer than `most_bytes`: the next call could not go on.
            if position - begin >= most_bytes and finder.line > first and position < size:
                done = finder.line - 1
                return Matches(tuple(line for line in finder.found if line <= done), False, done)
        return Matches(tuple(finder.found), complete=True, scanned_to=total)

    def close(self) -> None:
        with self._opening:
            self._closed = True
            if self._text is not None:
                self._text.close()
                self._text = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find(self) -> Text | None:
        text = self._text
        if text is None:
            with self._opening:
                if self._closed:
                    raise ValueError("the log was closed")
                if self._text is None:
                    self._text = open_text(self._path)
                text = self._text
        return text


def log_exists(path: Path) -> bool:
    """Whether there is a log, in either form. `path` is the plain file's."""
    return path.exists() or packed_path(path).exists()


def remove_log(path: Path) -> None:
    """Both of its forms. Whoever has it open reads on."""
    path.unlink(missing_ok=True)
    packed_path(path).unlink(missing_ok=True)


class _Finder:
    """Looks for a pattern through pieces of a text that follow each other."""

    def __init__(self, pattern: bytes, line: int, *, ignore_case: bool) -> None:
        self._pattern = pattern.lower() if ignore_case else pattern
        self._ignore_case = ignore_case
        #: The end of the last piece, in which the pattern may have begun.
        self._tail = b""
        #: The line in which the next piece begins.
        self.line = line
        self.found: list[int] = []

    def look_through(self, piece: bytes) -> None:
        if self._ignore_case:
            piece = piece.lower()
        # The pattern has no newline, so neither has any tail that matters: the line at its start is `self.line`.
        data = self._tail + piece
        line, counted = self.line, 0
        at = data.find(self._pattern)
        while at >= 0:
            line, counted = line + data.count(b"\n", counted, at), at
            if not self.found or self.found[-1] != line:
                self.found.append(line)
            end = data.find(b"\n", at)
            at = data.find(self._pattern, end) if end >= 0 else -1
        self.line = line + data.count(b"\n", counted)
        length = len(self._pattern) - 1
        self._tail = data[-length:].rpartition(b"\n")[2] if length else b""


def _lines(text: Text, size: int, newlines: int) -> int:
    if size == 0:
        return 0
    return newlines + (text.read(size - 1, 1) != b"\n")


def _offset_of(text: Text, line: int, size: int, newlines: int) -> int:
    if line <= 1:
        return 0
    if line - 1 > newlines:
        return size
    block, number = text.block_of_newline(line - 1)
    found = nth_newline(text.read(block * BLOCK, BLOCK), number)
    # None: the file was cut shorter since it was looked at.
    return size if found < 0 else block * BLOCK + found + 1


def _whole_lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [_cut(line, len(line)) if len(line) > LONGEST_LINE else line for line in lines]


def _cut(line: bytes, length: int) -> bytes:
    return line[:LONGEST_LINE] + f" … [cut: this line has {length:,} bytes]".encode()


def _walk(text: Text, begin: int, first: int, last: int, known: tuple[int, int]) -> tuple[list[bytes], int]:
    """Lines until MOST_BYTES are shown, and where they end. What is cut of a line is not even read."""
    found: list[bytes] = []
    position, shown, line = begin, 0, first
    while line <= last and (not found or shown < MOST_BYTES):
        data = text.read(position, _CHUNK)
        whole, newline, _ = data.rpartition(b"\n")
        if newline:
            here = whole.split(b"\n")[: last - line + 1]
            position += sum(map(len, here)) + len(here)
        else:
            end = _offset_of(text, line + 1, *known)
            length = end - position - (text.read(end - 1, 1) == b"\n")
            here = [data if length <= len(data) else data[:LONGEST_LINE]]
            if length > LONGEST_LINE:
                here = [_cut(data, length)]
            position = end
        found += [_cut(each, len(each)) if newline and len(each) > LONGEST_LINE else each for each in here]
        shown = sum(map(len, found))
        line += len(here)
    return found, position


def _pieces(text: Text, begin: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Pieces of the text, and where each one ends."""
    while begin < end and (data := text.read(begin, min(_CHUNK, end - begin))):
        begin += len(data)
        yield data, begin
