"""What git prints, as values."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from headway.base.clock import EPOCH
from headway.domain.commit import Commit
from headway.drivers.git.call import Bounds
from headway.drivers.git.process import NotARepository, OutputTooLong

#: For `git log -z` and `git for-each-ref`; see `commits`.
_FIELDS = ("%H", "%T", "%P", "%an <%ae>", "%at", "%cn <%ce>", "%ct", "%s", "%D")
LOG_FORMAT = "--format=" + "%x00".join(_FIELDS)
#: What `place` reads.
PLACE_QUESTION = (
    "rev-parse",
    "--show-toplevel",
    "--absolute-git-dir",
    "--git-common-dir",
    "--show-object-format",
)
#: Between two trees or commits; `paths` reads the answer. Beyond its bounds nobody compares them with globs any more.
PATHS_QUESTION = ("diff-tree", "-r", "-z", "--name-only", "--no-renames")
PATHS_BOUNDS = Bounds(output=16 * 1024 * 1024)
_MOST_PATHS = 100_000
#: Of each field of a commit so much is read. A merge of more parents than fit in loses those behind.
LONGEST_FIELD = 8192
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
#: A commit's first line and its people may be a megabyte long; what is longer is cut, for it is stored and shown.
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository's parts lie. `folder` is the worktree's own git folder, `common` what worktrees share."""

    top: Path
    folder: Path
    common: Path
    object_format: str

    @property
    def objects(self) -> Path:
        return self.common / "objects"


def place(output: bytes, asked_in: Path) -> Place:
    """From the answer to PLACE_QUESTION. Raises NotARepository for a path that no text column could hold."""
    top, git_dir, common, object_format = os.fsdecode(output).splitlines()
    try:
        top.encode()
    except UnicodeEncodeError:
        raise NotARepository(
            f"the path {os.fsencode(top)!r} is not UTF-8", hint="move the repository to another folder"
        ) from None
    return Place(
        top=Path(top),
        folder=Path(git_dir),
        common=Path(os.path.abspath(asked_in / common)),
        object_format=object_format,
    )


def paths(output: bytes) -> tuple[str, ...]:
    """From the answer to PATHS_QUESTION. Bytes that are no UTF-8 come as surrogate escapes. Raises OutputTooLong."""
    if (count := output.count(b"\0")) > _MOST_PATHS:
        raise OutputTooLong(f"{count:,} paths differ, more than {_MOST_PATHS:,}")
    return tuple(os.fsdecode(path) for path in output.split(b"\0") if path)


def commits(fields: Sequence[bytes]) -> list[tuple[Commit, str | None]]:
    """Commits, each with a tag that is at it, from the fields of `git log -z` in LOG_FORMAT. Bytes that are no UTF-8
    become U+FFFD."""
    words = [field.decode(errors="replace") for field in fields]
    width = len(_FIELDS)
    return [_commit(words[start : start + width]) for start in range(0, len(words) - width + 1, width)]


def _commit(record: list[str]) -> tuple[Commit, str | None]:
    sha, tree, parents, author, authored, committer, committed, subject, decoration = record
    tags = [word.removeprefix("tag: ") for word in decoration.split(", ") if word.startswith("tag: ")]
    commit = Commit(
        sha=sha,
        tree=tree,
        parents=tuple(parent for parent in parents.split() if len(parent) == len(sha)),
        author=_cut(author),
        authored_at=_instant(authored),
        committer=_cut(committer),
        committed_at=_instant(committed),
        subject=_cut(subject),
    )
    return commit, tags[0] if tags else None


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _instant(seconds: str) -> datetime:
    """A commit may carry any number as its time; one that no calendar holds becomes the nearest that does."""
    try:
        return EPOCH + timedelta(seconds=int(seconds or 0))
    except OverflowError:
        return _LATEST


def status(output: bytes) -> tuple[str, str | None, bool]:
    """HEAD's id, the branch (None when detached), and whether anything may differ from HEAD."""
    head, branch, dirty = "", None, False
    for entry in output.split(b"\0"):
        if entry.startswith(b"# branch.oid "):
            head = entry[13:].decode()
        elif entry.startswith(b"# branch.head "):
            name = entry[14:].decode(errors="replace")
            branch = None if name == "(detached)" else name
        elif entry and not entry.startswith(b"#"):
            dirty = True
    return head, branch, dirty
