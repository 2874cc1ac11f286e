"""The file of a backup: a gzip-compressed tar that begins with what it is and ends with the checksum of every member.

A file that was cut off has no end and is refused; so is one with a member changed, missing or added. Written under a
temporary name, on the disk before it gets its own.

ArchiveInvalid   2   it is no backup, not a whole one, or of a newer Headway
"""

import gzip
import hashlib
import io
import json
import os
import secrets
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from headway.base.errors import DiskFull, Errored, HeadwayError, WrongUse, wants_room

FORMAT = 1
HEADER = "headway-backup.json"
MANIFEST = "manifest.json"
_CHUNK = 1 << 20
#: Logs and artifacts are packed already or pack badly; what this saves are the rows.
_LEVEL = 1
#: Of the header and the manifest, which are read whole: a manifest line is about 150 bytes.
_MOST_JSON = 512 << 20


class ArchiveInvalid(WrongUse):
    pass


@dataclass(slots=True)
class ArchiveWriter:
    _tar: tarfile.TarFile
    #: Member -> its SHA-256 and bytes.
    members: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, name: str, source: BinaryIO | IO[bytes], size: int, *, changed_at: float = 0) -> None:
        """`size` bytes of the source. Raises Errored when it has fewer."""
        if name in self.members:
            raise AssertionError(f"{name} is in the archive already")
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, int(changed_at), 0o600
        hashing = _Hashing(source)
        try:
            self._tar.addfile(info, hashing)
        except OSError as error:
            if error.args and "unexpected end of data" in str(error):
                raise Errored(f"{name} became shorter while it was read") from error
            raise
        # tarfile would remember each of them, at a kilobyte each.
        self._tar.members.clear()  # type: ignore[attr-defined]
        self.members[name] = (hashing.digest(), size)

    def add_bytes(self, name: str, data: bytes) -> None:
        self.add(name, io.BytesIO(data), len(data))


@contextmanager
def writing(target: Path, header: Mapping[str, Any]) -> Iterator[ArchiveWriter]:
    """The archive gets its name when the block ends well; otherwise nothing stays. Raises DiskFull, Errored."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0, filename="") as packed:
                with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                    writer = ArchiveWriter(tar)
                    writer.add_bytes(HEADER, _json({"format": FORMAT, **header}))
                    yield writer
                    manifest = {
                        name: {"sha256": digest, "size": size}
                        for name, (digest, size) in writer.members.items()
                    }
                    writer.add_bytes(MANIFEST, _json({"members": manifest}))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise _of_the_disk(error, f"the backup {target}") from error
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    size: int
    changed_at: float
    #: To be read before the next member is asked for.
    content: IO[bytes]


class ArchiveReader:
    """Members in their order. Only when all of them were read, is it known that the archive is whole: see `verified`."""

    def __init__(self, tar: tarfile.TarFile, path: Path) -> None:
        self._tar = tar
        self._path = path
        self._seen: dict[str, tuple[str, int]] = {}
        self.header: dict[str, Any] = self._begin()
        self.verified = False

    def members(self) -> Iterator[Member]:
        """All but the header and the manifest. Raises ArchiveInvalid."""
        while (info := self._next()) is not None:
            content = _Hashing(self._file(info))
            if info.name == MANIFEST:
                self._verify(content)
                if self._next() is not None:
                    raise self._invalid("something was added behind its end")
                self.verified = True
                return
            if info.name in self._seen:
                raise self._invalid(f"it has {info.name} twice")
            yield Member(_safe(info.name, self._path), info.size, info.mtime, content)  # type: ignore[arg-type]
            while content.read(_CHUNK):
                pass
            self._seen[info.name] = (content.digest(), info.size)
        raise self._invalid("it ends too early")

    def _begin(self) -> dict[str, Any]:
        info = self._next()
        if info is None or info.name != HEADER or info.size > _MOST_JSON:
            raise self._invalid("it is no backup of Headway")
        content = _Hashing(self._file(info))
        header = self._read_json(content)
        self._seen[HEADER] = (content.digest(), info.size)
        if not isinstance(header.get("format"), int) or header["format"] > FORMAT:
            raise ArchiveInvalid(
                f"{self._path} was made by a newer Headway",
                hint="restore it with that version, or a newer one",
            )
        return header

    def _verify(self, content: "_Hashing") -> None:
        members = self._read_json(content).get("members")
        if not isinstance(members, dict):
            raise self._invalid("its list of members cannot be read")
        meant = {name: (each["sha256"], each["size"]) for name, each in members.items()}
        for name in sorted(meant.keys() | self._seen.keys()):
            if meant.get(name) != self._seen.get(name):
                raise self._invalid(f"{name} is not what was written")

    def _next(self) -> tarfile.TarInfo | None:
        try:
            self._tar.members.clear()  # type: ignore[attr-defined]
            return self._tar.next()
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise self._invalid("it ends too early or is damaged") from error

    def _file(self, info: tarfile.TarInfo) -> IO[bytes]:
        file = self._tar.extractfile(info) if info.isreg() else None
        if file is None:
            raise self._invalid(f"{info.name} is no file")
        return file

    def _read_json(self, content: "_Hashing") -> dict[str, Any]:
        try:
            document = json.loads(content.read(_MOST_JSON))
        except ValueError as error:
            raise self._invalid("its description cannot be read") from error
        if not isinstance(document, dict):
            raise self._invalid("its description cannot be read")
        return document

    def _invalid(self, why: str) -> ArchiveInvalid:
        return ArchiveInvalid(f"{self._path} cannot be restored: {why}", hint="take another backup")


@contextmanager
def reading(path: Path) -> Iterator[ArchiveReader]:
    """Raises ArchiveInvalid, Errored."""
    try:
        with path.open("rb") as file:
            try:
                with tarfile.open(fileobj=gzip.GzipFile(fileobj=file), mode="r|") as tar:
                    yield ArchiveReader(tar, path)
            except (EOFError, tarfile.TarError, gzip.BadGzipFile, zlib.error) as error:
                raise ArchiveInvalid(
                    f"{path} cannot be restored: it is damaged, or no backup of Headway ({error})",
                    hint="take another backup",
                ) from error
    except OSError as error:
        raise _of_the_disk(error, f"the backup {path}") from error


class _Hashing:
    """What is read through it is hashed."""

    def __init__(self, source: BinaryIO | IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        return self._hash.hexdigest()


def copied(content: IO[bytes], write: Callable[[bytes], object]) -> None:
    while data := content.read(_CHUNK):
        write(data)


def _safe(name: str, path: Path) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        raise ArchiveInvalid(
            f"{path} cannot be restored: '{name}' leads out of it", hint="take another backup"
        )
    return name


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _of_the_disk(error: OSError, what: str) -> HeadwayError:
    if wants_room(error):
        return DiskFull(f"there is no room for {what}", hint="name a file on a disk with more room")
    place = f"{error.filename}: " if error.filename else ""
    return Errored(f"{what}: {place}{error.strerror or error}", hint="see that it is there, and whose it is")
