"""Secrets leave the stream of a job's output before anyone stores or sees it, whatever the borders of its pieces.

Whatever is cut is masked first: half of a secret would be masked by nobody. `beginning_of` and `LastWords` do both; where
the secrets are not known yet, `base.secret.last_lines` leaves out what does not fit whole.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

from headway.base.secret import MASK, Secret
from headway.domain.job import LogCut, Piece, StepMark
from headway.drivers.runner.places import Places


class Masker:
    """Masks a stream that comes in pieces. The result does not depend on where one piece ends and the next begins."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._places = _places(tuple(secrets))
        self._pending = b""

    @property
    def pending(self) -> int:
        """How many bytes are kept back because they may yet become a secret."""
        return len(self._pending)

    def feed(self, data: bytes) -> bytes:
        """What can be told of all that came so far; the rest is kept back."""
        if not self._places:
            return data
        data = self._pending + data
        masked, taken = self._mask(data, is_last=False)
        self._pending = data[taken:]
        return masked

    def finish(self) -> bytes:
        """What was kept back. After this the stream begins anew."""
        data, self._pending = self._pending, b""
        return self._mask(data, is_last=True)[0] if data else b""

    def drop(self) -> None:
        """What was kept back goes: the stream was cut here, and it may be half of a secret."""
        self._pending = b""

    def _mask(self, data: bytes, *, is_last: bool) -> tuple[bytes, int]:
        """The masked bytes, and from how many bytes of `data`."""
        stop = len(data) if is_last else self._places.start_of_tail(data)
        parts: list[bytes] = []
        position = 0
        for begin, end in self._places.find(data):
            if begin >= stop:
                break
            if end > stop:  # a secret goes on in what is kept back: it is kept back whole
                stop = begin
                break
            parts += [data[position:begin], MASK]
            position = end
        parts.append(data[position:stop])
        return b"".join(parts), stop


@lru_cache(maxsize=32)
def _places(secrets: tuple[Secret, ...]) -> Places:
    """To make them takes milliseconds a secret, and a run has thousands of small texts."""
    return Places(secrets)


def mask(data: bytes, secrets: Iterable[Secret]) -> bytes:
    """`data` without secrets."""
    masker = Masker(secrets)
    return masker.feed(data) + masker.finish()


def mask_text(text: str, secrets: Iterable[Secret]) -> str:
    """`text` without secrets."""
    return mask(text.encode("utf-8", "surrogateescape"), secrets).decode("utf-8", "surrogateescape")


def beginning_of(data: bytes, secrets: Iterable[Secret], *, is_whole: bool) -> bytes:
    """`data` without secrets, to be cut by the caller. Unless it `is_whole`, its last bytes may be half of a secret: these go."""
    masker = Masker(secrets)
    masked = masker.feed(data)
    return masked + masker.finish() if is_whole else masked


class LastWords:
    """The end of a stream, masked before it is cut. Holds `most` bytes, and what may yet become a secret."""

    def __init__(self, secrets: Iterable[Secret], most: int) -> None:
        self._masker, self._most = Masker(secrets), most
        self._kept = b""

    def feed(self, data: bytes) -> None:
        self._keep(self._masker.feed(data))

    def drop(self) -> None:
        """See `Masker.drop`."""
        self._masker.drop()

    def finish(self) -> str:
        """After this the stream begins anew."""
        self._keep(self._masker.finish())
        kept, self._kept = self._kept, b""
        return kept.decode("utf-8", "replace")

    def _keep(self, masked: bytes) -> None:
        self._kept = (self._kept + masked)[-self._most :]


class LogKeeper:
    """Appends a job's output to its masked log. Two numbers are all that must be remembered to go on after a kill.

    `taken`: bytes of the runner's file that are in the log, `kept`: bytes of the log. Store both together, after
    `keep`. A keeper made with them cuts the log to `kept`; then follow from its `taken`: no byte is lost or
    doubled. A log shorter than `kept` (a power failure) begins anew from 0: use the keeper's numbers, not yours.
    """

    def __init__(self, path: Path, secrets: Iterable[Secret], *, taken: int = 0, kept: int = 0) -> None:
        """Makes the file, readable by this user only, if it is not there. Raises OSError."""
        self._masker = Masker(secrets)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < kept:
            taken = kept = 0
        os.ftruncate(self._file, kept)
        os.lseek(self._file, kept, os.SEEK_SET)
        self.taken = taken
        self.kept = kept

    def keep(self, piece: Piece) -> list[tuple[StepMark, int]]:
        """Append a piece. Gives its step marks, each with its place in the log (bytes).

        A mark is also a border for the masking: what a step has printed is in the log when its end is told.
        """
        marks: list[tuple[StepMark, int]] = []
        for item in piece.items:
            if isinstance(item, StepMark):
                self._append(self._masker.finish())
                marks.append((item, self.kept))
            elif isinstance(item, LogCut):
                self._masker.drop()
            else:
                self._append(self._masker.feed(item))
        if piece.result is not None:
            if piece.result.output_truncated:
                self._masker.drop()
            self._append(self._masker.finish())
        self.taken = piece.offset - self._masker.pending
        return marks

    def begin_with(self, line: bytes) -> None:
        """A line of ours before all output; once, also after a kill."""
        if not self.kept:
            self._append(line)

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self.kept += len(data)

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
