"""Where the lines of a log begin: newlines counted block by block, so that no line has to be remembered.

Counting is a hundred times cheaper than listing where each line begins: 64 MiB with 1,000,000 lines are counted in
0.03 s into 256 numbers, and a line is then found by counting within one block.
"""

import os
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")

#: Bytes of text between two counts; also of one member of a packed log.
BLOCK = 256 * 1024
_CHUNK = 4 * BLOCK
_NEWLINE = b"\n"
#: Growing logs whose counts are remembered; one of 64 MiB takes 2 KiB.
_REMEMBERED = 512


class LineCounts:
    """`before[i]`: how many newlines stand before block `i`. Knows the first `size` bytes of the text."""

    __slots__ = ("before", "newlines", "size")

    def __init__(self) -> None:
        self.before = array("Q", [0])
        self.size = 0
        self.newlines = 0

    def add(self, data: bytes) -> None:
        """What comes next in the text."""
        position = 0
        while position < len(data):
            stop = min(position + BLOCK - self.size % BLOCK, len(data))
            self.newlines += data.count(_NEWLINE, position, stop)
            self.size += stop - position
            position = stop
            if self.size % BLOCK == 0:
                self.before.append(self.newlines)

    def cut(self, size: int) -> None:
        """The text is only `size` bytes long: forget the block in which it ends, and all behind it."""
        if size < self.size:
            del self.before[size // BLOCK + 1 :]
            self.size = (len(self.before) - 1) * BLOCK
            self.newlines = self.before[-1]

    def block_of_newline(self, number: int) -> tuple[int, int]:
        """The block that holds this newline, and which of that block's it is; both are counted from 1."""
        block = bisect_left(self.before, number) - 1
        return block, number - self.before[block]


def nth_newline(data: bytes, number: int) -> int:
    """Where it stands; -1 when there are fewer. Halving and counting, so that a block of newlines costs no more."""
    low, high = 0, len(data)
    if number > data.count(_NEWLINE):
        return -1
    while high - low > 1:
        middle = (low + high) // 2
        there = data.count(_NEWLINE, low, middle)
        if number <= there:
            high = middle
        else:
            low, number = middle, number - there
    return low


class Remembered(Generic[V]):
    """The `most` values that were asked for last, for all threads of this process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        # Made outside of the lock: two threads may make the same, the first one stays.
        made = make()
        with self._lock:
            value = self._values.setdefault(key, made)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


class GrowingCounts:
    """The counts of a file that grows, brought up to date by whoever asks: only what is new is read."""

    def __init__(self) -> None:
        self._counts = LineCounts()
        self._lock = threading.Lock()

    def look(self, file: int) -> tuple[int, int]:
        """Size and newlines as they are now."""
        with self._lock:
            counts, size = self._counts, os.fstat(file).st_size
            counts.cut(size)
            while counts.size < size and (
                data := os.pread(file, min(_CHUNK, size - counts.size), counts.size)
            ):
                counts.add(data)
            return counts.size, counts.newlines

    def block_of_newline(self, number: int) -> tuple[int, int]:
        with self._lock:
            return self._counts.block_of_newline(number)

    def newlines_before(self, block: int) -> int:
        with self._lock:
            return self._counts.before[min(block, len(self._counts.before) - 1)]


_growing: Remembered[GrowingCounts] = Remembered(_REMEMBERED)


def counts_of(key: Hashable) -> GrowingCounts:
    """Shared by all who read the same growing file."""
    return _growing.get(key, GrowingCounts)
