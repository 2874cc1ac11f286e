"""News reach everybody who looks on, in order, once, and whoever was away misses nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from headway.engine.outgoing import hub as hub_module
from headway.engine.outgoing.hub import Hub, Subscription, TooManyReaders, TooSlow
from headway.store.database import Database
from headway.store.events import add_event, forget_events, last_position

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


def happens(database: Database, *numbers: int, at: datetime = NOW) -> None:
    for number in numbers:
        database.transact(
            lambda tx, number=number: add_event(  # type: ignore[misc]
                tx, "run.changed", service="shop", subject=f"run-{number}", data={"number": number}, now=at
            )
        )


async def seen(reader: Subscription, count: int) -> list[int]:
    found = []
    for _ in range(count):
        news = await reader.next(5)
        assert news is not None
        found.append(int(news.data["number"]))
    return found


async def test_a_commit_with_news_wakes_whoever_looks_on(database: Database) -> None:
    hub = Hub(database)
    await hub.start()
    pump = asyncio.create_task(hub.run())
    with await hub.subscribe() as one, await hub.subscribe() as two:
        await asyncio.to_thread(happens, database, 1, 2, 3)
        assert await seen(one, 3) == [1, 2, 3]
        assert await seen(two, 3) == [1, 2, 3]
    pump.cancel()


async def test_who_comes_back_goes_on_where_it_was(database: Database) -> None:
    hub = Hub(database)
    await hub.start()
    happens(database, 1, 2, 3, 4)
    await hub.round()
    with await hub.subscribe(after=2) as reader:
        assert not reader.has_gap
        assert await seen(reader, 2) == [3, 4]
        happens(database, 5)
        await hub.round()
        assert await seen(reader, 1) == [5]
        assert await reader.next(0.01) is None


async def test_news_between_two_positions_come_once_even_if_the_pump_is_at_work(database: Database) -> None:
    hub = Hub(database)
    await hub.start()
    happens(database, *range(1, 21))
    with await hub.subscribe(after=0) as reader:
        await hub.round()
        await hub.round()
        assert await seen(reader, 20) == list(range(1, 21))
        assert await reader.next(0.01) is None


async def test_who_was_away_for_too_long_is_told_of_the_gap(database: Database) -> None:
    hub = Hub(database)
    await hub.start()
    happens(database, 1, 2, at=NOW - timedelta(days=30))
    happens(database, 3)
    await hub.round()
    database.transact(lambda tx: forget_events(tx, before=NOW - timedelta(days=1)))
    with await hub.subscribe(after=0) as reader:
        assert reader.has_gap
        assert await seen(reader, 1) == [3]
    with await hub.subscribe(after=999) as reader:
        assert reader.has_gap


async def test_who_has_seen_more_than_we_have_misses_nothing(database: Database) -> None:
    """A page was made from the table while the pump had not come to it yet."""
    hub = Hub(database)
    await hub.start()
    happens(database, 1, 2)
    with await hub.subscribe(after=2) as reader:
        assert not reader.has_gap
        happens(database, 3)
        await hub.round()
        assert await seen(reader, 1) == [3]
        assert await reader.next(0.01) is None


async def test_what_the_pump_hands_out_while_somebody_asks_reaches_him_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(database)
    await hub.start()
    happens(database, 1, 2)
    fetch = database.fetch

    async def slowly(work):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(database, "fetch", fetch)
        answer = await fetch(work)
        happens(database, 3)
        await hub.round()
        return answer

    monkeypatch.setattr(database, "fetch", slowly)
    with await hub.subscribe(after=2) as reader:
        assert await seen(reader, 1) == [3]


async def test_a_reader_that_is_too_slow_is_let_go_and_can_resume(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.engine.outgoing.hub._MOST_WAITING", 10)
    hub = Hub(database)
    await hub.start()
    with await hub.subscribe() as reader:
        reader._queue = asyncio.Queue(10)
        happens(database, *range(1, 30))
        await hub.round()
        last = (await seen(reader, 10))[-1]
        with pytest.raises(TooSlow):
            await reader.next(1)
    with await hub.subscribe(after=database.read(last_position) - 3) as again:
        assert last == 10
        assert await seen(again, 3) == [27, 28, 29]


async def test_passing_signs_of_one_subject_become_one(database: Database) -> None:
    hub = Hub(database)
    await hub.start()
    with await hub.subscribe() as reader:
        for size in (10, 20, 30):
            hub.sign("log.grew", service="shop", subject="job-1", data={"size": size})
        await hub.round()
        news = await reader.next(1)
        assert news is not None
        assert (news.position, news.data["size"]) == (None, 30)
        assert await reader.next(0.01) is None


async def test_the_end_is_told_to_every_reader(database: Database) -> None:
    hub = Hub(database)
    await hub.start()
    with await hub.subscribe() as reader:
        hub.close()
        with pytest.raises(StopAsyncIteration):
            await reader.next(1)


async def test_one_person_cannot_take_all_places_whichever_way_they_come(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "MOST_OF_ONE", 2)
    monkeypatch.setattr(hub_module, "MOST_READERS", 3)
    hub = Hub(database)
    await hub.start()
    # All at once, so that each of them was asked before any had entered.
    came = await asyncio.gather(*(hub.subscribe(0, who="vera") for _ in range(5)), return_exceptions=True)
    entered = [one for one in came if isinstance(one, Subscription)]
    assert len(entered) == 2 and not hub.has_room_for("vera")
    assert hub.has_room_for("ada")
    with await hub.subscribe(who="ada"):
        assert not hub.has_room_for("grace")
        with pytest.raises(TooManyReaders):
            await hub.subscribe(who="grace")
    entered[0].close()
    assert hub.has_room_for("vera")
