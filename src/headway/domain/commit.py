"""A commit of a repository, and the tree that a run or a release is of."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    authored_at: datetime
    committer: str
    committed_at: datetime
    subject: str


@dataclass(frozen=True, slots=True)
class Source:
    """What a run is of. `tree` is the content; `dirty` says that it is the commit's plus uncommitted changes."""

    #: Absolute path of the repository's top folder.
    repository: str
    commit: Commit
    tree: str
    dirty: bool
    #: None for a detached HEAD.
    branch: str | None
    tag: str | None = None
