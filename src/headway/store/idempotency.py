"""Calls that carried an idempotency key, and what was answered."""

from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import to_milliseconds
from headway.store.database import Transaction


@dataclass(frozen=True, slots=True)
class StoredCall:
    fingerprint: str
    #: None while it is worked on.
    status: int | None
    answer: str
    lease_until: int


def begin_call(tx: Transaction, key: str, fingerprint: str, *, now: datetime, lease_until: datetime) -> bool:
    """False when the key is taken."""
    return bool(
        tx.execute(
            """
            INSERT INTO idempotency (key, fingerprint, began_at, lease_until, status, answer)
            VALUES (:key, :fingerprint, :now, :lease_until, NULL, '')
            ON CONFLICT (key) DO NOTHING
            """,
            key=key,
            fingerprint=fingerprint,
            now=to_milliseconds(now),
            lease_until=to_milliseconds(lease_until),
        )
    )


def find_call(tx: Transaction, key: str) -> StoredCall | None:
    row = tx.one("SELECT fingerprint, status, answer, lease_until FROM idempotency WHERE key = :key", key=key)
    return None if row is None else StoredCall(**row)


def take_over(tx: Transaction, key: str, *, was_until: int, lease_until: datetime) -> bool:
    """Whoever worked on it is gone. False when somebody was faster."""
    return bool(
        tx.execute(
            """
            UPDATE idempotency SET lease_until = :lease_until
            WHERE key = :key AND status IS NULL AND lease_until = :was_until
            """,
            key=key,
            was_until=was_until,
            lease_until=to_milliseconds(lease_until),
        )
    )


def end_call(tx: Transaction, key: str, *, status: int, answer: str) -> None:
    tx.execute(
        "UPDATE idempotency SET status = :status, answer = :answer WHERE key = :key",
        key=key,
        status=status,
        answer=answer,
    )


def forget_call(tx: Transaction, key: str) -> None:
    """It did not succeed: it may be asked again with the same key."""
    tx.execute("DELETE FROM idempotency WHERE key = :key AND status IS NULL", key=key)


def forget_old_calls(tx: Transaction, *, before: datetime) -> int:
    return tx.execute("DELETE FROM idempotency WHERE began_at < :before", before=to_milliseconds(before))
