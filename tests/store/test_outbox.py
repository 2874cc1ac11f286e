"""The outbox: each effect once, in order for each subject, on both databases."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.domain.outbox import Effect, EffectState
from headway.store import outbox
from headway.store.database import Database, Transaction, open_database

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
LEASE = timedelta(minutes=2)
KIND = "webhook"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def put(database: Database, *keys: str, subject: str = "shop", kind: str = KIND, now: datetime = NOW) -> None:
    for key in keys:
        database.transact(
            lambda tx, key=key: outbox.put(tx, kind, key=key, subject=subject, body=f"body of {key}", now=now)
        )


def put_latest(database: Database, key: str, *, subject: str = "shop", now: datetime = NOW) -> bool:
    return database.transact(
        lambda tx: outbox.put_latest(tx, KIND, key=key, subject=subject, body="{}", now=now)
    )


def take(database: Database, now: datetime = NOW, limit: int = 10) -> list[Effect]:
    return database.transact(lambda tx: outbox.take_due(tx, [KIND], now, limit=limit, lease=LEASE))


def keys(effects: list[Effect]) -> list[str]:
    return [effect.key for effect in effects]


def states(database: Database, subject: str = "shop") -> dict[str, str]:
    found = database.read(lambda tx: outbox.effects_of(tx, KIND, subject))
    return {effect.key: str(effect.state) for effect in reversed(found)}


def test_the_same_key_is_one_effect(database: Database) -> None:
    put(database, "a", "a")
    assert not database.transact(
        lambda tx: outbox.put(tx, "other", key="a", subject="another", body="", now=NOW)
    )
    assert keys(take(database)) == ["a"]


def test_what_is_known_already_takes_no_number_from_the_counter(database: Database) -> None:
    """Whoever takes one holds up all others until its transaction ends."""
    put(database, "a", "a")
    assert not put_latest(database, "a", subject="another")
    put(database, "b")
    found = database.read(lambda tx: outbox.effects_of(tx, KIND, "shop"))
    assert [effect.key for effect in found] == ["b", "a"]
    assert found[0].position == found[1].position + 1


def test_what_two_tell_in_the_same_moment_is_told_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one looks before the first has committed, and comes to the counter after it."""
    assert put_latest(database, "a")
    is_known, looks = outbox._is_known, iter([False])

    def first_look(tx: Transaction, key: str) -> bool:
        return next(looks, None) is None and is_known(tx, key)

    monkeypatch.setattr(outbox, "_is_known", first_look)
    assert not put_latest(database, "a")
    assert states(database) == {"a": "waiting"}
    assert keys(take(database)) == ["a"]


def test_of_a_subject_only_the_earliest_is_given_out(database: Database) -> None:
    put(database, "a", "b", "c")
    put(database, "x", subject="blog")
    first, other = take(database)
    assert (first.key, first.body, first.attempts) == ("a", "body of a", 1)
    assert other.key == "x"
    assert take(database) == []
    database.transact(lambda tx: outbox.mark_sent(tx, first, NOW, note="answered 200"))
    (second,) = take(database)
    assert second.key == "b"
    database.transact(lambda tx: outbox.mark_failed(tx, second, NOW, note="answered 400"))
    assert keys(take(database)) == ["c"]
    assert states(database) == {"a": "sent", "b": "failed", "c": "waiting"}


def test_kinds_do_not_wait_for_one_another(database: Database) -> None:
    put(database, "a")
    put(database, "b", kind="commit_status")
    assert keys(take(database)) == ["a"]
    database.transact(lambda tx: outbox.take_due(tx, [], NOW, limit=5, lease=LEASE))
    assert database.read(lambda tx: outbox.next_due(tx, ["commit_status"])) == NOW
    assert database.read(lambda tx: outbox.next_due(tx, [])) is None


def test_one_that_is_tried_again_holds_back_what_waits_behind_it(database: Database) -> None:
    put(database, "a", "b")
    (effect,) = take(database)
    database.transact(lambda tx: outbox.retry_at(tx, effect, at(60), NOW, note="answered 503"))
    assert take(database, at(59)) == []
    assert database.read(lambda tx: outbox.next_due(tx, [KIND])) == at(60)
    (again,) = take(database, at(60))
    assert (again.key, again.attempts, again.note) == ("a", 2, "answered 503")


