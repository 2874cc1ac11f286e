"""The text of a log, in its two forms: a plain file that may grow, and a packed one that never changes."""

import os
from pathlib import Path
from typing import Protocol

from headway.drivers.log_lines import BLOCK, counts_of
from headway.drivers.log_packing import packed_path, read_index, remembered_block


class Text(Protocol):
    """What both forms can do. Safe to use from several threads, until it is closed."""

    @property
    def path(self) -> Path: ...
    @property
    def is_complete(self) -> bool: ...
    def size(self) -> int: ...
    def look(self) -> tuple[int, int]: ...
    def read(self, offset: int, length: int) -> bytes: ...
    def block_of_newline(self, number: int) -> tuple[int, int]: ...
    def newlines_before(self, block: int) -> int: ...
    def close(self) -> None: ...


def open_text(path: Path) -> Text | None:
    """The plain file, or the packed one in its place, or None. Raises LogDamaged and OSError."""
    # The packed file has its name before the plain one goes: whoever misses the plain one finds the packed one.
    for form, place in ((PlainText, path), (PackedText, packed_path(path))):
        try:
            file = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            return form(place, file)
        except BaseException:
            os.close(file)
            raise
    return None


class PlainText:
    """A file that may grow. It may also be cut shorter when a run is taken over, and then grows to the same bytes
    again; its counts are cut with it."""

    is_complete = False

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file
        # The path names the attempt: an inode that is used again for another log is told apart by it.
        self._counts = counts_of(_identity(path, file))

    def size(self) -> int:
        return os.fstat(self._file).st_size

    def look(self) -> tuple[int, int]:
        """Bytes and newlines as they are now."""
        return self._counts.look(self._file)

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, length, offset)

    def block_of_newline(self, number: int) -> tuple[int, int]:
        return self._counts.block_of_newline(number)

    def newlines_before(self, block: int) -> int:
        return self._counts.newlines_before(block)

    def close(self) -> None:
        os.close(self._file)


class PackedText:
    is_complete = True

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file
        self._key = _identity(path, file)
        self._index = read_index(file, path)

    def size(self) -> int:
        return self._index.counts.size

    def look(self) -> tuple[int, int]:
        return self._index.counts.size, self._index.counts.newlines

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size())
        parts = []
        while offset < end:
            block, within = divmod(offset, BLOCK)
            text = remembered_block(self._key, self._file, self._index, block, self.path)
            part = text if within == 0 and end - offset >= len(text) else text[within : within + end - offset]
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def block_of_newline(self, number: int) -> tuple[int, int]:
        return self._index.counts.block_of_newline(number)

    def newlines_before(self, block: int) -> int:
        return self._index.counts.before[block]

    def close(self) -> None:
        os.close(self._file)


def _identity(path: Path, file: int) -> tuple[object, ...]:
    status = os.fstat(file)
    return (status.st_dev, status.st_ino, str(path))
