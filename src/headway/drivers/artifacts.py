"""Artifacts by content: each file stands once under its SHA-256, is written whole or not at all, checked on read.

ArtifactError            3   the store could not be read or written
├── ArtifactGone         3   it was removed (retention), or never stood here
└── ArtifactCorrupt      3   its bytes are no longer what its name says
ArtifactMissing          1   a job made no file for one of its globs
├── ArtifactOutside      1   a glob's file lies outside of the job's folder
├── ArtifactLinked       1   a link to a folder lies below what a glob names
└── ArtifactNameInvalid  1   a name that no text can hold, or a glob that is none
"""

import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from headway.base.errors import DiskFull, Errored, Failed, wants_room
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


class ArtifactNameInvalid(ArtifactMissing):
    pass


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a glob found: where it lies, and its path relative to the folder, with forward slashes."""

    file: Path
    path: str


class ArtifactStore:
    """The folder of artifacts: `sha256/ab/cdef…`. Threads and processes may share it; all methods block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, file: Path, path: str) -> Artifact:
        """Takes the file's content in and answers with the artifact at `path`.

        The bytes are hashed while they are copied, so what is named is what was stored, even when the file
        changes meanwhile. Content that stands already is written anew, which heals it should it have rotted.
        Raises DiskFull, ArtifactError (also when the file cannot be read).
        """
        partial = self._folder / "partial" / secrets.token_hex(8)
        try:
            self._make(partial.parent)
            with _old_file(file) as source, _new_file(partial) as target:
                mode = os.fstat(source.fileno()).st_mode
                if not stat.S_ISREG(mode):
                    raise ArtifactError(f"{file} is not a regular file", hint="keep files only")
                digest, size = _copy(source, target)
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

    def lay(self, artifact: Artifact, folder: Path) -> Path:
        """Writes the artifact at its path below `folder`, checked, whole or not at all; answers with the file.

        A file that stands there is replaced. Raises ArtifactGone, ArtifactCorrupt, ArtifactOutside, DiskFull.
        """
        target = _inside(folder, artifact.path)
        partial = target.with_name(f".{secrets.token_hex(8)}.partial")
        source_path = self.path_of(artifact)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with source_path.open("rb") as source, partial.open("xb") as written:
                digest, _ = _copy(source, written)
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


def collect(folder: Path, globs: Sequence[str]) -> tuple[Found, ...]:
    """The files below `folder` that the globs name, in order of their paths, each once.

    `*` and `?` stay within a folder, `**` crosses folders, a folder's name takes all files in it; `.git` is never
    taken. A link to a file within `folder` counts as the file, one to a folder as the folder where a glob names it;
    one that lies below what is named is refused. Raises ArtifactMissing naming the glob that found nothing,
    ArtifactOutside for a file or glob that leaves, ArtifactLinked.
    """
    found: dict[str, Found] = {}
    root = Path(os.path.realpath(folder))
    for glob in globs:
        if glob.startswith("/") or ".." in glob.split("/"):
            raise ArtifactOutside(
                f"the artifact '{glob}' leaves the job's folder",
                hint="name it relative to the repository's top",
            )
        matches = list(_matches(root, glob))
        if not matches:
            raise ArtifactMissing(
                f"no file is there for the artifact '{glob}'",
                hint="see the job's log for what it made; a glob is relative to the repository's top",
            )
        for file in matches:
            path = _named(file.relative_to(root))
            found[path] = Found(_resolved(file, root, path), path)
    return tuple(found[path] for path in sorted(found))


def _matches(root: Path, glob: str) -> Iterator[Path]:
    plain = glob.removesuffix("/")
    # What stands there under just this name is meant, even when the name looks like a pattern.
    if os.path.lexists(root / plain):
        candidates = [root / plain]
    else:
        try:
            # `a/**` is all below `a`; by itself it would find the folders only.
            candidates = sorted(root.glob(f"{plain}/*" if plain.endswith("**") else plain))
        except (ValueError, NotImplementedError) as error:
            raise ArtifactNameInvalid(
                f"the artifact '{glob}' is no glob: {error}",
                hint="`**` stands alone between slashes, as in out/**/*.log",
            ) from error
    for candidate in candidates:
        if ".git" in candidate.relative_to(root).parts:
            continue
        if candidate.is_dir():
            if candidate.is_symlink():
                _resolved(candidate, root, _named(candidate.relative_to(root)))
                if "**" in plain:
                    raise _linked(candidate, root)
            if "**" not in plain:
                yield from _files_below(candidate, root)
        elif candidate.is_symlink() or candidate.is_file():
            yield candidate


def _named(path: Path) -> str:
    """The path as text, with forward slashes. Raises ArtifactNameInvalid for bytes that are no UTF-8."""
    text = path.as_posix()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArtifactNameInvalid(
            f"the name of the artifact {os.fsencode(text)!r} is not UTF-8", hint="rename the file in a step"
        ) from None
    return text


def _files_below(folder: Path, root: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in folders:
            if os.path.islink(os.path.join(where, name)):
                raise _linked(Path(where, name), root)
        for name in sorted(files):
            path = Path(where, name)
            if path.is_symlink() or path.is_file():
                yield path


def _linked(link: Path, root: Path) -> ArtifactLinked:
    path = _named(link.relative_to(root))
    return ArtifactLinked(
        f"the artifact '{path}' is a link to a folder, to '{os.fsencode(os.readlink(link)).decode(errors='replace')}'",
        hint="copy the folder instead of linking it, or keep an archive, which holds links: tar -czf dist/app.tar.gz …",
    )


def _resolved(file: Path, root: Path, path: str) -> Path:
    real = Path(os.path.realpath(file))
    if not real.is_relative_to(root):
        raise ArtifactOutside(
            f"the artifact '{path}' is a link that leaves the job's folder, to {real}",
            hint="copy the file instead of linking it",
        )
    if not real.exists():
        raise ArtifactMissing(f"the artifact '{path}' is a link to nothing", hint="copy the file instead")
    return real


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


def _copy(source: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    """SHA-256 and number of the bytes that were copied."""
    digest, size = hashlib.sha256(), 0
    while piece := source.read(_CHUNK):
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
