"""Rows of requests and approvals, on both databases."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from headway.domain.deployment import DeploymentKind
from headway.domain.request import Approval, Obstacle, Request, RequestOrigin, RequestState
from headway.store import requests as rows
from headway.store.database import Database
from tests.deploy.examples import NOW

S = RequestState


def request(number: int = 1, **changes: object) -> Request:
    values: dict[str, object] = {
        "id": f"req-{number}",
        "service": "shop",
        "environment": "production",
        "release": "rel-a",
        "commit": "a" * 40,
        "repository": "/data/shop.git",
        "kind": DeploymentKind.PLANNED,
        "force": False,
        "requested_by": "ana",
        "requested_at": NOW + timedelta(minutes=number),
        "origin": RequestOrigin.PERSON,
        "cause": f"cause {number}",
        "state": S.WAITING,
        "reason": "waits for an approval",
        "expires_at": NOW + timedelta(days=14),
        "due_at": NOW,
    }
    return Request(**{**values, **changes})  # type: ignore[arg-type]


def put(database: Database, made: Request) -> bool:
    return database.transact(lambda tx: rows.insert_request(tx, made))


def found(database: Database, number: int = 1) -> Request:
    row = database.read(lambda tx: rows.get_request(tx, f"req-{number}"))
    assert row is not None
    return row


def test_comes_back_as_it_was_stored(database: Database) -> None:
    obstacle = Obstacle("freeze", "frozen for the feast", "wait", until=NOW)
    whole = request(
        kind=DeploymentKind.ROLLBACK,
        force=True,
        origin=RequestOrigin.AUTOMATIC,
        obstacles=(obstacle, Obstacle("when", "branch is 'x'", final=True)),
        deployment="dep-1",
        settings_of="dep-0",
        ended_at=NOW,
    )
    assert put(database, whole)
    assert found(database) == whole
    assert database.read(lambda tx: rows.get_request(tx, "req-9")) is None
    assert database.read(lambda tx: rows.request_of_deployment(tx, "dep-1")) == whole


def test_the_same_cause_makes_the_same_wish_once(database: Database) -> None:
    assert put(database, request(1, cause="after staging", state=S.DONE))
    assert not put(database, request(2, cause="after staging"))
    assert put(database, request(3, cause="after staging", release="rel-b"))
    same = database.read(lambda tx: rows.request_by_cause(tx, "shop", "production", "rel-a", "after staging"))
    assert same is not None and same.id == "req-1"


def test_one_stands_at_a_gate(database: Database) -> None:
    put(database, request(1))
    # SQLite and PostgreSQL call it differently; both refuse.
    with pytest.raises(Exception, match=r"(?i)unique"):
        put(database, request(2, release="rel-b"))
    assert put(database, request(3, environment="staging"))
    assert database.transact(lambda tx: rows.end_waiting(tx, "req-1", S.SUPERSEDED, "by req-2", NOW))
    assert put(database, request(2, release="rel-b"))
    standing = database.read(lambda tx: rows.waiting_at(tx, "shop", "production"))
    assert standing is not None and standing.id == "req-2"
    assert [one.id for one in database.read(rows.waiting_requests)] == ["req-2", "req-3"]


def test_what_is_over_is_not_changed_again(database: Database) -> None:
    put(database, request())
    assert database.transact(lambda tx: rows.begin_request(tx, "req-1", "dep-7", "deployment 7 goes on"))
    begun = found(database)
    assert (begun.state, begun.deployment, begun.due_at) == (S.BEGUN, "dep-7", None)
    assert not database.transact(lambda tx: rows.begin_request(tx, "req-1", "dep-8", "twice"))
    assert not database.transact(lambda tx: rows.end_waiting(tx, "req-1", S.WITHDRAWN, "late", NOW))
    assert not database.transact(lambda tx: rows.save_waiting(tx, "req-1", "late", (), NOW))
    done = database.transact(lambda tx: rows.finish_by_deployment(tx, "dep-7", "serves", NOW))
    assert done is not None and (done.state, done.ended_at) == (S.DONE, NOW)
    assert database.transact(lambda tx: rows.finish_by_deployment(tx, "dep-7", "again", NOW)) is None
    assert found(database) == done


def test_what_is_due_and_what_is_looked_at_soon(database: Database) -> None:
    def due(at: datetime) -> list[str]:
        return [one.id for one in database.read(lambda tx: rows.due_requests(tx, at))]

    put(database, request(1, due_at=NOW + timedelta(hours=1)))
    put(database, request(2, service="cart", due_at=NOW + timedelta(hours=2)))
    assert due(NOW) == []
    assert database.read(rows.next_due) == NOW + timedelta(hours=1)
    assert due(NOW + timedelta(hours=1)) == ["req-1"]
    assert database.transact(lambda tx: rows.look_soon(tx, "cart", None, NOW)) == 1
    assert due(NOW) == ["req-2"]
    assert database.transact(lambda tx: rows.look_soon(tx, "shop", "staging", NOW)) == 0
    obstacle = Obstacle("lock", "deployment 3 goes on")
    later = NOW + timedelta(minutes=5)
    assert database.transact(lambda tx: rows.save_waiting(tx, "req-2", "held", [obstacle], later))
    assert found(database, 2) == request(
        2, service="cart", reason="held", obstacles=(obstacle,), due_at=later
    )


def test_the_last_word_of_a_person_counts(database: Database) -> None:
    put(database, request())
    yes = Approval("req-1", "bo", True, "looks good", NOW, NOW + timedelta(hours=24))
    other = replace(yes, person="eve", comment="", at=NOW + timedelta(minutes=1), verified=False)
    no = replace(yes, yes=False, comment="wait for me", at=NOW + timedelta(minutes=2))
    for word in (yes, other, no):
        database.transact(lambda tx, word=word: rows.put_approval(tx, word))  # type: ignore[misc]
    assert database.read(lambda tx: rows.approvals_of(tx, "req-1")) == [other, no]


def test_the_newest_of_a_service_come_first(database: Database) -> None:
    for number in range(1, 6):
        put(database, request(number, state=S.DONE, service="cart" if number == 3 else "shop"))
    first = database.read(lambda tx: rows.requests_of(tx, "shop", limit=2))
    assert [one.id for one in first] == ["req-5", "req-4"]
    rest = database.read(
        lambda tx: rows.requests_of(tx, "shop", place=(first[-1].requested_at, first[-1].id))
    )
    assert [one.id for one in rest] == ["req-2", "req-1"]
