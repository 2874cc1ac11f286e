"""Calls that carried an idempotency key: who works on each, what came of it, and what was answered."""

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
    #: Of whoever works on it.
    claim: str
    lease_until: int


def begin_call(  # noqa: PLR0917  (which call, by whom, when)
    tx: Transaction, key: str, fingerprint: str, claim: str, now: datetime, lease_until: datetime
) -> bool:
    """False when the key is taken."""
    return bool(
        tx.execute(
            """
            INSERT INTO idempotency (key, fingerprint, began_at, lease_until, status, answer, claim)
            VALUES (:key, :fingerprint, :now, :lease_until, NULL, '', :claim)
            ON CONFLICT (key) DO NOTHING
            """,
            key=key,
            fingerprint=fingerprint,
            now=to_milliseconds(now),
            lease_until=to_milliseconds(lease_until),
            claim=claim,
        )
    )


def find_call(tx: Transaction, key: str) -> StoredCall | None:
    row = tx.one(
        "SELECT fingerprint, status, answer, claim, lease_until FROM idempotency WHERE key = :key", key=key
    )
    return None if row is None else StoredCall(**row)


def take_over(tx: Transaction, key: str, found: StoredCall, claim: str, lease_until: datetime) -> bool:
    """Whoever worked on it is gone. False when they were not, or somebody was faster."""
    return bool(
        tx.execute(
            """
            UPDATE idempotency SET claim = :claim, lease_until = :lease_until
            WHERE key = :key AND status IS NULL AND claim = :before AND lease_until = :was_until
            """,
            key=key,
            before=found.claim,
            was_until=found.lease_until,
            claim=claim,
            lease_until=to_milliseconds(lease_until),
        )
    )


def hold_call(tx: Transaction, key: str, claim: str) -> bool:
    """Nobody takes it over until this transaction is done. False when somebody has."""
    return bool(
        tx.execute(
            """
            UPDATE idempotency SET lease_until = lease_until WHERE key = :key AND claim = :claim AND status IS NULL
            """,
            key=key,
            claim=claim,
        )
    )


def renew_call(tx: Transaction, key: str, claim: str, lease_until: datetime) -> bool:
    return bool(
        tx.execute(
            """
            UPDATE idempotency SET lease_until = :lease_until
            WHERE key = :key AND claim = :claim AND status IS NULL
            """,
            key=key,
            claim=claim,
            lease_until=to_milliseconds(lease_until),
        )
    )


def end_call(tx: Transaction, key: str, claim: str, *, status: int, answer: str) -> bool:
    return bool(
        tx.execute(
            """
            UPDATE idempotency SET status = :status, answer = :answer
            WHERE key = :key AND claim = :claim AND status IS NULL
            """,
            key=key,
            claim=claim,
            status=status,
            answer=answer,
        )
    )


def leave_call(tx: Transaction, key: str, claim: str) -> None:
    """It did not succeed: it may be asked again with the same key. What came of it all the same stays known."""
    whose = {"key": key, "claim": claim}
    tx.execute(
        "DELETE FROM idempotency WHERE key = :key AND claim = :claim AND status IS NULL AND effect = ''",
        **whose,
    )
    tx.execute(
        "UPDATE idempotency SET lease_until = 0 WHERE key = :key AND claim = :claim AND status IS NULL",
        **whose,
    )


def note_effect(tx: Transaction, key: str, effect: str, now: datetime) -> None:
    """Within the transaction that brings it about. A key of no call of ours (a form's) is known from here on."""
    tx.execute(
        """
        INSERT INTO idempotency (key, fingerprint, began_at, lease_until, status, answer, effect)
        VALUES (:key, '', :now, 0, NULL, '', :effect)
        ON CONFLICT (key) DO UPDATE SET effect = excluded.effect
        """,
        key=key,
        now=to_milliseconds(now),
        effect=effect,
    )


def effect_of(tx: Transaction, key: str) -> str:
    """Empty: none that is known."""
    row = tx.one("SELECT effect FROM idempotency WHERE key = :key", key=key)
    return "" if row is None else str(row["effect"])


def forget_old_calls(tx: Transaction, *, before: datetime) -> int:
    return tx.execute("DELETE FROM idempotency WHERE began_at < :before", before=to_milliseconds(before))
