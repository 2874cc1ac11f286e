"""Artifacts by content: each file stands once under its SHA-256, is written whole or not at all, checked on read.

ArtifactError            3   the store could not be read or written
├── ArtifactGone         3   it was removed (retention), or never stood here
└── ArtifactCorrupt      3   its bytes are no longer what its name says
ArtifactMissing          1   a job made no file for one of its globs
├── ArtifactOutside      1   a glob's file lies outside of the job's folder
├── ArtifactLinked       1   a link to a folder lies below what a glob names
├── TooManyFiles         1   so many that they would be looked through without an end
└── ArtifactNameInvalid  1   a name that no text can hold, or a glob that is none
"""

import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from headway.base.errors import DiskFull, Errored, Failed, wants_room
from headway.base.stopping import StopSign
from headway.domain.release import Artifact

_CHUNK = 1 << 20


class ArtifactError(Errored):
    pass


class ArtifactGone(ArtifactError):
    pass


class ArtifactCorrupt(ArtifactError):
    pass


class ArtifactMissing(Failed):
    pass


class ArtifactOutside(ArtifactMissing):
    pass


class ArtifactLinked(ArtifactMissing):
    pass


class TooManyFiles(ArtifactMissing):
    pass


class ArtifactNameInvalid(ArtifactMissing):
    pass


class ArtifactStore:
    """The folder of artifacts: `sha256/ab/cdef…`. Threads and processes may share it; all methods block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, file: Path, path: str, sign: StopSign | None = None) -> Artifact:
        """Takes the file's content in and answers with the artifact at `path`.

        The bytes are hashed while they are copied, so what is named is what was stored, even when the file
        changes meanwhile. Content that stands already is written anew, which heals it should it have rotted.
        Raises DiskFull, ArtifactError (also when the file cannot be read), Stopped by the sign.
        """
        partial = self._folder / "partial" / secrets.token_hex(8)
        try:
            self._make(partial.parent)
            with _old_file(file) as source, _new_file(partial) as target:
                mode = os.fstat(source.fileno()).st_mode
                if not stat.S_ISREG(mode):
                    raise ArtifactError(f"{file} is not a regular file", hint="keep files only")
                digest, size = _copy(source, target, sign)
                target.flush()
                os.fsync(target.fileno())
            place = self._place(digest)
            self._make(place.parent)
            with self._locked(fcntl.LOCK_SH):
                partial.rename(place)
            _sync_folder(place.parent)
        except OSError as error:
            raise _store_error(error, f"the artifact {path}") from error
        finally:
            partial.unlink(missing_ok=True)
        return Artifact(path=path, sha256=digest, size=size, executable=bool(mode & stat.S_IXUSR))

    def path_of(self, artifact: Artifact) -> Path:
        """Where the content lies, to be read only; its bytes are not checked here. Raises ArtifactGone."""
        place = self._place(artifact.sha256)
        if not place.exists():
            raise ArtifactGone(
                f"the artifact {artifact.path} ({artifact.sha256[:12]}) is gone from this machine's store",
                hint="make it anew: headway run, at the same commit",
            )
        return place

    def verified(self, artifact: Artifact) -> Path:
        """Where the content lies, after reading all of it. Raises ArtifactGone, ArtifactCorrupt, ArtifactError."""
        place = self.path_of(artifact)
        try:
            with place.open("rb") as source:
                digest = hashlib.file_digest(source, "sha256").hexdigest()
        except OSError as error:
            raise _store_error(error, f"the artifact {artifact.path}") from error
        if digest != artifact.sha256:
            raise _corrupt(artifact, place)
        return place

    def lay(self, artifact: Artifact, folder: Path, sign: StopSign | None = None) -> Path:
        """Writes the artifact at its path below `folder`, checked, whole or not at all; answers with the file.

        A file that stands there is replaced. Raises ArtifactGone, ArtifactCorrupt, ArtifactOutside, DiskFull.
        """
        target = _inside(folder, artifact.path)
        partial = target.with_name(f".{secrets.token_hex(8)}.partial")
        source_path = self.path_of(artifact)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with source_path.open("rb") as source, partial.open("xb") as written:
                digest, _ = _copy(source, written, sign)
                # Bits that the user's umask takes away stay away.
                if artifact.executable:
                    mode = os.fstat(written.fileno()).st_mode
                    os.fchmod(written.fileno(), mode | (mode & 0o444) >> 2)
            if digest != artifact.sha256:
                raise _corrupt(artifact, source_path)
            partial.replace(target)
        except OSError as error:
            raise _store_error(error, f"the artifact {artifact.path}") from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        return target

    def renew(self, artifacts: Sequence[Artifact]) -> None:
        """Makes these as young as new ones, so that no retention under way takes them. Raises ArtifactGone."""
        with self._locked(fcntl.LOCK_SH):
            for artifact in artifacts:
                os.utime(self.path_of(artifact))

    def digests(self) -> Iterator[str]:
        """The SHA-256 of everything that stands here."""
        for place in (self._folder / "sha256").glob("??/*"):
            yield place.parent.name + place.name

    def remove(self, digest: str, *, older_than: datetime) -> int | None:
        """Removes content unless it was kept or renewed since; answers with its bytes, or None if it stays."""
        place = self._place(digest)
        with self._locked(fcntl.LOCK_EX), suppress(FileNotFoundError):
            found = place.stat()
            if found.st_mtime < older_than.timestamp():
                place.unlink()
                return found.st_size
        return None

    def remove_partial(self, *, older_than: datetime) -> None:
        """Removes what killed processes left half-written."""
        for partial in (self._folder / "partial").glob("*"):
            with suppress(FileNotFoundError):
                if partial.stat().st_mtime < older_than.timestamp():
                    partial.unlink()

    def _place(self, digest: str) -> Path:
        return self._folder / "sha256" / digest[:2] / digest[2:]

    def _make(self, folder: Path) -> None:
        """Folders that stand above the store get the usual mode, ours are private."""
        if not folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Shared to keep and renew, exclusive to remove: nothing is removed that is being taken in."""
        self._make(self._folder)
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, how)
            yield


def _inside(folder: Path, path: str) -> Path:
    """The place of `path` below `folder`, however it is written and whatever links stand on the way."""
    target = folder / path
    real = Path(os.path.realpath(target.parent))
    if path.startswith("/") or ".." in path.split("/") or not real.is_relative_to(os.path.realpath(folder)):
        raise ArtifactOutside(f"the artifact '{path}' would lie outside of {folder}", hint="rename it")
    return target


def _old_file(path: Path) -> BinaryIO:
    """Opened for reading; O_NONBLOCK, because a named pipe would hold us until somebody writes to it."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _copy(source: BinaryIO, target: BinaryIO, sign: StopSign | None = None) -> tuple[str, int]:
    """SHA-256 and number of the bytes that were copied."""
    digest, size = hashlib.sha256(), 0
    while piece := source.read(_CHUNK):
        if sign is not None:
            sign.check()
        digest.update(piece)
        target.write(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _corrupt(artifact: Artifact, place: Path) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"the artifact {artifact.path} is damaged: {place} no longer has the SHA-256 {artifact.sha256[:12]}…",
        hint="make it anew, which replaces the damaged file: headway run, at the same commit",
    )


def _store_error(error: OSError, thing: str) -> DiskFull | ArtifactError:
    if wants_room(error):
        return DiskFull(
            f"the disk is full: {thing} could not be written", hint="free some space, then try again"
        )
    return ArtifactError(f"{thing}: {error.strerror}: {error.filename}", hint="see the file's owner and mode")