def test_who_dies_with_it_in_hand_leaves_it_to_the_next(database: Database) -> None:
    put(database, "a", "b")
    (lost,) = take(database)
    assert take(database, NOW + LEASE - timedelta(seconds=1)) == []
    (found,) = take(database, NOW + LEASE)
    assert (found.key, found.attempts) == ("a", 2)
    # The one thought dead comes back: its word does not count any more.
    assert not database.transact(lambda tx: outbox.mark_failed(tx, lost, at(200), note="late"))
    assert not database.transact(lambda tx: outbox.retry_at(tx, lost, at(999), at(200), note="late"))
    assert database.transact(lambda tx: outbox.mark_sent(tx, found, at(200)))
    assert states(database) == {"a": "sent", "b": "waiting"}


def test_the_latest_takes_the_place_of_those_that_wait(database: Database) -> None:
    assert put_latest(database, "queued")
    assert put_latest(database, "running")
    assert put_latest(database, "succeeded")
    assert not put_latest(database, "running")
    assert put_latest(database, "elsewhere", subject="blog")
    assert states(database) == {"queued": "obsolete", "running": "obsolete", "succeeded": "waiting"}
    assert keys(take(database)) == ["succeeded", "elsewhere"]


def test_one_that_is_being_sent_is_not_overtaken(database: Database) -> None:
    put_latest(database, "queued")
    (sending,) = take(database)
    put_latest(database, "running")
    put_latest(database, "succeeded")
    assert take(database) == []
    assert states(database) == {"queued": "waiting", "running": "obsolete", "succeeded": "waiting"}
    database.transact(lambda tx: outbox.mark_sent(tx, sending, NOW))
    assert keys(take(database)) == ["succeeded"]


def test_one_whose_sender_died_is_overtaken_after_its_lease(database: Database) -> None:
    put_latest(database, "queued")
    take(database)
    put_latest(database, "running", now=NOW + LEASE)
    assert states(database) == {"queued": "obsolete", "running": "waiting"}
    assert keys(take(database, NOW + LEASE)) == ["running"]


def test_one_that_failed_gives_way_to_a_later_one(database: Database) -> None:
    put_latest(database, "queued")
    (sending,) = take(database)
    put_latest(database, "running")
    database.transact(
        lambda tx: outbox.retry_at(tx, sending, at(600), NOW, note="answered 503", latest_only=True)
    )
    assert states(database) == {"queued": "obsolete", "running": "waiting"}
    (later,) = take(database)
    database.transact(
        lambda tx: outbox.retry_at(tx, later, at(600), NOW, note="answered 503", latest_only=True)
    )
    assert database.read(lambda tx: outbox.next_due(tx, [KIND])) == at(600)


def test_what_nobody_hears_any_more_is_dropped(database: Database) -> None:
    put(database, "a", "b")
    put(database, "x", subject="blog")
    gone = database.transact(
        lambda tx: outbox.obsolete_subjects(tx, KIND, ["shop", "unknown"], note="it was removed")
    )
    assert gone == 2
    assert keys(take(database)) == ["x"]
    found = database.read(lambda tx: outbox.effects_of(tx, KIND, "shop"))
    assert {effect.note for effect in found} == {"it was removed"}


def test_a_limit_is_kept_and_the_longest_due_comes_first(database: Database) -> None:
    for number in range(5):
        put(database, f"key-{number}", subject=f"subject-{number}", now=at(number))
    assert keys(take(database, at(10), limit=2)) == ["key-0", "key-1"]
    assert keys(take(database, at(10), limit=9)) == ["key-2", "key-3", "key-4"]


def test_however_many_wait_behind_one_only_one_is_looked_at(database: Database) -> None:
    def fill(tx: Transaction) -> None:
        for number in range(300):
            outbox.put(tx, KIND, key=f"key-{number}", subject="shop", body="", now=NOW)

    database.transact(fill)
    due = database.read(lambda tx: tx.one("SELECT COUNT(*) AS count FROM outbox WHERE due_at IS NOT NULL"))
    assert due == {"count": 1}


