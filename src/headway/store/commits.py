"""Commits that a run or a release is of."""

import json

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.commit import Commit
from headway.store.database import Row, Transaction


def add_commit(tx: Transaction, repository: str, commit: Commit) -> None:
    """Store it, unless it is there."""
    tx.execute(
        """
        INSERT INTO commits (repository, sha, tree, parents, author, authored_at, committer, committed_at, subject)
        VALUES (:repository, :sha, :tree, :parents, :author, :authored_at, :committer, :committed_at, :subject)
        ON CONFLICT (repository, sha) DO NOTHING
        """,
        repository=repository,
        sha=commit.sha,
        tree=commit.tree,
        parents=json.dumps(commit.parents),
        author=commit.author,
        authored_at=to_milliseconds(commit.authored_at),
        committer=commit.committer,
        committed_at=to_milliseconds(commit.committed_at),
        subject=commit.subject,
    )


def commit_by_sha(tx: Transaction, repository: str, sha: str) -> Commit | None:
    row = tx.one(
        "SELECT * FROM commits WHERE repository = :repository AND sha = :sha", repository=repository, sha=sha
    )
    return None if row is None else _commit(row)


def _commit(row: Row) -> Commit:
    return Commit(
        sha=row["sha"],
        tree=row["tree"],
        parents=tuple(json.loads(row["parents"])),
        author=row["author"],
        authored_at=from_milliseconds(row["authored_at"]),
        committer=row["committer"],
        committed_at=from_milliseconds(row["committed_at"]),
        subject=row["subject"],
    )
