"""What happened, in one order, written in the transaction of the change itself: whoever looks on can resume anywhere.

Positions come from a counter's row, which is locked until its transaction ends: so they are given in the order of
commits, and a reader that has seen position n will never meet a smaller one later. (A sequence of PostgreSQL gives its
numbers before the commit; a reader would skip what commits late.)
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.event import Event
from headway.store.counters import next_number
from headway.store.database import Transaction
from headway.store.webhooks import fan_out

__all__ = ["Event", "add_event", "events_after", "first_position", "forget_events", "last_position"]


def add_event(
    tx: Transaction, kind: str, *, service: str, subject: str, data: Mapping[str, Any], now: datetime
) -> int:
    """Store what happened; its position. `data` is plain JSON, small, and holds nothing secret.

    Whoever asked by a webhook to hear of it gets it put into the outbox, in this very transaction.
    """
    position = next_number(tx, "", "event")
    tx.execute(
        """
        INSERT INTO events (position, at, kind, service, subject, data)
        VALUES (:position, :at, :kind, :service, :subject, :data)
        """,
        position=position,
        at=to_milliseconds(now),
        kind=kind,
        service=service,
        subject=subject,
        data=json.dumps(dict(data), default=str),
    )
    tx.has_news = True
    fan_out(tx, Event(position, now, kind, service, subject, data), now)
    return position


def events_after(tx: Transaction, position: int, *, limit: int = 500) -> list[Event]:
    """In their order, the first one after `position`."""
    rows = tx.all(
        "SELECT * FROM events WHERE position > :position ORDER BY position LIMIT :limit",
        position=position,
        limit=limit,
    )
    return [
        Event(
            row["position"],
            from_milliseconds(row["at"]),
            row["kind"],
            row["service"],
            row["subject"],
            json.loads(row["data"]),
        )
        for row in rows
    ]


def last_position(tx: Transaction) -> int:
    """0 when nothing has happened yet. Taken from the counter: old events may have aged out."""
    row = tx.one("SELECT next_number FROM counters WHERE service = '' AND noun = 'event'")
    return 0 if row is None else int(row["next_number"]) - 1


def first_position(tx: Transaction) -> int | None:
    """Of the oldest event that is still kept."""
    row = tx.one("SELECT MIN(position) AS first FROM events")
    return None if row is None or row["first"] is None else int(row["first"])


def forget_events(tx: Transaction, *, before: datetime, limit: int = 5000) -> int:
    """Delete the oldest that are older than `before`, at most `limit`; how many went."""
    return tx.execute(
        """
        DELETE FROM events WHERE position IN (
            SELECT position FROM events WHERE at < :before ORDER BY at LIMIT :limit
        )
        """,
        before=to_milliseconds(before),
        limit=limit,
    )
