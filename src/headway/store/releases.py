"""Releases and their artifacts. A release's content never changes; retention only marks it as removed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.release import Artifact, Release
from headway.store.bulk import insert_rows
from headway.store.database import Row, Transaction
from headway.store.errors import ReleaseDiffers


def put_release(tx: Transaction, release: Release, *, now: datetime) -> Release:
    """Store it; the same content again is the release that stands, renewed, or brought back when it was removed.

    Answers with the release as it is stored: who made it first, and when, stays, and so does a short id of before.
    Raises ReleaseDiffers, before anything is written: its id stands for another content.
    """
    known = _standing(tx, release)
    if known is None and _insert(tx, release, now):
        return get_release(tx, release.id) or release
    if known is None:
        known = _standing(tx, release)  # another process was first
        assert known is not None
    tx.execute(
        "UPDATE releases SET renewed_at = :now, removed_at = NULL WHERE id = :id",
        id=known.id,
        now=to_milliseconds(now),
    )
    return replace(known, removed_at=None)


def _insert(tx: Transaction, release: Release, now: datetime) -> bool:
    """False when the id is there."""
    is_new = tx.execute(
        """
        INSERT INTO releases (id, service, repository, commit_sha, created_at, created_by, run, renewed_at)
        VALUES (:id, :service, :repository, :commit_sha, :created_at, :created_by, :run, :now)
        ON CONFLICT (id) DO NOTHING
        """,
        id=release.id,
        service=release.service,
        repository=release.repository,
        commit_sha=release.commit,
        created_at=to_milliseconds(release.created_at),
        created_by=release.created_by,
        run=release.run,
        now=to_milliseconds(now),
    )
    if is_new:
        insert_rows(
            tx,
            "release_artifacts",
            [
                {
                    "release_id": release.id,
                    "path": artifact.path,
                    "sha256": artifact.sha256,
                    "size": artifact.size,
                    "executable": artifact.executable,
                }
                for artifact in release.artifacts
            ],
        )
    return bool(is_new)


def _standing(tx: Transaction, release: Release) -> Release | None:
    """What is stored of the same content. Raises ReleaseDiffers."""
    for id in release.ids:
        known = get_release(tx, id)
        if known is not None and known.content == release.content:
            return known
        if known is not None and id == release.id:
            raise ReleaseDiffers(
                f"{id} is stored with another content: {_told(known)}, not {_told(release)}",
                hint="build it anew, so that its files differ; who made the stored one is worth a look",
            )
    return None


def _told(release: Release) -> str:
    files = ", ".join(f"{one.path} (SHA-256 {one.sha256[:16]}…)" for one in release.artifacts[:3])
    return f"{release.service}, commit {release.commit[:12]}, {files or 'no files'}"


def get_release(tx: Transaction, release_id: str) -> Release | None:
    """Also one that was removed."""
    row = tx.one("SELECT * FROM releases WHERE id = :id", id=release_id)
    return _with_artifacts(tx, [row])[0] if row else None


def releases_by_prefix(tx: Transaction, service: str, prefix: str) -> list[Release]:
    """Those whose id begins with `prefix`, also removed ones, newest first; a whole id means that one alone."""
    whole = get_release(tx, prefix)
    if whole is not None and whole.service == service:
        return [whole]
    rows = tx.all(
        """
        SELECT * FROM releases WHERE service = :service AND SUBSTR(id, 1, :length) = :prefix
        ORDER BY created_at DESC, id
        """,
        service=service,
        prefix=prefix,
        length=len(prefix),
    )
    return _with_artifacts(tx, rows)


def releases_of_commit(tx: Transaction, service: str, prefix: str) -> list[Release]:
    """Those of commits whose id begins with `prefix`, also removed ones, newest first."""
    rows = tx.all(
        """
        SELECT * FROM releases WHERE service = :service AND SUBSTR(commit_sha, 1, :length) = :prefix
        ORDER BY removed_at IS NOT NULL, renewed_at DESC, created_at DESC, id
        """,
        service=service,
        prefix=prefix,
        length=len(prefix),
    )
    return _with_artifacts(tx, rows)


def releases_of(tx: Transaction, service: str, *, limit: int) -> list[Release]:
    """The newest `limit` that stand, newest first."""
    rows = tx.all(
        """
        SELECT * FROM releases WHERE service = :service AND removed_at IS NULL
        ORDER BY created_at DESC, id LIMIT :limit
        """,
        service=service,
        limit=limit,
    )
    return _with_artifacts(tx, rows)


def renew_release(tx: Transaction, release_id: str, *, now: datetime) -> bool:
    """Makes it as young as a new one; False when there is none, or it was removed."""
    return bool(
        tx.execute(
            "UPDATE releases SET renewed_at = :now WHERE id = :id AND removed_at IS NULL",
            id=release_id,
            now=to_milliseconds(now),
        )
    )


def mark_removed(tx: Transaction, release_id: str, *, renewed_at: datetime, now: datetime) -> bool:
    """False when it was renewed since `renewed_at`, or is removed already."""
    return bool(
        tx.execute(
            """
            UPDATE releases SET removed_at = :now
            WHERE id = :id AND removed_at IS NULL AND renewed_at <= :renewed_at
            """,
            id=release_id,
            renewed_at=to_milliseconds(renewed_at),
            now=to_milliseconds(now),
        )
    )


def _with_artifacts(tx: Transaction, rows: Sequence[Row]) -> list[Release]:
    """Releases with their artifacts, asked for in one statement."""
    if not rows:
        return []
    names = {f"id_{number}": row["id"] for number, row in enumerate(rows)}
    found: dict[str, list[Artifact]] = {row["id"]: [] for row in rows}
    for row in tx.all(
        f"""
        SELECT * FROM release_artifacts WHERE release_id IN ({", ".join(f":{name}" for name in names)})
        ORDER BY path
        """,
        **names,
    ):
        artifact = Artifact(row["path"], row["sha256"], row["size"], bool(row["executable"]))
        found[row["release_id"]].append(artifact)
    return [_release(row, tuple(found[row["id"]])) for row in rows]


def _release(row: Row, artifacts: tuple[Artifact, ...]) -> Release:
    removed = row["removed_at"]
    return Release(
        id=row["id"],
        service=row["service"],
        repository=row["repository"],
        commit=row["commit_sha"],
        artifacts=artifacts,
        created_at=from_milliseconds(row["created_at"]),
        created_by=row["created_by"],
        run=row["run"],
        removed_at=None if removed is None else from_milliseconds(removed),
    )
