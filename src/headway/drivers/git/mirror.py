"""A bare mirror per repository in our data folder, and the working copies that jobs get from it.

The mirror borrows the repository's objects (git's alternates) and holds only what we add: the objects of dirty
trees. So it is made in under a millisecond whatever the repository's size, works for shallow clones, and the
user's repository is never written to. A fetch instead would copy all history before the first run.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from headway.base.errors import DiskFull, wants_room
from headway.drivers.git.call import LONG_WORK, Bounds, GitCall
from headway.drivers.git.parse import Place
from headway.drivers.git.process import GitError, NotARepository, clean_home

#: git holds a tree's whole list of files, and one file at a time, in memory.
_CHECKOUT = Bounds(seconds=1800.0, memory=2 * 1024**3)
#: A working copy leaves so much of the disk free: whichever is less.
_LEFT_BYTES, _LEFT_SHARE = 512 * 1024 * 1024, 0.02


@dataclass(frozen=True, slots=True)
class Mirror:
    """The mirror of the repository at `repository`. The object has no state; threads and processes may share it."""

    folder: Path
    repository: str

    @classmethod
    def of(cls, mirrors: Path, repository: str) -> "Mirror":
        digest = hashlib.sha256(os.fsencode(repository)).hexdigest()
        return cls(mirrors / f"{digest[:16]}.git", repository)

    @property
    def objects(self) -> Path:
        return self.folder / "objects"

    @property
    def borrowed(self) -> Path:
        """The folder of objects that the mirror borrows from; one that does not exist if there is no mirror."""
        try:
            return Path(os.fsdecode((self.objects / "info/alternates").read_bytes().removesuffix(b"\n")))
        except FileNotFoundError:
            return self.folder / "missing"

    @property
    def shallow_ends(self) -> frozenset[str] | None:
        """Commits at which a shallow clone was cut off; None for a whole clone."""
        try:
            return frozenset((self.borrowed.parent / "shallow").read_text().split())
        except FileNotFoundError:
            return None

    def prepare(self, place: Place, refs: bytes) -> None:
        """Makes the mirror if it is missing, whole or not at all, and notes the repository's refs.

        `refs` are lines of object id and name, as they go into the working copies. Raises DiskFull, GitError.
        """
        try:
            if not self._stands_for(place):
                self._make(place)
            _write_whole(self.folder / "known-refs", refs)
        except OSError as error:
            raise disk_error(error, f"the mirror {self.folder}") from error

    def _stands_for(self, place: Place) -> bool:
        with suppress(FileNotFoundError):
            same_format = (self.folder / "object-format").read_text() == place.object_format
            return same_format and self.borrowed == place.objects
        return False

    def _make(self, place: Place) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = self.folder.with_name(f".{self.folder.name}.{secrets.token_hex(4)}")
        _make_repository(made, [place.objects], place.object_format, bare=True)
        (made / "object-format").write_text(place.object_format)
        (made / "repository").write_bytes(os.fsencode(f"{place.top}\n"))
        try:
            made.rename(self.folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            # Another process was first, or the repository at this path has become another one.
            if not self._stands_for(place):
                old = made.with_name(made.name + ".old")
                self.folder.rename(old)
                made.rename(self.folder)
                shutil.rmtree(old)
            else:
                shutil.rmtree(made)

    def write_tree(self, place: Place, environment: Mapping[str, str]) -> str:
        """The id of a tree with all that `git add -A` would take, its new objects in the mirror.

        Works on a copy of the index: what the user has staged, and has not, stays as it is. Filters that the
        repository's attributes name run as they do for `git add`. Raises UnreadableTree, DiskFull, GitError.
        """
        work = self.folder / f"incoming.{secrets.token_hex(4)}"
        variables = {
            **environment,
            "GIT_INDEX_FILE": str(work / "index"),
            "GIT_OBJECT_DIRECTORY": str(work / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{quoted(self.objects)}:{quoted(place.objects)}",
        }
        quiet = ["-c", "advice.addEmbeddedRepo=false", "-c", "core.safecrlf=false"]
        where = str(place.top)
        try:
            (work / "objects").mkdir(parents=True)
            with suppress(FileNotFoundError):
                times = (place.folder / "index").stat()
                shutil.copyfile(place.folder / "index", work / "index")
                # By the index's age git knows which files may have changed after it without showing it (same
                # second, same size); a younger copy would hide them, and the tree would be of the old content.
                os.utime(work / "index", ns=(times.st_atime_ns, times.st_mtime_ns))

            def call(*question: str) -> bytes:
                return GitCall(
                    question, folder=place.top, environment=variables, place=where, bounds=LONG_WORK
                ).output()

            call(*quiet, "add", "-A")
            tree = call("write-tree")
            take_objects(work / "objects", self.objects)
        except OSError as error:
            raise disk_error(error, f"the uncommitted changes of {place.top}") from error
        finally:
            # On a full disk git leaves the object that it could not finish.
            shutil.rmtree(work, ignore_errors=True)
        return tree.decode().strip()

    def checkout(
        self,
        *,
        commit: str,
        tree: str,
        branch: str | None,
        destination: Path,
        environment: Mapping[str, str],
        check: Callable[[], None],
    ) -> tuple[str, ...]:
        """A working copy; see `Git.checkout`."""
        if destination.exists():
            return _warnings(destination)
        if not self.borrowed.is_dir():
            raise NotARepository(
                f"the repository {self.repository} is gone",
                hint="bring it back, or start anew in another one",
            )
        partial = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}")
        git_dir = partial / ".git"

        def go_on() -> None:
            check()
            _leave_room(partial)

        try:
            partial.mkdir(parents=True)
            object_format = (self.folder / "object-format").read_text()
            _make_repository(git_dir, [self.objects, self.borrowed], object_format, bare=False)
            self._write_refs(git_dir, commit, branch)
            GitCall(
                [f"--git-dir={git_dir}", f"--work-tree={partial}", "read-tree", "-u", "--reset", tree],
                folder=partial,
                environment=clean_home(environment),
                place=self.repository,
                bounds=_CHECKOUT,
            ).output(go_on)
            partial.rename(destination)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError):
                raise disk_error(error, f"the working copy {destination}") from error
            raise
        return _warnings(destination)

    def _write_refs(self, git_dir: Path, commit: str, branch: str | None) -> None:
        """HEAD, and the branches and tags that stood when the tree was looked at; this branch at this commit."""
        refs = dict[bytes, bytes]()
        with suppress(FileNotFoundError):
            for line in (self.folder / "known-refs").read_bytes().splitlines():
                sha, _, name = line.partition(b" ")
                refs[name] = sha
        head = f"{commit}\n".encode()
        if branch is not None:
            name = b"refs/heads/" + os.fsencode(branch)
            refs[name] = commit.encode()
            head = b"ref: " + name + b"\n"
        (git_dir / "HEAD").write_bytes(head)
        packed = b"".join(sha + b" " + name + b"\n" for name, sha in sorted(refs.items()))
        (git_dir / "packed-refs").write_bytes(b"# pack-refs with: sorted \n" + packed)
        if ends := self.shallow_ends:
            (git_dir / "shallow").write_text("".join(f"{sha}\n" for sha in sorted(ends)))


def tidy_mirrors(mirrors: Path, *, older_than: datetime) -> int:
    """Drops objects of dirty trees, and what killed processes left, last used before; answers with their number.

    No ref in a mirror refers to anything, so age is the only question: git renews an object's age each time it
    would write it again. A mirror whose repository is gone goes too.
    """
    limit, dropped = older_than.timestamp(), 0
    for pattern in ("*.git/objects/??/*", "*.git/objects/pack/*", "*.git/known-refs.*"):
        for path in mirrors.glob(pattern):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < limit:
                    path.unlink()
                    dropped += 1
    for folder in [*mirrors.glob("*.git"), *mirrors.glob(".*.git.*"), *mirrors.glob("*.git/incoming.*")]:
        with suppress(FileNotFoundError):
            gone = folder.suffix != ".git" or not Mirror(folder, "").borrowed.is_dir()
            if gone and folder.stat().st_mtime < limit:
                shutil.rmtree(folder)
                dropped += 1
    return dropped


def take_objects(made: Path, objects: Path) -> None:
    """Moves whole objects from one folder into another; a pack's index last, for it is what makes the pack known."""
    found = [path for path in made.glob("*/*") if not path.name.startswith("tmp_")]
    for path in sorted(found, key=lambda path: path.suffix == ".idx"):
        target = objects / path.relative_to(made)
        target.parent.mkdir(exist_ok=True)
        path.rename(target)


