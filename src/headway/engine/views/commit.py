"""All of one commit: its runs, its releases, and where it was deployed; of every service that has it."""

from dataclasses import dataclass

from headway.domain.commit import Commit
from headway.store.database import Transaction
from headway.store.views.commits import commit_happenings, commits_beginning, details_of
from headway.store.views.timeline import Happening


@dataclass(frozen=True, slots=True)
class CommitView:
    sha: str
    #: None where only its id is known.
    commit: Commit | None
    #: With the service of each, newest first.
    happenings: tuple[tuple[str, Happening], ...]
    #: Other commits that begin alike.
    others: tuple[str, ...]


def read_commit(tx: Transaction, prefix: str) -> CommitView | None:
    """That which begins so; with several the first, and the others beside it."""
    found = commits_beginning(tx, prefix)
    if not found:
        return None
    sha = found[0]
    happened = commit_happenings(tx, sha)
    happened.sort(key=lambda pair: pair[1].at, reverse=True)
    return CommitView(sha, details_of(tx, sha), tuple(happened), tuple(found[1:]))
