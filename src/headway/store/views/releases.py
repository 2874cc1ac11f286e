"""Releases as rows of lists, with how many files they have and how large they are together."""

from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds
from headway.store.database import Transaction
from headway.store.pages import Place, after


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    id: str
    commit: str
    subject: str | None
    at: datetime
    who: str
    #: None when another system built it.
    run: int | None
    removed_at: datetime | None
    files: int
    #: Bytes.
    size: int


@dataclass(frozen=True, slots=True)
class RunOfRelease:
    number: int
    state: str
    branch: str | None
    at: datetime
    finished_at: datetime | None


def release_lines(tx: Transaction, service: str, *, place: Place | None, limit: int) -> list[ReleaseLine]:
    """The newest first, those after `place`; also those whose artifacts were removed."""
    page = after(place, at="r.created_at", key="r.id")
    rows = tx.all(
        f"""
        SELECT r.id, r.commit_sha, r.created_at, r.created_by, r.removed_at, run.number, made.subject,
            (SELECT COUNT(*) FROM release_artifacts a WHERE a.release_id = r.id) AS files,
            (SELECT COALESCE(SUM(a.size), 0) FROM release_artifacts a WHERE a.release_id = r.id) AS size
        FROM releases r
        LEFT JOIN runs run ON run.id = r.run
        LEFT JOIN commits made ON made.repository = r.repository AND made.sha = r.commit_sha
        WHERE r.service = :service AND {page.condition}
        ORDER BY {page.order} LIMIT :limit
        """,
        service=service,
        limit=limit,
        **page.values,
    )
    return [
        ReleaseLine(
            id=row["id"],
            commit=row["commit_sha"],
            subject=row["subject"],
            at=from_milliseconds(row["created_at"]),
            who=row["created_by"],
            run=row["number"],
            removed_at=None if row["removed_at"] is None else from_milliseconds(row["removed_at"]),
            files=row["files"],
            # PostgreSQL sums BIGINT as numeric.
            size=int(row["size"]),
        )
        for row in rows
    ]


def runs_of_release(tx: Transaction, release: str, *, limit: int) -> list[RunOfRelease]:
    """Every run that made this very content, newest first."""
    rows = tx.all(
        """
        SELECT number, state, branch, created_at, finished_at FROM runs
        WHERE release_id = :release ORDER BY created_at DESC LIMIT :limit
        """,
        release=release,
        limit=limit,
    )
    return [
        RunOfRelease(
            row["number"],
            row["state"],
            row["branch"],
            from_milliseconds(row["created_at"]),
            None if row["finished_at"] is None else from_milliseconds(row["finished_at"]),
        )
        for row in rows
    ]
