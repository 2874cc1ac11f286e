"""The audit log on both databases: added to, read by filter and page, never changed."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

import headway
from headway.domain.people import AuditEntry
from headway.store.audit import actors, add_entry, entries
from headway.store.database import Database
from tests.support.clocks import NOON

DONE = [("ana", "secret.set", "shop A"), ("bo", "secret.remove", "shop A"), ("ana", "secrets.x", "shop B")]


@pytest.fixture
def stored(database: Database) -> Database:
    for number, (actor, action, subject) in enumerate(DONE):
        entry = AuditEntry(NOON + timedelta(hours=number), actor, "session", "", action, subject)
        assert database.transact(lambda tx, entry=entry: add_entry(tx, entry)) == number + 1
    return database


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [3, 2, 1]),
        ({"actor": "ana"}, [3, 1]),
        ({"action": "secret.set"}, [1]),
        ({"noun": "secret"}, [2, 1]),
        ({"subject": "shop A"}, [2, 1]),
        ({"since": NOON + timedelta(hours=1)}, [3, 2]),
        ({"until": NOON + timedelta(hours=1)}, [1]),
        ({"before": 3, "limit": 1}, [2]),
        ({"actor": "ana", "noun": "secret"}, [1]),
    ],
)
def test_what_is_found(stored: Database, wanted: dict[str, object], found: list[int]) -> None:
    listed = stored.read(lambda tx: entries(tx, **wanted))  # type: ignore[arg-type]
    assert [entry.id for entry in listed] == found


def test_an_entry_comes_back_as_it_was(database: Database) -> None:
    entry = AuditEntry(NOON, "ana", "token ci", "192.0.2.1", "a.b", "\N{SNOWMAN}", '{"a": 1}', "{}")
    database.transact(lambda tx: add_entry(tx, entry))
    [found] = database.read(entries)
    assert (found.id, found.before, found.after, found.by) == (1, '{"a": 1}', "{}", "token ci")
    assert database.read(actors) == ["ana"]


def test_a_change_that_is_taken_back_leaves_no_gap(database: Database) -> None:
    entry = AuditEntry(NOON, "ana", "session", "", "a.b", "x")

    def fails(tx):  # type: ignore[no-untyped-def]
        add_entry(tx, entry)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.transact(fails)
    assert database.transact(lambda tx: add_entry(tx, entry)) == 1


def test_nothing_in_the_code_changes_or_removes_a_row() -> None:
    sources = Path(headway.__file__).parent
    changes = re.compile(
        r"(UPDATE|DELETE\s+FROM|TRUNCATE|DROP\s+TABLE|REPLACE\s+INTO)\s+audit\b", re.IGNORECASE
    )
    texts = [*sources.rglob("*.py"), *sources.rglob("*.sql")]
    assert len(texts) > 100
    assert not [path for path in texts if changes.search(path.read_text(encoding="utf-8"))]
