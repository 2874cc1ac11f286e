"""What waits longer than anything may: a clock was set far forward, written down, and set back.

A process that lives keeps its own steady time; rows of one that ended would rest until that day came.
"""

from datetime import datetime, timedelta

from headway.base.clock import to_milliseconds
from headway.store.database import Transaction

#: Longer pauses than these are given to no try.
_ARRIVAL, _EFFECT = timedelta(minutes=15), timedelta(minutes=90)


def end_long_rests(tx: Transaction, now: datetime) -> int:
    """Polls and tries that are due later than they could be by this clock are due now; how many. Requests are looked at by
    each start anyway."""
    at = to_milliseconds(now)
    # A poll comes after its interval, an hour without one; after a fault up to a quarter of an hour later.
    count = tx.execute(
        """
        UPDATE repositories SET due_at = :now WHERE removed_at IS NULL AND due_at > :now + 1100 *
            CASE WHEN poll_every IS NULL OR poll_every = 0 THEN 3600 WHEN poll_every > 900 THEN poll_every ELSE 900 END
        """,
        now=at,
    )
    for table, longest in (("arrivals", _ARRIVAL), ("outbox", _EFFECT)):
        count += tx.execute(
            f"UPDATE {table} SET due_at = :now WHERE state = 'waiting' AND due_at > :latest",
            now=at,
            latest=to_milliseconds(now + longest),
        )
    return count
