"""The files that a job's globs name, in its folder: each entry is looked at once for each glob, and never without an end."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.base.globs import Glob, Unreadable, read_path_glob
from headway.base.stopping import StopSign
from headway.drivers.artifacts import (
    ArtifactLinked,
    ArtifactMissing,
    ArtifactNameInvalid,
    ArtifactOutside,
    TooManyFiles,
)

#: Entries that all globs of a job may look at (some seconds' work), and files that they may find.
MOST_LOOKS, MOST_FILES = 5_000_000, 100_000


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a glob found: where it lies, and its path relative to the folder, with forward slashes."""

    file: Path
    path: str


def collect(folder: Path, globs: Sequence[str], sign: StopSign | None = None) -> tuple[Found, ...]:
    """The files below `folder` that the globs name, in order of their paths, each once.

    `*` and `?` stay within a folder, `**` crosses folders, a folder's name takes all files in it; `.git` is never
    taken. A link to a file within `folder` counts as the file, one to a folder as the folder where a glob names it;
    one that lies below what is named is refused. Raises ArtifactMissing naming the glob that found nothing,
    ArtifactOutside for a file or glob that leaves, ArtifactLinked, TooManyFiles, and Stopped by the sign.
    """
    found: dict[str, Found] = {}
    root = Path(os.path.realpath(folder))
    walk = _Walk(root, sign or StopSign())
    for glob in globs:
        if glob.startswith("/") or ".." in glob.split("/"):
            raise ArtifactOutside(
                f"the artifact '{glob}' leaves the job's folder",
                hint="name it relative to the repository's top",
            )
        is_there = False
        for file in walk.matches(glob):
            is_there = True
            path = _named(file.relative_to(root))
            found[path] = Found(_resolved(file, root, path), path)
            if len(found) > MOST_FILES:
                raise TooManyFiles(
                    f"more than {MOST_FILES:,} files are there for the artifact '{glob}'",
                    hint="keep them as an archive: tar -czf out.tar.gz …",
                )
        if not is_there:
            raise ArtifactMissing(
                f"no file is there for the artifact '{glob}'",
                hint="see the job's log for what it made; a glob is relative to the repository's top",
            )
    return tuple(found[path] for path in sorted(found))


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    #: Where the glob stands here; None: all below is taken.
    places: int | None


class _Walk:
    """Through one job's folder; counts what it looks at over all globs."""

    def __init__(self, root: Path, sign: StopSign) -> None:
        self._root = root
        self._sign = sign
        self._looks = 0

    def matches(self, text: str) -> Iterator[Path]:
        plain = Path(text)
        # What stands there under just this name is meant, even when the name looks like a pattern.
        if os.path.lexists(self._root / plain):
            yield from self._named(plain)
            return
        try:
            glob = read_path_glob(text)
        except Unreadable as error:
            raise ArtifactNameInvalid(
                f"the artifact '{text}' is no glob: {error}",
                hint="`**` stands alone between slashes, as in out/**/*.log",
            ) from error
        yield from self._below(_Folder(str(self._root), glob.begin()), glob)

    def _named(self, plain: Path) -> Iterator[Path]:
        if ".git" in plain.parts:
            return
        place = self._root / plain
        if place.is_dir():
            if place.is_symlink():
                _resolved(place, self._root, _named(plain))
            yield from self._below(_Folder(str(place), None), None)
        elif place.is_symlink() or place.is_file():
            yield place

    def _below(self, top: _Folder, glob: Glob | None) -> Iterator[Path]:
        """Without recursion, for folders may be nested deeply."""
        ahead = [top]
        while ahead:
            folder = ahead.pop()
            try:
                entries = os.scandir(folder.path)
            except OSError:
                # One that may not be read, or has gone.
                continue
            with entries:
                for entry in entries:
                    self._look()
                    if entry.name == ".git":
                        continue
                    places, is_taken = folder.places, folder.places is None
                    if glob is not None and places is not None:
                        places = glob.step(places, entry.name)
                        is_taken = glob.is_end(places)
                    if places == 0:
                        continue
                    if entry.is_dir():
                        inner = self._enter(entry, folder, glob, places, is_taken=is_taken)
                        if inner is not None:
                            ahead.append(inner)
                    elif is_taken and (entry.is_symlink() or entry.is_file()):
                        yield Path(entry.path)

    def _enter(
        self,
        entry: "os.DirEntry[str]",
        folder: _Folder,
        glob: Glob | None,
        places: int | None,
        *,
        is_taken: bool,
    ) -> _Folder | None:
        crosses = glob is not None and folder.places is not None and glob.crosses
        if entry.is_symlink():
            if is_taken:
                link = Path(entry.path)
                _resolved(link, self._root, _named(link.relative_to(self._root)))
                if crosses or folder.places is None:
                    raise _linked(link, self._root)
            elif crosses:
                # Else a link to a folder above would be walked through for ever.
                return None
        return _Folder(entry.path, None if is_taken and not crosses else places)

    def _look(self) -> None:
        self._sign.check()
        self._looks += 1
        if self._looks > MOST_LOOKS:
            raise TooManyFiles(
                f"to find the artifacts more than {MOST_LOOKS:,} files and folders would be looked at",
                hint="name the folder that they are in: dist/*.whl instead of **/*.whl",
            )


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
