"""The audit log: rows are added and read. There is no statement here, nor anywhere, that changes or removes one.

Their numbers are counted up within the transaction of the change itself, so a row that was removed by other means
leaves a gap.
"""

from collections.abc import Sequence
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.people import AuditEntry
from headway.store.counters import next_number
from headway.store.database import Row, Transaction


def add_entry(tx: Transaction, entry: AuditEntry) -> int:
    """Its number."""
    number = next_number(tx, "", "audit")
    tx.execute(
        """
        INSERT INTO audit (number, at, actor, via, address, action, subject, was, became)
        VALUES (:number, :at, :actor, :via, :address, :action, :subject, :was, :became)
        """,
        number=number,
        at=to_milliseconds(entry.at),
        actor=entry.actor,
        via=entry.by,
        address=entry.address,
        action=entry.action,
        subject=entry.subject,
        was=entry.before,
        became=entry.after,
    )
    return number


def entries(
    tx: Transaction,
    *,
    actor: str | None = None,
    action: str | None = None,
    noun: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """Newest first. `noun` is the first half of an action (`secret`); `before` a number, for the next page."""
    return [
        _entry(row)
        for row in tx.all(
            """
            SELECT * FROM audit
            WHERE (CAST(:actor AS TEXT) IS NULL OR actor = :actor)
                AND (CAST(:action AS TEXT) IS NULL OR action = :action)
                AND (CAST(:noun_from AS TEXT) IS NULL OR (action >= :noun_from AND action < :noun_to))
                AND (CAST(:subject AS TEXT) IS NULL OR subject = :subject)
                AND (CAST(:since AS BIGINT) IS NULL OR at >= :since)
                AND (CAST(:until AS BIGINT) IS NULL OR at < :until)
                AND (CAST(:before AS BIGINT) IS NULL OR number < :before)
            ORDER BY number DESC LIMIT :limit
            """,
            actor=actor,
            action=action,
            # `secret.` up to, but without, `secret/`: the character after the dot.
            noun_from=None if noun is None else f"{noun}.",
            noun_to=None if noun is None else f"{noun}/",
            subject=subject,
            since=None if since is None else to_milliseconds(since),
            until=None if until is None else to_milliseconds(until),
            before=before,
            limit=limit,
        )
    ]


def actors(tx: Transaction) -> Sequence[str]:
    """Everybody who stands in it."""
    return [str(row["actor"]) for row in tx.all("SELECT DISTINCT actor FROM audit ORDER BY actor")]


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(
        id=row["number"],
        at=from_milliseconds(row["at"]),
        actor=row["actor"],
        by=row["via"],
        address=row["address"],
        action=row["action"],
        subject=row["subject"],
        before=row["was"],
        after=row["became"],
    )