def test_writers_at_once_leave_exactly_the_earliest_due(database_url: str) -> None:
    """Puts and marks race in two connections; whatever their order, nothing is stuck and nothing doubled."""
    with open_database(database_url) as one, open_database(database_url) as other:
        sent: list[str] = []

        def putting() -> None:
            for number in range(30):
                put(one, f"key-{number}")

        writer = threading.Thread(target=putting)
        writer.start()
        while writer.is_alive() or one.read(lambda tx: outbox.next_due(tx, [KIND])) is not None:
            for effect in take(other):
                sent.append(effect.key)
                other.transact(lambda tx, effect=effect: outbox.mark_sent(tx, effect, NOW))
        writer.join()
        assert sent == [f"key-{number}" for number in range(30)]


def test_two_takers_never_get_the_same(database_url: str) -> None:
    with open_database(database_url) as one, open_database(database_url) as other:
        for number in range(40):
            put(one, f"key-{number}", subject=f"subject-{number}")
        taken: list[list[str]] = [[], []]

        def taking(database: Database, into: list[str]) -> None:
            while some := take(database, limit=3):
                into.extend(keys(some))

        threads = [
            threading.Thread(target=taking, args=pair) for pair in zip((one, other), taken, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # A taker may find all rows locked by the other and stop; none is given out twice.
        rest = keys(take(one, limit=100))
        together = [*taken[0], *taken[1], *rest]
        assert sorted(together) == sorted(f"key-{number}" for number in range(40))


# Whatever is done in whatever order: of each subject exactly the earliest waiting one is due.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["put", "put_latest", "take", "sent", "failed", "retry", "retry_latest", "lose", "drop"]
        ),
        st.sampled_from(["shop", "blog"]),
    ),
    max_size=25,
)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(steps=STEPS)
def test_exactly_the_earliest_of_a_subject_is_due(
    kind: str, steps: list[tuple[str, str]], shared: dict[str, Database]
) -> None:
    database = shared[kind]
    database.transact(lambda tx: tx.execute("DELETE FROM outbox"))
    numbers, now = itertools.count(), NOW
    in_hand: list[Effect] = []
    for step, subject in steps:
        now += timedelta(seconds=1)
        match step:
            case "put":
                put(database, f"key-{next(numbers)}", subject=subject, now=now)
            case "put_latest":
                put_latest(database, f"key-{next(numbers)}", subject=subject, now=now)
            case "take":
                taken = take(database, now)
                assert len({effect.subject for effect in taken}) == len(taken)
                assert not {effect.subject for effect in taken} & {effect.subject for effect in in_hand}
                in_hand += taken
            case "lose":
                now += LEASE
                in_hand.clear()
            case "drop":
                database.transact(
                    lambda tx, subject=subject: outbox.obsolete_subjects(tx, KIND, [subject], note="gone")
                )
                in_hand = [effect for effect in in_hand if effect.subject != subject]
            case _ if in_hand:
                effect = in_hand.pop(0)
                database.transact(lambda tx, e=effect, n=now, s=step: _end(tx, s, e, n))
        rows = database.read(lambda tx: tx.all("SELECT * FROM outbox WHERE state = 'waiting'"))
        for name in {row["subject"] for row in rows}:
            waiting = sorted(
                (row for row in rows if row["subject"] == name), key=lambda row: int(row["position"])
            )
            assert [row["due_at"] is not None for row in waiting] == [True] + [False] * (len(waiting) - 1)


def _end(tx: Transaction, step: str, effect: Effect, now: datetime) -> None:
    match step:
        case "sent":
            outbox.mark_sent(tx, effect, now)
        case "failed":
            outbox.mark_failed(tx, effect, now, note="no")
        case "retry":
            outbox.retry_at(tx, effect, now + timedelta(seconds=3), now, note="later")
        case "retry_latest":
            outbox.retry_at(tx, effect, now + timedelta(seconds=3), now, note="later", latest_only=True)
        case _:
            raise AssertionError(step)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, postgresql_server):  # type: ignore[no-untyped-def]
    """One database of each kind for all examples of a property."""
    folder = tmp_path_factory.mktemp("outbox")
    with (
        postgresql_server.fresh_url() as url,
        open_database(f"sqlite:///{folder}/headway.db") as sqlite,
        open_database(url) as postgresql,
    ):
        yield {"sqlite": sqlite, "postgresql": postgresql}


