"""A server's repository: a bare git repository on disk, pushed to (`hosting`) or fetched into (`remote`).

Reads what was taken in: refs, files, commits and their differences. Its settings stand in its own `config`, so that
they also hold for somebody who pushes to the folder by its path. Nothing here depends on the machine's or the user's
git configuration. All functions block; the engine calls them in a thread.

FileTooLarge   2   a file of the repository is longer than the reader wants to read
"""

import re
import secrets
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from headway.base.errors import WrongUse
from headway.domain.commit import Commit
from headway.drivers.git import parse
from headway.drivers.git.call import LONG_WORK, QUESTION, Bounds, GitCall
from headway.drivers.git.mirror import disk_error
from headway.drivers.git.process import UnknownCommit, explain, server_environment
from headway.drivers.git.received import FOLDER as RECEIVED
from headway.drivers.git.received import install_hook, sweep_parts

#: Refs of our own: neither offered to those who fetch nor open to those who push.
HIDDEN = "refs/headway"
#: Faults that old, honest histories hold (tools of 2005 to 2012 made them) and that no checkout minds. All else that
#: fsck knows, such as a path with `.git` in it, is refused at a push and at a fetch.
TOLERATED = ("badTimezone", "missingSpaceBeforeDate", "zeroPaddedFilemode")

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LONGEST_MESSAGE = 8192
#: A commit of more bytes than this is none to us: git itself holds all of it in memory, several times.
_LONGEST_COMMIT = 16 * 1024 * 1024
_TOLERANCE = "".join(f"\t{fault} = warn\n" for fault in TOLERATED)
# Garbage is collected by the janitor: git's own `gc --auto` would make one unlucky pusher wait for it.
_CONFIG = f"""\
[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
[gc]
	auto = 0
[receive]
	autogc = false
	fsckObjects = true
	denyNonFastForwards = false
[receive "fsck"]
{_TOLERANCE}[fetch]
	fsckObjects = true
[fetch "fsck"]
{_TOLERANCE}[transfer]
	hideRefs = {HIDDEN}
"""


class FileTooLarge(WrongUse):
    pass


def create_bare(folder: Path, default_branch: str, environment: Mapping[str, str]) -> "Bare":
    """The repository at `folder`, made if there is none: whole or not at all; its settings and hook are renewed.

    Raises WrongUse for a default branch that git does not take, GitError, DiskFull.
    """
    bare = Bare(folder, environment)
    try:
        if not folder.is_dir():
            head = f"refs/heads/{default_branch}"
            if GitCall(["check-ref-format", head], folder=None, environment=environment, place="").finish()[
                0
            ]:
                raise WrongUse(f"'{default_branch}' is no name of a branch", hint="name it like: main")
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
            for part in ("objects/info", "objects/pack", "refs/heads", "refs/tags", RECEIVED):
                (made / part).mkdir(parents=True)
            (made / "HEAD").write_text(f"ref: {head}\n")
            bare._settle(made)
            with suppress(FileExistsError):
                made.rename(folder)
            shutil.rmtree(made, ignore_errors=True)
        bare._settle(folder)
    except OSError as error:
        raise disk_error(error, f"the repository {folder}") from error
    return bare


