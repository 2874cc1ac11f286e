"""What is stuck, and small counts, for the settings' pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds
from headway.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Stuck:
    """An effect that was tried and did not get out, or was given up."""

    kind: str
    subject: str
    state: str
    note: str
    attempts: int
    created_at: datetime
    due_at: datetime | None


def stuck_effects(tx: Transaction, *, limit: int) -> list[Stuck]:
    """Those that are still tried first, then those given up, newest first."""
    rows = tx.all(
        """
        SELECT kind, subject, state, note, attempts, created_at, due_at FROM outbox
        WHERE due_at IS NOT NULL AND attempts > 0 ORDER BY due_at LIMIT :limit
        """,
        limit=limit,
    ) + tx.all(
        """
        SELECT kind, subject, state, note, attempts, created_at, due_at FROM outbox
        WHERE state = 'failed' ORDER BY created_at DESC LIMIT :limit
        """,
        limit=limit,
    )
    return [
        Stuck(
            row["kind"],
            row["subject"],
            row["state"],
            row["note"],
            row["attempts"],
            from_milliseconds(row["created_at"]),
            None if row["due_at"] is None else from_milliseconds(row["due_at"]),
        )
        for row in rows[:limit]
    ]


def branches_of(tx: Transaction, repository: str) -> int:
    """How many branches and tags are known of it."""
    row = tx.one("SELECT COUNT(*) AS count FROM refs WHERE repository = :repository", repository=repository)
    return 0 if row is None else int(row["count"])


def run_numbers(tx: Transaction, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Service and number of each."""
    names = {f"id_{number}": id for number, id in enumerate(dict.fromkeys(ids))}
    if not names:
        return {}
    rows = tx.all(
        f"SELECT id, service, number FROM runs WHERE id IN ({', '.join(f':{name}' for name in names)})",
        **names,
    )
    return {row["id"]: (row["service"], row["number"]) for row in rows}
