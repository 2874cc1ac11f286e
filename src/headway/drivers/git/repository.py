"""The repositories of this machine, seen through one data folder."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from headway.domain.commit import Commit, Source
from headway.drivers.git import parse
from headway.drivers.git.bare import head_branch
from headway.drivers.git.call import LONG_WORK, QUESTION, Bounds, GitCall, never
from headway.drivers.git.mirror import Mirror, quoted, tidy_mirrors
from headway.drivers.git.process import (
    GitError,
    ShallowClone,
    UnknownCommit,
    explain,
    git_environment,
)

#: The tree without files, which every repository knows, by the length of its object ids.
_EMPTY_TREE = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_WHOLE_ID = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_BEGUN_ID = re.compile(r"[0-9a-fA-F]{4,64}")
#: Of a branch or tag (git check-ref-format): nothing in it has a meaning of its own.
_NAME = re.compile(r"(?!.*(?:\.\.|@\{))[^\s~^:?*\[\\/.-][^\s~^:?*\[\\]*")
_LONGEST_NAME = 500
_STATUS_QUESTION = (
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--untracked-files=normal",
    "--ignore-submodules=dirty",
    "--no-renames",
)


class Git:
    """Has no state of its own beside where mirrors lie; threads and processes may share it."""

    def __init__(self, environment: Mapping[str, str], mirrors: Path) -> None:
        """`environment` is the caller's whole environment: git finds the user's configuration by it."""
        self._environment = git_environment(environment)
        self._mirrors = mirrors

    @property
    def environment(self) -> Mapping[str, str]:
        """The caller's, without what would lead git astray."""
        return self._environment

    def top(self, folder: Path) -> Path:
        """The repository's top folder, seen from any folder within. Raises NotARepository and its kinds."""
        output = self._start(["rev-parse", "--show-toplevel"], folder).output()
        return Path(os.fsdecode(output.removesuffix(b"\n")))

    def ignores(self, top: Path, path: Path) -> bool:
        """Whether the repository's own rules leave `path` out of a dirty tree. Raises NotARepository and its kinds."""
        code, _, complaint = self._start(["check-ignore", "--quiet", "--", str(path)], top).finish()
        if code not in (0, 1):
            raise explain(complaint, str(top))
        return code == 0

    def inspect(self, folder: Path) -> Source:
        """The commit and the content of the repository around `folder`; makes its mirror ready.

        A dirty tree (changed, new or deleted files, except ignored ones) is written as a git tree of its own.
        Raises NotARepository and its kinds, GitError, DiskFull.
        """
        for _ in range(3):
            questions: tuple[Sequence[str], ...] = (
                parse.PLACE_QUESTION,
                ("log", "-1", "-z", "--encoding=UTF-8", "--decorate-refs=refs/tags/", parse.LOG_FORMAT),
                _STATUS_QUESTION,
                (
                    "for-each-ref",
                    "--format=%(objectname) %(refname)",
                    "refs/heads",
                    "refs/tags",
                    "refs/remotes",
                ),
            )
            asked, log, status, refs = self._ask(questions, folder, LONG_WORK)
            place = parse.place(asked, folder)
            [(commit, tag)] = parse.commits(log.split(b"\0"))
            head, branch, dirty = parse.status(status)
            if head == commit.sha:
                break
            # Someone committed between our questions; ask again.
        else:
            raise GitError(
                f"HEAD of {place.top} keeps moving", hint="wait for the other git command, then try again"
            )
        mirror = self.mirror_of(str(place.top))
        mirror.prepare(place, refs)
        tree = mirror.write_tree(place, self._environment) if dirty else commit.tree
        return Source(
            repository=str(place.top),
            commit=commit,
            tree=tree,
            dirty=tree != commit.tree,
            branch=branch,
            tag=tag,
        )

    def source_of(
        self, repository: str, sha: str, *, branch: str | None = None, tag: str | None = None
    ) -> Source:
        """The clean content of a commit of a server's repository (see `bare`); makes its mirror ready.

        Working copies know the default branch, all tags and the run's own branch: what `git describe` and a
        comparison with the default branch need. Not all branches, for a repository may have 10,000 and each job
        would write them down. Raises UnknownCommit, NotARepository, GitError, DiskFull.
        """
        folder = Path(repository)
        commit = self.commit(repository, sha)
        wanted = ["refs/tags", *(f"refs/heads/{name}" for name in [head_branch(folder)] if name)]
        [refs] = self._ask([("for-each-ref", "--format=%(objectname) %(refname)", *wanted)], folder)
        object_format = "sha1" if len(commit.sha) == 40 else "sha256"
        place = parse.Place(top=folder, folder=folder, common=folder, object_format=object_format)
        self.mirror_of(repository).prepare(place, refs)
        return Source(
            repository=repository, commit=commit, tree=commit.tree, dirty=False, branch=branch, tag=tag
        )

    def mirror_of(self, repository: str) -> Mirror:
        return Mirror.of(self._mirrors, repository)

    def checkout(
        self,
        repository: str,
        *,
        commit: str,
        tree: str,
        branch: str | None,
        destination: Path,
        check: Callable[[], None] = never,
    ) -> tuple[str, ...]:
        """A working copy of `tree` at `destination`, there whole or not at all; one that stands already is kept.

        Content, modes and symbolic links are what git itself checks out under default settings: attributes of
        the repository count (line endings), the user's own configuration does not, so no filter program runs.
        The copy has a small `.git` with HEAD at `commit` and the repository's branches and tags, so
        `git describe` and `git log` work; it borrows objects and can write none back.
        `check` is called several times a second, and ends the work by raising; nothing is left then.
        Answers with warnings, one sentence each. The repository must have been inspected before.
        Raises NotARepository (it is gone), GitError, DiskFull (before the disk is), and what `check` raises.
        """
        return self.mirror_of(repository).checkout(
            commit=commit,
            tree=tree,
            branch=branch,
            destination=destination,
            environment=self._environment,
            check=check,
        )

    # History

    def resolve(self, repository: str | Path, text: str) -> str:
        """The full id of the commit that `text` (id, prefix, tag, branch, HEAD) names. Raises UnknownCommit.

        Nothing else of git's language of revisions is understood: it knows patterns that search all messages, and
        take hours, and whoever may look at a service may ask by a name.
        """
        meant = _meant(text)
        if meant:
            feed = "".join(f"{name}^{{commit}}\n" for name in meant).encode()
            code, output, complaint = self._start(
                ["cat-file", "--batch-check"], Path(repository), feed=feed
            ).finish()
            if code != 0:
                raise explain(complaint, str(repository))
            for words in map(bytes.split, output.splitlines()):
                if len(words) == 3 and words[1] == b"commit":
                    return words[0].decode()
        raise UnknownCommit(
            f"'{text[:200]}' names no commit of {repository}: an id, a branch or a tag does",
            hint="see git log, or fetch it first: git fetch",
        )

    def commit(self, repository: str | Path, text: str) -> Commit:
        """The commit that `text` names. Raises UnknownCommit."""
        [(commit, _)] = self._log(repository, "-1", self.resolve(repository, text))
        return commit

    def commits_between(self, repository: str, old: str | None, new: str) -> tuple[Commit, ...]:
        """What `new` holds and `old` does not, newest first; all that `new` holds when there is no `old`.

        Raises UnknownCommit, and ShallowClone where the clone's history ends before the answer does.
        """
        for sha in filter(None, (new, old)):
            self._require(repository, sha)
        found = self._log(repository, new, *([f"^{old}"] if old else []))
        ends = self._shallow_ends(repository)
        if any(commit.sha in ends for commit, _ in found):
            raise _too_shallow(repository, "its history ends within the commits that are asked for")
        return tuple(commit for commit, _ in found)

    def change_base(self, source: Source) -> str:
        """What `changed()` compares with: a commit, or the empty tree for a repository's first commit.

        On another branch than the default one: where the two parted. On the default branch and on a detached
        HEAD: the commit itself for a dirty tree, its first parent for a clean one. Raises ShallowClone.
        """
        repository = source.repository
        default = self._default_branch(repository) if source.branch else None
        if default and default[0] != source.branch:
            question = ["merge-base", source.commit.sha, default[1]]
            code, output, _ = self._start(question, Path(repository)).finish()
            if code == 0:
                return output.decode().strip()
            if self._shallow_ends(repository):
                raise _too_shallow(repository, f"where {source.branch} left {default[0]} is not known")
        if source.dirty:
            return source.commit.sha
        if source.commit.parents:
            return source.commit.parents[0]
        if source.commit.sha in self._shallow_ends(repository):
            # git hides the parents of the commit where it was cut off.
            raise _too_shallow(repository, "the commit before this one was not fetched")
        return _EMPTY_TREE[len(source.commit.sha)]

    def changed_paths(self, repository: str, base: str, tree: str) -> tuple[str, ...]:
        """Paths that differ between two trees or commits, deleted ones too, in git's order.

        Bytes that are no UTF-8 come as Python's surrogate escapes. Raises OutputTooLong where they are more than
        anybody wants to know.
        """
        mirror = self.mirror_of(repository)
        call = GitCall(
            [*parse.PATHS_QUESTION, base, tree],
            folder=Path(repository),
            environment={**self._environment, "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(mirror.objects)},
            place=repository,
            bounds=parse.PATHS_BOUNDS,
        )
        return parse.paths(call.output())

    def tidy(self, *, older_than: datetime) -> int:
        """Drops what dirty trees left in the mirrors and was last used before; answers with the number of files."""
        return tidy_mirrors(self._mirrors, older_than=older_than)

    def _default_branch(self, repository: str) -> tuple[str, str] | None:
        """Name and ref of the branch that others are compared with: what the remote says, else main, else master."""
        # A server's repository says it by its HEAD; elsewhere HEAD is only what happens to be checked out.
        said = head_branch(Path(repository))
        names = [f"refs/heads/{said}"] if said else []
        names += [
            f"refs/{where}/{name}" for name in ("main", "master") for where in ("remotes/origin", "heads")
        ]
        question = ["for-each-ref", "--format=%(refname) %(symref)", "refs/remotes/origin/HEAD", *names]
        output = self._start(question, Path(repository)).output()
        refs = dict(line.partition(" ")[::2] for line in os.fsdecode(output).splitlines())
        if head := refs.get("refs/remotes/origin/HEAD"):
            return head.removeprefix("refs/remotes/origin/"), head
        return next(((_short(name), name) for name in names if name in refs), None)

    def _require(self, repository: str, sha: str) -> None:
        try:
            self.resolve(repository, sha)
        except UnknownCommit:
            if self._shallow_ends(repository):
                raise _too_shallow(repository, f"commit {sha[:12]} was not fetched") from None
            raise

    def _shallow_ends(self, repository: str | Path) -> frozenset[str]:
        """Where a shallow clone's history was cut off; empty for a whole one."""
        [output] = self._ask([("rev-parse", "--git-path", "shallow")], Path(repository))
        path = Path(repository) / os.fsdecode(output.removesuffix(b"\n"))
        return frozenset(path.read_text().split()) if path.exists() else frozenset()

    def _log(self, repository: str | Path, *arguments: str) -> list[tuple[Commit, str | None]]:
        question = ["log", "-z", "--encoding=UTF-8", "--no-decorate", parse.LOG_FORMAT, *arguments, "--"]
        return parse.commits(self._start(question, Path(repository)).fields(parse.LONGEST_FIELD))

    def _ask(
        self, questions: Sequence[Sequence[str]], folder: Path, bounds: Bounds = QUESTION
    ) -> list[bytes]:
        """The answers to questions that are asked side by side; the first refusal is raised, when all have ended."""
        calls = [self._start(question, folder, bounds=bounds) for question in questions]
        try:
            answers = [call.finish() for call in calls]
        finally:
            for call in calls:
                call.end()
        for code, _, complaint in answers:
            if code != 0:
                raise explain(complaint, str(folder))
        return [output for _, output, _ in answers]

    def _start(
        self, question: Sequence[str], folder: Path, *, feed: bytes | None = None, bounds: Bounds = QUESTION
    ) -> GitCall:
        return GitCall(
            question,
            folder=folder,
            environment=self._environment,
            place=str(folder),
            feed=feed,
            bounds=bounds,
        )


def _meant(text: str) -> tuple[str, ...]:
    """What this name may stand for, in the order in which git looks; nothing for what is no name."""
    if _WHOLE_ID.fullmatch(text) or text == "HEAD":
        return (text,)
    if len(text) > _LONGEST_NAME or not text.isprintable() or not _NAME.fullmatch(text):
        return ()
    places = ("",) if text.startswith("refs/") else ("refs/tags/", "refs/heads/", "refs/remotes/")
    return (*(f"{place}{text}" for place in places), *([text] if _BEGUN_ID.fullmatch(text) else []))


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/remotes/origin/")


def _too_shallow(repository: str | Path, why: str) -> ShallowClone:
    return ShallowClone(
        f"{repository} is a shallow clone: {why}", hint="fetch the rest of its history: git fetch --unshallow"
    )
