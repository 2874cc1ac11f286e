"""Sessions of browsers, known by the SHA-256 of their cookie's value."""

from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.access import Session
from headway.store.database import Row, Transaction


def add_session(tx: Transaction, hash: str, session: Session) -> None:
    tx.execute(
        """
        INSERT INTO sessions (hash, id, person, created_at, seen_at, expires_at, address, user_agent)
        VALUES (:hash, :id, :person, :created_at, :seen_at, :expires_at, :address, :user_agent)
        """,
        hash=hash,
        id=session.id,
        person=session.person,
        created_at=to_milliseconds(session.created_at),
        seen_at=to_milliseconds(session.seen_at),
        expires_at=to_milliseconds(session.expires_at),
        address=session.address,
        user_agent=session.user_agent,
    )


def session_by_hash(tx: Transaction, hash: str, now: datetime) -> Session | None:
    """Only while it is in force."""
    row = tx.one(
        "SELECT * FROM sessions WHERE hash = :hash AND expires_at > :now", hash=hash, now=to_milliseconds(now)
    )
    return None if row is None else _session(row)


def sessions_of(tx: Transaction, person: str, now: datetime) -> list[Session]:
    rows = tx.all(
        """
        SELECT * FROM sessions WHERE person = :person AND expires_at > :now
        ORDER BY seen_at DESC, id
        """,
        person=person,
        now=to_milliseconds(now),
    )
    return [_session(row) for row in rows]


def touch_session(tx: Transaction, hash: str, *, seen_at: datetime, expires_at: datetime) -> None:
    tx.execute(
        "UPDATE sessions SET seen_at = :seen_at, expires_at = :expires_at WHERE hash = :hash",
        hash=hash,
        seen_at=to_milliseconds(seen_at),
        expires_at=to_milliseconds(expires_at),
    )


def end_session(tx: Transaction, hash: str) -> str | None:
    """Whose it was; None when there is no such session."""
    row = tx.one("DELETE FROM sessions WHERE hash = :hash RETURNING person", hash=hash)
    return None if row is None else str(row["person"])


def end_session_by_id(tx: Transaction, person: str, id: str) -> bool:
    return bool(tx.execute("DELETE FROM sessions WHERE id = :id AND person = :person", id=id, person=person))


def end_sessions_of(tx: Transaction, person: str, *, but: str = "") -> int:
    """All of them, except the one with the hash `but`."""
    return tx.execute("DELETE FROM sessions WHERE person = :person AND hash <> :but", person=person, but=but)


def forget_sessions(tx: Transaction, now: datetime) -> int:
    """Those that have run out."""
    return tx.execute("DELETE FROM sessions WHERE expires_at <= :now", now=to_milliseconds(now))


def _session(row: Row) -> Session:
    return Session(
        id=row["id"],
        person=row["person"],
        created_at=from_milliseconds(row["created_at"]),
        seen_at=from_milliseconds(row["seen_at"]),
        expires_at=from_milliseconds(row["expires_at"]),
        address=row["address"],
        user_agent=row["user_agent"],
    )
