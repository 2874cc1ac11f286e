"""A finished log, packed: gzip members of 256 KiB of text each, and behind them members without text that hold the index.

Any gzip program reads the whole file. The index stands in the same file (in gzip's extra field), so file and index
come and go in one rename and never disagree.
"""

import os
import struct
import zlib
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from headway.base.errors import Errored
from headway.drivers.log_lines import BLOCK, LineCounts, Remembered

SUFFIX = ".gz"
#: Of what a killed process left half-packed; the next try begins anew.
PARTIAL = ".partial"
_LEVEL = 6
#: zlib's word for gzip members.
_GZIP = 31
#: Magic, deflate, "has an extra field", no time, no flags, unknown system; then the extra field's length.
_HEADER = struct.Struct("<4sIBBH")
_SUBFIELD = struct.Struct("<2sH")
#: An empty deflate stream, its checksum and length.
_NOTHING = b"\x03\x00" + bytes(8)
#: Packed bytes and newlines of one block.
_RECORD = struct.Struct("<II")
_MOST_RECORDS = (65535 - _SUBFIELD.size) // _RECORD.size
#: Version, where the index begins, bytes of text, newlines, whether the last line has its newline.
_END = struct.Struct("<BQQQB")
_END_SIZE = _HEADER.size + _SUBFIELD.size + _END.size + len(_NOTHING)
_VERSION = 1
#: Unpacked blocks that are remembered: 8 MiB.
_blocks: Remembered[bytes] = Remembered(32)


class LogDamaged(Errored):
    """A packed log whose bytes are not what they were."""


@dataclass(frozen=True, slots=True)
class PackedIndex:
    counts: LineCounts
    #: Where each block's member begins in the file, and where the last one ends.
    places: "array[int]"
    ends_with_newline: bool


def packed_path(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def compress(path: Path) -> bool:
    """Pack the finished log `path` into `path.gz`; False when there is nothing to do. Safe to repeat after any kill.

    The packed file is whole on the disk before it gets its name, and the plain one goes after that. Whoever has
    the plain file open reads on in it. Raises OSError, with the plain file untouched.
    """
    packed, partial = packed_path(path), path.with_name(path.name + PARTIAL)
    try:
        source = path.open("rb", buffering=0)
    except FileNotFoundError:
        return False
    with source:
        before = os.fstat(source.fileno())
        try:
            with open(partial, "wb", opener=_private) as target:
                size = _pack(source, target)
                target.flush()
                os.utime(target.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
                os.fsync(target.fileno())
            if os.fstat(source.fileno()).st_size != size:
                # It grew meanwhile, so it was not finished.
                return False
            partial.rename(packed)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)
        path.unlink(missing_ok=True)
    return True


def read_index(file: int, path: Path) -> PackedIndex:
    """The index of an open packed log. Raises LogDamaged."""
    try:
        file_size = os.fstat(file).st_size
        extra = _extra(os.pread(file, _END_SIZE, max(0, file_size - _END_SIZE)), b"HE")[0]
        version, begin, size, newlines, ends = _END.unpack(extra)
        if version != _VERSION:
            raise ValueError(f"version {version}")
        data = os.pread(file, file_size - _END_SIZE - begin, begin)
        counts, places, position = LineCounts(), array("Q", [0]), 0
        while position < len(data):
            records, length = _extra(data[position:], b"HI")
            position += length
            for packed, lines in _RECORD.iter_unpack(records):
                places.append(places[-1] + packed)
                counts.before.append(counts.before[-1] + lines)
        counts.size, counts.newlines = size, newlines
        if places[-1] != begin or counts.before[-1] != newlines or len(places) - 1 != -(-size // BLOCK):
            raise ValueError("the index does not fit the file")
    except (ValueError, struct.error) as error:
        raise LogDamaged(
            f"the packed log {path} is damaged: {error}", hint="zcat shows what can still be read of it"
        ) from error
    return PackedIndex(counts, places, bool(ends))


def read_block(file: int, index: PackedIndex, block: int, path: Path) -> bytes:
    """The text of one block. Raises LogDamaged."""
    begin, end = index.places[block], index.places[block + 1]
    try:
        text = zlib.decompress(os.pread(file, end - begin, begin), _GZIP, BLOCK)
    except zlib.error as error:
        raise LogDamaged(
            f"the packed log {path} is damaged at byte {begin}: {error}",
            hint="zcat shows what can still be read of it",
        ) from error
    if len(text) != min(BLOCK, index.counts.size - block * BLOCK):
        raise LogDamaged(f"the packed log {path} is damaged at byte {begin}: a block has the wrong length")
    return text


def remembered_block(key: tuple[object, ...], file: int, index: PackedIndex, block: int, path: Path) -> bytes:
    """`read_block`, unless it was read a moment ago. `key` names the file."""
    return _blocks.get((*key, block), lambda: read_block(file, index, block, path))


def _pack(source: BinaryIO, target: BinaryIO) -> int:
    records, size, newlines, last = [], 0, 0, b""
    for text in _blocks_of(source):
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        packed = packer.compress(text) + packer.flush()
        target.write(packed)
        lines = text.count(b"\n")
        records.append(_RECORD.pack(len(packed), lines))
        size, newlines, last = size + len(text), newlines + lines, text[-1:]
    begin = target.tell()
    for first in range(0, len(records), _MOST_RECORDS):
        target.write(_member(b"HI", b"".join(records[first : first + _MOST_RECORDS])))
    target.write(_member(b"HE", _END.pack(_VERSION, begin, size, newlines, last == b"\n")))
    return size


def _blocks_of(source: BinaryIO) -> Iterator[bytes]:
    while text := source.read(BLOCK):
        while len(text) < BLOCK and (more := source.read(BLOCK - len(text))):
            text += more
        yield text


def _member(name: bytes, data: bytes) -> bytes:
    field = _SUBFIELD.pack(name, len(data)) + data
    return _HEADER.pack(b"\x1f\x8b\x08\x04", 0, 0, 255, len(field)) + field + _NOTHING


def _extra(member: bytes, name: bytes) -> tuple[bytes, int]:
    """What the extra field of a member without text holds, and the member's length."""
    magic, _, _, _, length = _HEADER.unpack_from(member)
    found, size = _SUBFIELD.unpack_from(member, _HEADER.size)
    end = _HEADER.size + length
    if magic != b"\x1f\x8b\x08\x04" or found != name or size + _SUBFIELD.size != length:
        raise ValueError("there is no index where it should stand")
    if member[end : end + len(_NOTHING)] != _NOTHING:
        raise ValueError("the index is cut off")
    return member[_HEADER.size + _SUBFIELD.size : end], end + len(_NOTHING)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
