"""Calls with an idempotency key, as rows, on both databases."""

from datetime import UTC, datetime, timedelta

from headway.store import idempotency as rows
from headway.store.commit_runs import newest_run_of
from headway.store.database import Database

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE = NOW + timedelta(seconds=30)


def found(database: Database) -> rows.StoredCall:
    call = database.read(lambda tx: rows.find_call(tx, "k"))
    assert call is not None
    return call


def begin(database: Database, claim: str = "mine") -> bool:
    return database.transact(lambda tx: rows.begin_call(tx, "k", "f", claim, NOW, LEASE))


def test_a_key_is_taken_once_and_remembers_what_was_answered(database: Database) -> None:
    assert begin(database)
    assert not begin(database, "other")
    database.transact(lambda tx: rows.end_call(tx, "k", "mine", status=201, answer="sealed"))
    call = found(database)
    assert (call.fingerprint, call.status, call.answer) == ("f", 201, "sealed")
    # What was answered is not forgotten as if it had failed, nor taken over.
    database.transact(lambda tx: rows.leave_call(tx, "k", "mine"))
    assert not database.transact(lambda tx: rows.take_over(tx, "k", call, "other", LEASE))
    assert database.transact(lambda tx: rows.forget_old_calls(tx, before=NOW)) == 0
    assert database.transact(lambda tx: rows.forget_old_calls(tx, before=NOW + timedelta(days=1))) == 1
    assert database.read(lambda tx: rows.find_call(tx, "k")) is None


def test_one_takes_over_a_call_that_was_left(database: Database) -> None:
    begin(database)
    call, later = found(database), LEASE + timedelta(minutes=1)
    took = [database.transact(lambda tx: rows.take_over(tx, "k", call, "other", later)) for _ in range(2)]
    assert took == [True, False]
    database.transact(lambda tx: rows.leave_call(tx, "k", "other"))
    assert database.transact(lambda tx: rows.begin_call(tx, "k", "g", "mine", NOW, LEASE))


def test_whoever_was_taken_over_writes_nothing(database: Database) -> None:
    begin(database)
    call = found(database)
    database.transact(lambda tx: rows.take_over(tx, "k", call, "other", LEASE + timedelta(minutes=1)))
    taken = found(database)
    database.transact(lambda tx: rows.leave_call(tx, "k", "mine"))
    for write in (
        lambda tx: rows.hold_call(tx, "k", "mine"),
        lambda tx: rows.renew_call(tx, "k", "mine", LEASE + timedelta(hours=1)),
        lambda tx: rows.end_call(tx, "k", "mine", status=201, answer=""),
    ):
        assert not database.transact(write)
    assert found(database) == taken
    assert database.transact(lambda tx: rows.hold_call(tx, "k", "other"))


def test_one_that_was_renewed_is_not_taken_over_by_who_saw_it_before(database: Database) -> None:
    begin(database)
    call = found(database)
    assert database.transact(lambda tx: rows.renew_call(tx, "k", "mine", LEASE + timedelta(minutes=1)))
    assert not database.transact(lambda tx: rows.take_over(tx, "k", call, "other", LEASE))


def test_what_came_of_a_call_outlives_its_failure(database: Database) -> None:
    begin(database)
    assert database.read(lambda tx: rows.effect_of(tx, "k")) == ""
    database.transact(lambda tx: rows.note_effect(tx, "k", "request req-1", NOW))
    database.transact(lambda tx: rows.leave_call(tx, "k", "mine"))
    assert database.read(lambda tx: rows.effect_of(tx, "k")) == "request req-1"
    # It may be asked again at once.
    call = found(database)
    assert database.transact(lambda tx: rows.take_over(tx, "k", call, "other", LEASE))
    # The key of a form was never begun as a call.
    database.transact(lambda tx: rows.note_effect(tx, "form-1", "request req-2", NOW))
    assert database.read(lambda tx: rows.effect_of(tx, "form-1")) == "request req-2"
    assert database.read(lambda tx: rows.effect_of(tx, "none")) == ""


def test_a_commit_without_a_run(database: Database) -> None:
    assert database.read(lambda tx: newest_run_of(tx, "shop", "f" * 40)) is None
