"""Failures of signing in, counted by account and by address. The rule of the waits stands in `engine.access.sign_in_limits`."""

from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Failures:
    count: int
    failed_at: datetime
    #: No attempt before this.
    free_at: datetime


def failures_of(tx: Transaction, kind: str, subject: str) -> Failures | None:
    row = tx.one(
        """
        SELECT failures, failed_at, free_at FROM sign_in_attempts
        WHERE kind = :kind AND subject = :subject
        """,
        kind=kind,
        subject=subject,
    )
    if row is None:
        return None
    return Failures(
        int(row["failures"]), from_milliseconds(row["failed_at"]), from_milliseconds(row["free_at"])
    )


def put_failures(tx: Transaction, kind: str, subject: str, failures: Failures) -> None:
    tx.execute(
        """
        INSERT INTO sign_in_attempts (kind, subject, failures, failed_at, free_at)
        VALUES (:kind, :subject, :failures, :failed_at, :free_at)
        ON CONFLICT (kind, subject) DO UPDATE SET failures = :failures, failed_at = :failed_at, free_at = :free_at
        """,
        kind=kind,
        subject=subject,
        failures=failures.count,
        failed_at=to_milliseconds(failures.failed_at),
        free_at=to_milliseconds(failures.free_at),
    )


def forget_failures_of(tx: Transaction, kind: str, subject: str) -> None:
    tx.execute(
        "DELETE FROM sign_in_attempts WHERE kind = :kind AND subject = :subject", kind=kind, subject=subject
    )


def forget_failures(tx: Transaction, before: datetime) -> int:
    return tx.execute(
        "DELETE FROM sign_in_attempts WHERE failed_at < :before", before=to_milliseconds(before)
    )