def test_an_effect_is_told_whole_at_each_step(database: Database) -> None:
    """When it was put, is due, was sent, and what came of it."""

    def first() -> Effect:
        return database.read(lambda tx: outbox.effects_of(tx, KIND, "shop"))[-1]

    put(database, "a", "b")
    put(database, "b", kind="mail")
    waits = first()
    assert (waits.kind, waits.key, waits.subject, waits.body) == (KIND, "a", "shop", "body of a")
    assert (waits.state, waits.created_at, waits.due_at) == (EffectState.WAITING, NOW, NOW)
    assert (waits.attempts, waits.note, waits.sent_at) == (0, "", None)
    (taken,) = take(database, at(1))
    assert (taken.id, taken.position, taken.attempts, taken.due_at) == (
        waits.id,
        waits.position,
        1,
        at(1) + LEASE,
    )
    behind = database.read(lambda tx: outbox.effects_of(tx, KIND, "shop", limit=1))
    assert [(one.key, one.due_at) for one in behind] == [("b", None)]
    assert behind[0].position > waits.position
    database.transact(lambda tx: outbox.mark_sent(tx, taken, at(2), note="answered 200"))
    assert first() == replace(taken, state=EffectState.SENT, due_at=None, note="answered 200", sent_at=at(2))
    (after,) = take(database, at(3))
    assert after.key == "b"
    assert not database.transact(lambda tx: outbox.mark_sent(tx, taken, at(4)))
    assert database.transact(lambda tx: outbox.mark_sent(tx, after, at(5)))
    sent = database.read(lambda tx: outbox.effects_of(tx, KIND, "shop"))[0]
    assert (sent.key, sent.state, sent.note) == ("b", EffectState.SENT, "")


@pytest.mark.parametrize(
    ("mark", "state"),
    [(outbox.mark_failed, EffectState.FAILED), (outbox.mark_obsolete, EffectState.OBSOLETE)],
)
def test_what_was_not_sent_says_why_and_what_waits_behind_it_is_due_then(
    database: Database, mark: Callable[..., bool], state: EffectState
) -> None:
    put(database, "a", "b")
    (taken,) = take(database)
    assert database.transact(lambda tx: mark(tx, taken, at(5), note="no receiver"))
    later, ended = database.read(lambda tx: outbox.effects_of(tx, KIND, "shop"))
    assert (ended.state, ended.note, ended.sent_at, ended.due_at) == (state, "no receiver", None, None)
    assert (later.key, later.due_at) == ("b", at(5))
    assert database.read(lambda tx: outbox.next_due(tx, [KIND])) == at(5)


def test_who_sends_several_kinds_gets_what_is_due_of_each(database: Database) -> None:
    put(database, "a")
    put(database, "b", kind="mail", now=at(-5))
    put(database, "c", kind="pager")
    both = [KIND, "mail"]
    assert database.read(lambda tx: outbox.next_due(tx, both)) == at(-5)
    taken = database.transact(lambda tx: outbox.take_due(tx, both, NOW, limit=9, lease=LEASE))
    assert [(effect.key, effect.id.partition("-")[0]) for effect in taken] == [("a", "eff"), ("b", "eff")]


def test_nothing_is_due_to_who_sends_nothing(database: Database) -> None:
    put(database, "a")
    assert database.transact(lambda tx: outbox.take_due(tx, [], NOW, limit=9, lease=LEASE)) == []
    assert database.read(lambda tx: outbox.next_due(tx, [])) is None
    assert database.read(lambda tx: outbox.next_due(tx, ["mail"])) is None


def test_one_that_a_later_one_replaced_says_so(database: Database) -> None:
    put_latest(database, "queued")
    put_latest(database, "running")
    (sending,) = take(database)
    put_latest(database, "succeeded")
    assert database.transact(
        lambda tx: outbox.retry_at(tx, sending, at(600), NOW, note="answered 503", latest_only=True)
    )
    notes = [one.note for one in database.read(lambda tx: outbox.effects_of(tx, KIND, "shop"))]
    assert notes == ["", "a later one took its place", "a later one took its place"]


def test_the_latest_stands_behind_what_was_put_before_it(database: Database) -> None:
    put(database, "a", "b", "c")
    put_latest(database, "latest", subject="blog")
    put(database, "d")
    (latest,) = database.read(lambda tx: outbox.effects_of(tx, KIND, "blog"))
    positions = {
        one.key: one.position for one in database.read(lambda tx: outbox.effects_of(tx, KIND, "shop"))
    }
    assert positions["c"] < latest.position < positions["d"]
