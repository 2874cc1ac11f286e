"""People, and the links that let them in once."""

from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.access import SignInLink
from headway.domain.people import Person, Role
from headway.store.database import Row, Transaction


def add_person(tx: Transaction, person: Person) -> bool:
    """False when the handle is taken."""
    return bool(
        tx.execute(
            """
            INSERT INTO people (handle, display_name, email, role, created_at, disabled_at)
            VALUES (:handle, :display_name, :email, :role, :created_at, NULL)
            ON CONFLICT (handle) DO NOTHING
            """,
            handle=person.name,
            display_name=person.display_name,
            email=person.email,
            role=person.role,
            created_at=to_milliseconds(person.created_at),
        )
    )


def person_by_handle(tx: Transaction, handle: str) -> Person | None:
    row = tx.one("SELECT * FROM people WHERE handle = :handle", handle=handle)
    return None if row is None else _person(row)


def all_people(tx: Transaction) -> list[Person]:
    return [_person(row) for row in tx.all("SELECT * FROM people ORDER BY handle")]


def count_people(tx: Transaction) -> int:
    row = tx.one("SELECT COUNT(*) AS number FROM people")
    assert row is not None
    return int(row["number"])


def password_hash_of(tx: Transaction, handle: str) -> str | None:
    """None also for who is not there or not let in."""
    row = tx.one(
        "SELECT password_hash FROM people WHERE handle = :handle AND disabled_at IS NULL", handle=handle
    )
    return None if row is None or row["password_hash"] is None else str(row["password_hash"])


def put_password_hash(tx: Transaction, handle: str, hash: str) -> None:
    tx.execute("UPDATE people SET password_hash = :hash WHERE handle = :handle", handle=handle, hash=hash)


def put_role(tx: Transaction, handle: str, role: Role) -> None:
    tx.execute("UPDATE people SET role = :role WHERE handle = :handle", handle=handle, role=role)


def put_names(tx: Transaction, handle: str, *, display_name: str, email: str) -> None:
    tx.execute(
        "UPDATE people SET display_name = :display_name, email = :email WHERE handle = :handle",
        handle=handle,
        display_name=display_name,
        email=email,
    )


def put_disabled(tx: Transaction, handle: str, at: datetime | None) -> None:
    """None lets them in again."""
    tx.execute(
        "UPDATE people SET disabled_at = :at WHERE handle = :handle",
        handle=handle,
        at=None if at is None else to_milliseconds(at),
    )


def add_link(tx: Transaction, hash: str, link: SignInLink) -> None:
    tx.execute(
        """
        INSERT INTO sign_in_links (hash, person, created_at, created_by, expires_at, used_at)
        VALUES (:hash, :person, :created_at, :created_by, :expires_at, NULL)
        """,
        hash=hash,
        person=link.person,
        created_at=to_milliseconds(link.created_at),
        created_by=link.created_by,
        expires_at=to_milliseconds(link.expires_at),
    )


def find_link(tx: Transaction, hash: str) -> SignInLink | None:
    row = tx.one("SELECT * FROM sign_in_links WHERE hash = :hash", hash=hash)
    return None if row is None else _link(row)


def use_link(tx: Transaction, hash: str, now: datetime) -> SignInLink | None:
    """The link, now used up; None when it never was, was used, or has run out. One caller of many gets it."""
    row = tx.one(
        """
        UPDATE sign_in_links SET used_at = :now
        WHERE hash = :hash AND used_at IS NULL AND expires_at > :now RETURNING *
        """,
        hash=hash,
        now=to_milliseconds(now),
    )
    return None if row is None else _link(row)


def void_links(tx: Transaction, person: str | None, now: datetime) -> int:
    """Unused links of this person (None: of the first administrator) no longer let in."""
    return tx.execute(
        """
        UPDATE sign_in_links SET expires_at = :now
        WHERE used_at IS NULL AND expires_at > :now
            AND (person = :person OR (person IS NULL AND CAST(:person AS TEXT) IS NULL))
        """,
        person=person,
        now=to_milliseconds(now),
    )


def forget_links(tx: Transaction, before: datetime) -> int:
    return tx.execute("DELETE FROM sign_in_links WHERE expires_at < :before", before=to_milliseconds(before))


def _person(row: Row) -> Person:
    return Person(
        name=row["handle"],
        display_name=row["display_name"],
        email=row["email"],
        role=Role(row["role"]),
        created_at=from_milliseconds(row["created_at"]),
        disabled_at=None if row["disabled_at"] is None else from_milliseconds(row["disabled_at"]),
        has_password=row["password_hash"] is not None,
    )


def _link(row: Row) -> SignInLink:
    return SignInLink(
        person=row["person"],
        created_at=from_milliseconds(row["created_at"]),
        created_by=row["created_by"],
        expires_at=from_milliseconds(row["expires_at"]),
        used_at=None if row["used_at"] is None else from_milliseconds(row["used_at"]),
    )