@dataclass(frozen=True, slots=True)
class Bare:
    """The repository at `folder`. Has no state of its own; threads and processes may share it."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    @property
    def default_branch(self) -> str:
        """What HEAD names, whether that branch is there or not yet."""
        return head_branch(self.folder) or "main"

    def set_default_branch(self, branch: str) -> None:
        """Raises GitError for a name that git does not take."""
        self._start("symbolic-ref", "HEAD", f"refs/heads/{branch}").output()

    def refs(self, *patterns: str) -> dict[str, str]:
        """Branches and tags (or what lies below `patterns`), each with its id; of an annotated tag the commit's.

        A ref whose name is not UTF-8 is left out: no page and no database could name it.
        """
        output = self._start(
            "for-each-ref",
            "--format=%(objectname) %(*objectname) %(refname)",
            *(patterns or ("refs/heads", "refs/tags")),
        ).output()
        found = {}
        for line in output.splitlines():
            sha, peeled, name = line.split(b" ", 2)
            with suppress(UnicodeDecodeError):
                found[name.decode()] = (peeled or sha).decode()
        return found

    def known(self, shas: Collection[str]) -> frozenset[str]:
        """Which of these ids are commits that lie here; one of more than 16 MiB is none."""
        asked = [sha for sha in shas if _SHA.fullmatch(sha)]
        if not asked:
            return frozenset()
        feed = "".join(f"{sha}\n" for sha in asked).encode()
        output = self._start("cat-file", "--batch-check", feed=feed).output()
        answers = [line.split() for line in output.splitlines() if b" commit " in line]
        return frozenset(sha.decode() for sha, _, size in answers if int(size) <= _LONGEST_COMMIT)

    def has_commit(self, sha: str) -> bool:
        return bool(self.known([sha]))

    def commit(self, sha: str) -> Commit:
        """The commit with this id. Raises UnknownCommit."""
        self._require(sha)
        [commit] = self._log("-1", sha)
        return commit

    def commits(self, shas: Collection[str]) -> dict[str, Commit]:
        """Those of these ids that are commits here. Two calls of git, however many they are."""
        here = self.known(shas)
        if not here:
            return {}
        feed = "".join(f"{sha}\n" for sha in here).encode()
        return {commit.sha: commit for commit in self._log("--no-walk=unsorted", "--stdin", feed=feed)}

    def tree_of(self, sha: str) -> str:
        """The id of the commit's tree. Raises UnknownCommit."""
        return self.commit(sha).tree

    def message(self, sha: str) -> str:
        """The commit's whole message, cut at 8 KiB. Raises UnknownCommit."""
        self._require(sha)
        call = self._start("log", "-1", "--encoding=UTF-8", "--format=%B", sha, "--")
        return call.beginning(_LONGEST_MESSAGE).decode(errors="replace").strip()

    def read_file(self, sha: str, path: str, most_bytes: int) -> bytes | None:
        """The content of a file of the commit; None where there is none.

        A symbolic link is followed as long as it stays within the tree. Raises FileTooLarge, UnknownCommit.
        """
        self._require(sha)
        if "\n" in path or "\0" in path or {".", "..", ""} & set(path.split("/")):
            return None  # git would read the first as two questions, and the others from where it stands
        question = f"{sha}:{path}\n".encode(errors="surrogateescape")
        answer = self._start("cat-file", "--batch-check", "--follow-symlinks", feed=question).output()
        words = answer.split()
        if len(words) != 3 or words[1] != b"blob":
            return None
        if int(words[2]) > most_bytes:
            raise FileTooLarge(
                f"{path} of commit {sha[:12]} has {int(words[2]):,} bytes, more than {most_bytes:,}",
                hint="keep it short: what is large belongs into files of its own",
            )
        return self._start("cat-file", "blob", words[0].decode()).output()

    def remove(self, ref: str) -> None:
        """The branch or tag of this whole name, which is gone where it came from; nothing, if it is not here."""
        self._start("update-ref", "-d", ref).output()

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `descendant` holds `ancestor`; a commit holds itself. Raises UnknownCommit."""
        if not {ancestor, descendant} <= self.known([ancestor, descendant]):
            raise UnknownCommit(f"{self.folder} lacks {ancestor[:64]} or {descendant[:64]}")
        code, _, complaint = self._start("merge-base", "--is-ancestor", ancestor, descendant).finish()
        if code not in (0, 1):
            raise explain(complaint, str(self.folder))
        return code == 0

    def holding(self, sha: str) -> tuple[str, ...]:
        """Whole names of the branches that hold this commit of ours."""
        question = ("for-each-ref", "--format=%(refname)", f"--contains={sha}", "refs/heads")
        found = []
        for line in self._start(*question).output().splitlines():
            with suppress(UnicodeDecodeError):
                found.append(line.decode())
        return tuple(found)

    def merge_base(self, one: str, other: str) -> str | None:
        """Where two commits' histories parted; None where they have nothing in common. Raises UnknownCommit."""
        for sha in (one, other):
            self._require(sha)
        code, output, _ = self._start("merge-base", one, other).finish()
        return output.decode().strip() if code == 0 else None

    def changed_paths(self, base: str, sha: str) -> tuple[str, ...]:
        """Paths that differ between two commits or trees, deleted ones too, in git's order; bytes that are no UTF-8
        come as Python's surrogate escapes. Raises GitError where one of them is not here, OutputTooLong where they
        are more than anybody wants to know."""
        call = self._start(*parse.PATHS_QUESTION, base, sha, bounds=parse.PATHS_BOUNDS)
        return parse.paths(call.output())

    def commits_between(self, base: str | None, sha: str, limit: int) -> tuple[Commit, ...]:
        """What `sha` holds and `base` does not, newest first, at most `limit`. Raises UnknownCommit."""
        for wanted in filter(None, (base, sha)):
            self._require(wanted)
        return tuple(self._log(f"--max-count={limit}", sha, *([f"^{base}"] if base else [])))

    def keep(self, name: str, sha: str) -> None:
        """Holds a commit, whatever becomes of its branch, until `drop(name)`. Raises UnknownCommit, GitError."""
        self._require(sha)
        self._start("update-ref", f"{HIDDEN}/{name}", sha).output()

    def drop(self, name: str) -> None:
        """Lets go of what was kept by this name; nothing, if nothing was."""
        self._start("update-ref", "-d", f"{HIDDEN}/{name}").output()

    def tidy(self, *, older_than: datetime) -> None:
        """Packs refs and objects; drops objects that no ref reaches, and does what `sweep` does, for what was last
        used before.

        May take minutes for a large repository. Pushes and fetches may go on meanwhile: only old objects go.
        """
        self.sweep(older_than=older_than)
        prune = f"--prune={int(older_than.timestamp())}"
        self._start("gc", "--quiet", prune, bounds=LONG_WORK).output()

    def sweep(self, *, older_than: datetime) -> None:
        """Removes what killed processes left, last used before. Cheap; nothing of ours works for longer than an hour.

        A lock file of git's outlives the git that a power cut took, and each later push to its branch is refused.
        """
        limit = older_than.timestamp()
        try:
            locks = [*self.folder.glob("[!h]*.lock"), *(self.folder / "refs").glob("**/*.lock")]
            parts = [*self.folder.glob("headway-incoming.*"), *self.folder.glob("objects/*incoming-*")]
            for path in [*locks, *parts]:
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < limit:
                        _remove(path)
            sweep_parts(self.folder, older_than=older_than)
        except OSError as error:
            raise disk_error(error, f"the repository {self.folder}") from error

    def _settle(self, folder: Path) -> None:
        config = folder / "config"
        with suppress(FileNotFoundError):
            if config.read_text() == _CONFIG:
                return install_hook(folder)
        partial = config.with_name(f"config.{secrets.token_hex(4)}")
        partial.write_text(_CONFIG)
        partial.rename(config)
        return install_hook(folder)

    def _require(self, sha: str) -> None:
        if not self.known([sha]):
            raise UnknownCommit(f"'{sha[:64]}' is no commit of {self.folder}", hint="push or fetch it first")

    def _log(self, *arguments: str, feed: bytes | None = None) -> list[Commit]:
        question = ("log", "-z", "--encoding=UTF-8", "--no-decorate", parse.LOG_FORMAT, *arguments, "--")
        return [
            commit
            for commit, _ in parse.commits(self._start(*question, feed=feed).fields(parse.LONGEST_FIELD))
        ]

    def _start(self, *question: str, feed: bytes | None = None, bounds: Bounds = QUESTION) -> GitCall:
        environment = {**server_environment(self.environment), "GIT_DIR": str(self.folder)}
        return GitCall(
            question,
            folder=self.folder,
            environment=environment,
            place=str(self.folder),
            feed=feed,
            bounds=bounds,
        )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def head_branch(folder: Path) -> str | None:
    """The branch that a bare repository's HEAD names; None if `folder` is none, or its HEAD stands elsewhere."""
    if (folder / ".git").exists() or not (folder / "objects").is_dir():
        return None
    with suppress(FileNotFoundError, NotADirectoryError):
        head = (folder / "HEAD").read_bytes().strip()
        if head.startswith(b"ref: refs/heads/"):
            return head.removeprefix(b"ref: refs/heads/").decode(errors="surrogateescape")
    return None
