"""The outbox: effects that wait to be sent, in order for each subject.

Of the waiting effects of one kind and subject only the earliest has a `due_at`; the others rest until it is over. So a
look at what is due costs what is due, even if a receiver has been away for a day and ten thousand wait behind its first.
Whoever puts an effect or ends one holds the counter's row until the transaction ends (`_hold_order`): two transactions at
once could otherwise each believe that the other one's effect comes first.

Taking an effect is a lease: who dies with it in hand leaves it due again at the lease's end, and it is sent once more.
Its `attempts` are the token of the taking. The lease is minutes, a sending ends within seconds: clocks of two servers that
differ by less than that do no harm, and a second sending is known by its key.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.base.ids import new_id
from headway.domain.outbox import Effect, EffectState
from headway.store.counters import next_number
from headway.store.database import Row, Transaction

_WAITING = "kind = :kind AND subject = :subject AND state = 'waiting'"
_OURS = "id = :id AND state = 'waiting' AND attempts = :attempts"
_REPLACED = "a later one took its place"


def put(tx: Transaction, kind: str, *, key: str, subject: str, body: str, now: datetime) -> bool:
    """To be sent after whatever waits for this subject; False when the key is known. Put it last in a transaction:
    others that put something wait until this one ends.
    """
    if _is_known(tx, key):
        return False
    return _insert(tx, next_number(tx, "", "outbox"), kind, key=key, subject=subject, body=body, now=now)


def put_latest(tx: Transaction, kind: str, *, key: str, subject: str, body: str, now: datetime) -> bool:
    """Like `put`, for what only the last one of is worth telling: those that still wait for this subject become obsolete.
    One that is being sent just now is left to its end, so that the two cannot overtake each other.
    """
    if _is_known(tx, key):
        return False
    position = next_number(tx, "", "outbox")
    if _is_known(tx, key):
        # Another one put it before we came to the counter: it must not become obsolete for its own sake.
        return False
    tx.execute(
        f"""
        UPDATE outbox SET state = 'obsolete', due_at = NULL, note = :note
        WHERE {_WAITING} AND (taken_until IS NULL OR taken_until <= :now)
        """,
        kind=kind,
        subject=subject,
        note=_REPLACED,
        now=to_milliseconds(now),
    )
    return _insert(tx, position, kind, key=key, subject=subject, body=body, now=now)


def take_due(
    tx: Transaction, kinds: Collection[str], now: datetime, *, limit: int, lease: timedelta
) -> list[Effect]:
    """Ours to send until the lease ends, at most one of each kind and subject; in the order of their positions."""
    if not kinds:
        return []
    skip_locked = "FOR UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
    named, values = _of_kinds(kinds)
    # Materialized: PostgreSQL may run a subquery that locks once for each row, and would go beyond its limit.
    rows = tx.all(
        f"""
        WITH chosen AS MATERIALIZED (
            SELECT id FROM outbox WHERE due_at <= :now AND state = 'waiting' AND {named}
            ORDER BY due_at, position LIMIT :limit {skip_locked}
        )
        UPDATE outbox SET due_at = :until, taken_until = :until, attempts = attempts + 1
        WHERE id IN (SELECT id FROM chosen) AND due_at <= :now AND state = 'waiting'
        RETURNING *
        """,
        now=to_milliseconds(now),
        until=to_milliseconds(now + lease),
        limit=limit,
        **values,
    )
    return sorted((_effect(row) for row in rows), key=lambda effect: effect.position)


def next_due(tx: Transaction, kinds: Collection[str]) -> datetime | None:
    """When there is something to send; None while nothing waits."""
    if not kinds:
        return None
    named, values = _of_kinds(kinds)
    row = tx.one(f"SELECT MIN(due_at) AS first FROM outbox WHERE due_at IS NOT NULL AND {named}", **values)
    return None if row is None or row["first"] is None else from_milliseconds(row["first"])


def mark_sent(tx: Transaction, effect: Effect, now: datetime, *, note: str = "") -> bool:
    """It is done. False when it is not ours any more; so too for the marks below."""
    return _end(tx, effect, EffectState.SENT, note, now)


def mark_failed(tx: Transaction, effect: Effect, now: datetime, *, note: str) -> bool:
    """It is given up. What waits behind it goes on."""
    return _end(tx, effect, EffectState.FAILED, note, now)


def mark_obsolete(tx: Transaction, effect: Effect, now: datetime, *, note: str) -> bool:
    """Nobody wants it any more."""
    return _end(tx, effect, EffectState.OBSOLETE, note, now)


def retry_at(
    tx: Transaction, effect: Effect, at: datetime, now: datetime, *, note: str, latest_only: bool = False
) -> bool:
    """Once more at that time; what waits behind it waits with it. With `latest_only` one that has another behind it
    is obsolete instead: by then a later one is worth more than this.
    """
    _hold_order(tx)
    if latest_only and _has_later(tx, effect):
        return _end(tx, effect, EffectState.OBSOLETE, _REPLACED, now)
    return bool(
        tx.execute(
            f"UPDATE outbox SET due_at = :at, taken_until = NULL, note = :note WHERE {_OURS}",
            id=effect.id,
            attempts=effect.attempts,
            at=to_milliseconds(at),
            note=note,
        )
    )


def obsolete_subjects(tx: Transaction, kind: str, subjects: Collection[str], *, note: str) -> int:
    """Nothing of these goes out any more: their receiver is gone. How many there were."""
    _hold_order(tx)
    return sum(
        tx.execute(
            f"UPDATE outbox SET state = 'obsolete', due_at = NULL, note = :note WHERE {_WAITING}",
            kind=kind,
            subject=subject,
            note=note,
        )
        for subject in subjects
    )


def effects_of(tx: Transaction, kind: str, subject: str, *, limit: int = 50) -> list[Effect]:
    """The latest first, in whatever state."""
    rows = tx.all(
        "SELECT * FROM outbox WHERE kind = :kind AND subject = :subject ORDER BY position DESC LIMIT :limit",
        kind=kind,
        subject=subject,
        limit=limit,
    )
    return [_effect(row) for row in rows]


def _is_known(tx: Transaction, key: str) -> bool:
    return tx.one("SELECT 1 AS known FROM outbox WHERE key = :key", key=key) is not None


def _insert(
    tx: Transaction, position: int, kind: str, *, key: str, subject: str, body: str, now: datetime
) -> bool:
    # Two that put the same key at once: the second one waits for the first at the counter, then meets the conflict.
    return bool(
        tx.execute(
            f"""
            INSERT INTO outbox (id, kind, key, subject, position, body, created_at, state, due_at, attempts, note)
            VALUES (:id, :kind, :key, :subject, :position, :body, :now, 'waiting',
                CASE WHEN EXISTS (SELECT 1 FROM outbox WHERE {_WAITING})
                    THEN CAST(NULL AS BIGINT) ELSE CAST(:now AS BIGINT) END, 0, '')
            ON CONFLICT (key) DO NOTHING
            """,
            id=new_id("eff", now),
            kind=kind,
            key=key,
            subject=subject,
            position=position,
            body=body,
            now=to_milliseconds(now),
        )
    )


def _end(tx: Transaction, effect: Effect, state: EffectState, note: str, now: datetime) -> bool:
    _hold_order(tx)
    changed = tx.execute(
        f"""
        UPDATE outbox SET state = :state, due_at = NULL, taken_until = NULL, note = :note,
            sent_at = CAST(:sent_at AS BIGINT)
        WHERE {_OURS}
        """,
        id=effect.id,
        attempts=effect.attempts,
        state=state,
        note=note,
        sent_at=to_milliseconds(now) if state is EffectState.SENT else None,
    )
    tx.execute(
        f"""
        UPDATE outbox SET due_at = :now WHERE due_at IS NULL AND id = (
            SELECT id FROM outbox WHERE {_WAITING} ORDER BY position LIMIT 1
        )
        """,
        kind=effect.kind,
        subject=effect.subject,
        now=to_milliseconds(now),
    )
    return bool(changed)


def _has_later(tx: Transaction, effect: Effect) -> bool:
    found = tx.one(
        f"SELECT 1 AS found FROM outbox WHERE {_WAITING} AND position > :position LIMIT 1",
        kind=effect.kind,
        subject=effect.subject,
        position=effect.position,
    )
    return found is not None


def _hold_order(tx: Transaction) -> None:
    """Locks the row from which positions come, as `next_number` does."""
    tx.execute("UPDATE counters SET next_number = next_number WHERE service = '' AND noun = 'outbox'")


def _of_kinds(kinds: Collection[str]) -> tuple[str, dict[str, object]]:
    values: dict[str, object] = {f"kind_{number}": kind for number, kind in enumerate(sorted(kinds))}
    return f"kind IN ({', '.join(f':{name}' for name in values)})", values


def _effect(row: Row) -> Effect:
    return Effect(
        id=row["id"],
        kind=row["kind"],
        key=row["key"],
        subject=row["subject"],
        position=row["position"],
        body=row["body"],
        created_at=from_milliseconds(row["created_at"]),
        state=EffectState(row["state"]),
        due_at=_instant(row["due_at"]),
        attempts=row["attempts"],
        note=row["note"],
        sent_at=_instant(row["sent_at"]),
    )


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
