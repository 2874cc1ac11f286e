"""Tokens of programs, known by the SHA-256 of their text."""

import json
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.access import Token
from headway.domain.people import Scope
from headway.store.database import Row, Transaction


def add_token(tx: Transaction, hash: str, token: Token) -> None:
    tx.execute(
        """
        INSERT INTO tokens (id, hash, prefix, name, person, scopes, created_at, expires_at, last_used_at, revoked_at)
        VALUES (:id, :hash, :prefix, :name, :person, :scopes, :created_at, :expires_at, NULL, NULL)
        """,
        id=token.id,
        hash=hash,
        prefix=token.prefix,
        name=token.name,
        person=token.person,
        scopes=json.dumps(sorted(token.scopes)),
        created_at=to_milliseconds(token.created_at),
        expires_at=_milliseconds(token.expires_at),
    )


def token_by_hash(tx: Transaction, hash: str) -> Token | None:
    """In force or not."""
    row = tx.one("SELECT * FROM tokens WHERE hash = :hash", hash=hash)
    return None if row is None else _token(row)


def token_by_id(tx: Transaction, id: str) -> Token | None:
    row = tx.one("SELECT * FROM tokens WHERE id = :id", id=id)
    return None if row is None else _token(row)


def tokens_of(tx: Transaction, person: str | None) -> list[Token]:
    """Of one person or of all, newest first, those out of force included."""
    rows = tx.all(
        """
        SELECT * FROM tokens WHERE CAST(:person AS TEXT) IS NULL OR person = :person
        ORDER BY created_at DESC, id DESC
        """,
        person=person,
    )
    return [_token(row) for row in rows]


def touch_token(tx: Transaction, id: str, now: datetime) -> None:
    tx.execute("UPDATE tokens SET last_used_at = :now WHERE id = :id", id=id, now=to_milliseconds(now))


def put_revoked(tx: Transaction, id: str, now: datetime) -> bool:
    """False when it was revoked before."""
    return bool(
        tx.execute(
            "UPDATE tokens SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL",
            id=id,
            now=to_milliseconds(now),
        )
    )


def _token(row: Row) -> Token:
    return Token(
        id=row["id"],
        name=row["name"],
        person=row["person"],
        # A scope of a newer Headway is not one of ours: it allows nothing here.
        scopes=frozenset(Scope(name) for name in json.loads(row["scopes"]) if name in set(Scope)),
        prefix=row["prefix"],
        created_at=from_milliseconds(row["created_at"]),
        expires_at=_instant(row["expires_at"]),
        last_used_at=_instant(row["last_used_at"]),
        revoked_at=_instant(row["revoked_at"]),
    )


def _milliseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_milliseconds(instant)


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
