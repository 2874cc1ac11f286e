"""The sending duty: order, waits, giving up, and what a crash leaves."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain.outbox import Effect, EffectState
from headway.engine.outgoing.outbox import (
    NothingToSend,
    OutboxDuty,
    Outcome,
    SendError,
    after_failure,
    backoff,
)
from headway.store import outbox
from headway.store.database import Database, Transaction

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PASSING = SendError("answered 503", permanent=False)


class Post:
    """Writes down what it was to send; fails as the test says."""

    def __init__(self, *, latest_only: bool = False) -> None:
        self.latest_only = latest_only
        self.sent: list[str] = []
        self.settled: list[tuple[str, EffectState]] = []
        self.failing: dict[str, Exception] = {}
        self.hold: Callable[[str], asyncio.Event | None] = lambda key: None
        self.in_the_air: set[str] = set()
        self.most = 0

    async def send(self, effect: Effect, now: datetime) -> str:
        assert effect.subject not in self.in_the_air
        self.in_the_air.add(effect.subject)
        self.most = max(self.most, len(self.in_the_air))
        try:
            await asyncio.sleep(0)
            if (event := self.hold(effect.key)) is not None:
                await event.wait()
            if (error := self.failing.get(effect.key)) is not None:
                raise error
            self.sent.append(effect.key)
            return "answered 200"
        finally:
            self.in_the_air.discard(effect.subject)

    def settle(self, tx: Transaction, effect: Effect, outcome: Outcome, now: datetime) -> None:
        self.settled.append((effect.key, outcome.state))


def duty(database: Database, post: Post, **options: int) -> OutboxDuty:
    return OutboxDuty(database, {"post": post}, chance=lambda: 0.0, **options)


def put(database: Database, *keys: str, subject: str = "shop") -> None:
    for key in keys:
        database.transact(
            lambda tx, key=key: outbox.put(tx, "post", key=key, subject=subject, body="{}", now=NOW)
        )


def kept(database: Database, key: str) -> Effect:
    found = database.read(lambda tx: outbox.effects_of(tx, "post", "shop"))
    return next(effect for effect in found if effect.key == key)


async def until_quiet(one: OutboxDuty, now: datetime = NOW) -> datetime | None:
    while (again := await one.tick(now)) is not None and again <= now:
        pass
    return again


async def test_everything_is_sent_in_order_and_subjects_side_by_side(database: Database) -> None:
    put(database, "a", "b", "c")
    put(database, "x", "y", subject="blog")
    post = Post()
    assert await until_quiet(duty(database, post)) is None
    assert [key for key in post.sent if key in "abc"] == ["a", "b", "c"]
    assert [key for key in post.sent if key in "xy"] == ["x", "y"]
    assert post.most == 2
    assert kept(database, "a").note == "answered 200"
    assert kept(database, "a").sent_at == NOW


async def test_no_more_than_so_many_are_in_the_air(database: Database) -> None:
    for number in range(20):
        put(database, f"key-{number}", subject=f"subject-{number}")
    post = Post()
    await until_quiet(duty(database, post, side_by_side=4))
    assert post.most <= 4
    assert len(post.sent) == 20


async def test_one_that_fails_in_passing_is_tried_again_and_holds_back_its_subject(
    database: Database,
) -> None:
    put(database, "a", "b")
    put(database, "x", subject="blog")
    post = Post()
    post.failing["a"] = PASSING
    one = duty(database, post)
    again = await until_quiet(one)
    assert again == NOW + 5 * SECOND
    assert post.sent == ["x"]
    assert (kept(database, "a").note, kept(database, "a").attempts) == ("answered 503", 1)
    assert await until_quiet(one, again) == again + 10 * SECOND
    del post.failing["a"]
    assert await until_quiet(one, again + 10 * SECOND) is None
    assert post.sent == ["x", "a", "b"]


async def test_one_that_fails_for_good_is_given_up_and_the_next_goes(database: Database) -> None:
    put(database, "a", "b")
    post = Post()
    post.failing["a"] = SendError("the token is refused", permanent=True)
    await until_quiet(duty(database, post))
    assert (kept(database, "a").state, kept(database, "a").note) == (
        EffectState.FAILED,
        "the token is refused",
    )
    assert post.settled == [("a", EffectState.FAILED), ("b", EffectState.SENT)]


async def test_what_nobody_wants_is_obsolete(database: Database) -> None:
    put(database, "a")
    post = Post()
    post.failing["a"] = NothingToSend("the repository is gone")
    await until_quiet(duty(database, post))
    assert kept(database, "a").state is EffectState.OBSOLETE


async def test_an_unforeseen_error_costs_only_its_own_effect(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    put(database, "a")
    put(database, "x", subject="blog")
    post = Post()
    post.failing["a"] = KeyError("a bug")
    one = duty(database, post)
    assert await until_quiet(one) == NOW + 5 * SECOND
    assert post.sent == ["x"]
    assert kept(database, "a").note == "Headway's own error: KeyError"
    [trouble] = one.faults.troubles(NOW)
    assert trouble.public == "a message cannot be sent: Headway's own error; the server's log says why"
    assert "a" in caplog.text


async def test_killed_between_sending_and_writing_it_is_sent_again_under_its_key(database: Database) -> None:
    put(database, "a", "b")
    post = Post()
    gone = asyncio.Event()
    sending = asyncio.Event()

    def hold(key: str) -> asyncio.Event:
        post.sent.append(f"{key} got there")
        sending.set()
        return gone

    post.hold = hold
    dying = asyncio.create_task(duty(database, post).tick(NOW))
    await sending.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    post.hold = lambda key: None
    # Nobody else takes it while it may still be in the air, nor what waits behind it.
    another = duty(database, post)
    lease_end = await until_quiet(another)
    assert lease_end == NOW + timedelta(minutes=2)
    assert post.sent == ["a got there"]
    await until_quiet(another, lease_end)
    assert post.sent == ["a got there", "a", "b"]
    assert kept(database, "a").attempts == 2


async def test_a_status_that_failed_gives_way_to_a_later_one(database: Database) -> None:
    def put_latest(key: str) -> None:
        database.transact(
            lambda tx: outbox.put_latest(tx, "post", key=key, subject="shop", body="{}", now=NOW)
        )

    post = Post(latest_only=True)
    put_latest("running")

    def hold(key: str) -> None:
        if key == "running":
            put_latest("succeeded")

    post.hold = hold
    post.failing["running"] = PASSING
    assert await until_quiet(duty(database, post)) is None
    assert post.sent == ["succeeded"]
    assert kept(database, "running").state is EffectState.OBSOLETE


async def test_kinds_without_a_sender_are_left_alone(database: Database) -> None:
    put(database, "a")
    assert await OutboxDuty(database, {}).tick(NOW) is None
    assert kept(database, "a").attempts == 0


# How long, and when no more


def effect(attempts: int, created_at: datetime = NOW) -> Effect:
    return Effect("eff-1", "post", "a", "shop", 1, "{}", created_at, EffectState.WAITING, NOW, attempts, "")


@pytest.mark.parametrize(
    ("attempts", "age", "error", "state", "wait"),
    [
        (1, 0, PASSING, EffectState.WAITING, 5),
        (2, 0, PASSING, EffectState.WAITING, 10),
        (5, 0, PASSING, EffectState.WAITING, 80),
        (60, 0, PASSING, EffectState.WAITING, 3600),
        # The other side knows better.
        (1, 0, SendError("busy", permanent=False, retry_after=90 * SECOND), EffectState.WAITING, 90),
        (5, 0, SendError("busy", permanent=False, retry_after=SECOND), EffectState.WAITING, 80),
        (80, 2.9, PASSING, EffectState.WAITING, 3600),
        (80, 3, PASSING, EffectState.FAILED, None),
        # The server was off for a week: not the receiver's fault.
        (1, 7, PASSING, EffectState.WAITING, 5),
        (3, 7, PASSING, EffectState.FAILED, None),
        (1, 0, SendError("no", permanent=True), EffectState.FAILED, None),
    ],
)
def test_when_it_is_tried_again(
    attempts: int, age: float, error: SendError, state: EffectState, wait: float | None
) -> None:
    outcome = after_failure(effect(attempts, NOW - timedelta(days=age)), error, NOW, 0.0)
    assert outcome.state is state
    assert outcome.again_at == (None if wait is None else NOW + wait * SECOND)


def test_giving_up_says_how_long_it_was_tried() -> None:
    outcome = after_failure(effect(80, NOW - timedelta(days=3)), PASSING, NOW, 0.0)
    assert outcome.note == "given up after 3 days and 80 attempts: answered 503"


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_an_hour_and_are_spread(attempts: int, chance: float) -> None:
    wait = backoff(attempts, chance)
    assert timedelta(seconds=3.75) <= wait <= timedelta(hours=1)
    assert backoff(attempts + 1, chance) >= wait