def _make_repository(folder: Path, objects: list[Path], object_format: str, *, bare: bool) -> None:
    """A repository without objects of its own, written by hand: `git init` takes 2 ms and copies templates.

    As few files as git accepts, because a job gets one each and making a file may cost 0.7 ms on a full disk.
    """
    (folder / "objects/info").mkdir(parents=True)
    (folder / "refs").mkdir()
    lines = ["[core]", "\tbare = true"] if bare else []
    if object_format != "sha1":
        lines += [
            "[core]",
            "\trepositoryformatversion = 1",
            "[extensions]",
            f"\tobjectformat = {object_format}",
        ]
    if lines:
        (folder / "config").write_text("\n".join(lines) + "\n")
    if bare:
        (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "objects/info/alternates").write_bytes(b"".join(os.fsencode(path) + b"\n" for path in objects))


def _leave_room(folder: Path) -> None:
    """A small pack may unpack into more files than any disk holds. Raises DiskFull."""
    total, _, free = shutil.disk_usage(folder)
    if free < min(_LEFT_BYTES, total * _LEFT_SHARE):
        raise DiskFull(
            f"the disk is full: the working copy {folder} does not fit, only {free:,} bytes are left",
            hint="free some space, then try again",
        )


def _warnings(copy: Path) -> tuple[str, ...]:
    found = []
    if (copy / ".gitmodules").exists():
        found.append(
            "the repository has submodules: Headway leaves their folders empty, fetch them in a step"
        )
    with suppress(FileNotFoundError, IsADirectoryError):
        if b"filter=lfs" in (copy / ".gitattributes").read_bytes():
            found.append("files kept by Git LFS are pointers in the working copy, fetch them in a step")
    return tuple(found)


def _write_whole(path: Path, content: bytes) -> None:
    """Writes a small file by rename, unless it has this content already."""
    with suppress(FileNotFoundError, IsADirectoryError):
        if path.read_bytes() == content:
            return
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    partial.write_bytes(content)
    partial.rename(path)


def quoted(path: Path) -> str:
    """A path as GIT_ALTERNATE_OBJECT_DIRECTORIES takes it: a colon separates there unless the path is quoted."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def disk_error(error: OSError, thing: str) -> GitError | DiskFull:
    if wants_room(error):
        return DiskFull(
            f"the disk is full: {thing} could not be written", hint="free some space, then try again"
        )
    return GitError(f"{thing} could not be written: {error.strerror}", hint="see the folder's owner and mode")
