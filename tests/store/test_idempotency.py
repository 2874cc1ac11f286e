"""Calls with an idempotency key, as rows, on both databases."""

from datetime import UTC, datetime, timedelta

from headway.store.commit_runs import newest_run_of
from headway.store.database import Database
from headway.store.idempotency import (
    begin_call,
    end_call,
    find_call,
    forget_call,
    forget_old_calls,
    take_over,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE = NOW + timedelta(seconds=30)


def test_a_key_is_taken_once_and_remembers_what_was_answered(database: Database) -> None:
    begin = lambda tx: begin_call(tx, "k", "f", now=NOW, lease_until=LEASE)  # noqa: E731
    assert database.transact(begin)
    assert not database.transact(begin)
    database.transact(lambda tx: end_call(tx, "k", status=201, answer="sealed"))
    found = database.read(lambda tx: find_call(tx, "k"))
    assert found is not None
    assert (found.fingerprint, found.status, found.answer) == ("f", 201, "sealed")
    # What was answered is not forgotten as if it had failed, nor taken over.
    database.transact(lambda tx: forget_call(tx, "k"))
    assert not database.transact(
        lambda tx: take_over(tx, "k", was_until=found.lease_until, lease_until=LEASE)
    )
    assert database.transact(lambda tx: forget_old_calls(tx, before=NOW)) == 0
    assert database.transact(lambda tx: forget_old_calls(tx, before=NOW + timedelta(days=1))) == 1
    assert database.read(lambda tx: find_call(tx, "k")) is None


def test_one_takes_over_a_call_that_was_left(database: Database) -> None:
    database.transact(lambda tx: begin_call(tx, "k", "f", now=NOW, lease_until=LEASE))
    found = database.read(lambda tx: find_call(tx, "k"))
    assert found is not None
    later = LEASE + timedelta(minutes=1)
    took = [
        database.transact(lambda tx: take_over(tx, "k", was_until=found.lease_until, lease_until=later))
        for _ in range(2)
    ]
    assert took == [True, False]
    database.transact(lambda tx: forget_call(tx, "k"))
    assert database.transact(lambda tx: begin_call(tx, "k", "g", now=NOW, lease_until=LEASE))


def test_a_commit_without_a_run(database: Database) -> None:
    assert database.read(lambda tx: newest_run_of(tx, "shop", "f" * 40)) is None
