"""Compressing a file once for all hosts that get it, if compressing pays."""

import asyncio
import tempfile
import zlib
from pathlib import Path

_PIECE = 2**20
_SAMPLE = 2**16
#: A release is mostly a .tar.gz already; only what shrinks by a quarter is worth the work on both ends.
_WORTH = 0.75
#: Below this the round trips cost more than the bytes.
_SMALLEST = 2**16


class PackedFiles:
    """gzip copies by SHA-256, in a temporary folder that goes with `close`."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._packed: dict[str, asyncio.Task[Path | None]] = {}

    async def get(self, source: Path, sha256: str) -> Path | None:
        """The compressed copy, made by the first who asks; None if it would not pay or there is no room for it here."""
        if sha256 not in self._packed:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="headway-")
            target = Path(self._folder.name) / f"{sha256}.gz"
            self._packed[sha256] = asyncio.ensure_future(asyncio.to_thread(_pack, source, target))
        # Shielded: one host's upload that is given up must not take the copy from the others.
        return await asyncio.shield(self._packed[sha256])

    async def close(self) -> None:
        if self._packed:
            await asyncio.wait(self._packed.values())
        self._packed.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _pack(source: Path, target: Path) -> Path | None:
    if not _pays(source):
        return None
    # Level 1: four times the speed of 6 for a tenth more bytes. wbits 31 is the gzip format.
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    try:
        with source.open("rb") as whole, target.open("wb") as packed:
            while piece := whole.read(_PIECE):
                packed.write(packer.compress(piece))
            packed.write(packer.flush())
    except OSError:
        target.unlink(missing_ok=True)
        return None
    return target


def _pays(source: Path) -> bool:
    """Judged by three samples, from the beginning, the middle and the end."""
    size = source.stat().st_size
    if size < _SMALLEST:
        return False
    whole, packed = 0, 0
    with source.open("rb") as file:
        for place in (0, size // 2, max(size - _SAMPLE, 0)):
            file.seek(place)
            sample = file.read(_SAMPLE)
            whole += len(sample)
            packed += len(zlib.compress(sample, 1))
    return packed < whole * _WORTH
