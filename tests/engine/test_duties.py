"""Loops that survive a failed tick, come when something is due, and say when they are late."""

import asyncio
from datetime import datetime, timedelta

from headway.base.clock import SystemClock
from headway.engine.duties import Duties
from tests.support.clocks import NOON, HandClock


async def test_a_tick_that_fails_is_told_and_the_next_one_comes() -> None:
    duties = Duties(SystemClock())
    calls: list[int] = []

    async def tick(now: datetime) -> None:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("the disk is away")
        duties.stop()

    duty = duties.add("intake", tick, every=3600)
    duty.pause = 0.001
    await asyncio.wait_for(duties.keep_doing(duty), 60)
    assert len(calls) == 3
    assert (duty.failures, duty.fault) == (0, "")


async def test_what_is_due_comes_when_it_is_due_and_a_wake_comes_at_once() -> None:
    clock = SystemClock()
    duties = Duties(clock)
    at: list[float] = []

    async def tick(now: datetime) -> datetime | None:
        at.append(clock.monotonic())
        if len(at) == 1:
            return now + timedelta(milliseconds=30)
        if len(at) == 3:
            duties.stop()
        return None

    duty = duties.add("runs", tick, every=3600)
    task = asyncio.create_task(duties.keep_doing(duty))
    while len(at) < 2:
        await asyncio.sleep(0.005)
    duties.wake("runs")
    duties.wake("nobody")
    await asyncio.wait_for(task, 60)
    assert at[1] - at[0] > 0.025, "not before it is due"


def test_a_loop_that_is_silent_for_too_long_is_named() -> None:
    clock = HandClock()
    duties = Duties(clock)

    async def tick(now: datetime) -> None:
        return None

    duty = duties.add("runs", tick, every=5)
    assert duties.late(clock.now()) == {}
    assert duties.looked_at() is None
    duty.began_at = duty.ended_at = NOON
    clock.pass_(timedelta(seconds=12))
    assert duties.late(clock.now()) == {}
    assert duties.looked_at() == NOON
    clock.pass_(timedelta(seconds=12))
    assert duties.late(clock.now()) == {"runs": timedelta(seconds=24)}


def test_a_tick_that_hangs_is_late_too() -> None:
    clock = HandClock()
    duties = Duties(clock)

    async def tick(now: datetime) -> None:
        return None

    duty = duties.add("intake", tick, every=5)
    duty.ended_at = NOON
    duty.began_at = NOON + timedelta(seconds=5)
    clock.pass_(timedelta(seconds=60))
    assert duties.late(clock.now()) == {"intake": timedelta(seconds=55)}


async def test_a_wake_does_not_have_a_failing_tick_come_sooner() -> None:
    duties = Duties(SystemClock())
    calls: list[int] = []

    async def tick(now: datetime) -> None:
        calls.append(1)
        duties.wake("runs")
        raise OSError("the database is away")

    duty = duties.add("runs", tick, every=3600)
    duty.pause = 60
    task = asyncio.create_task(duties.keep_doing(duty))
    await asyncio.sleep(0.05)
    duties.stop()
    await asyncio.wait_for(task, 60)
    assert len(calls) == 1


async def test_a_loop_that_is_broken_off_just_when_it_wakes_ends() -> None:
    """Before Python 3.12 `wait_for` may take the wake for its result and lose the cancellation."""
    duties = Duties(SystemClock())

    async def tick(now: datetime) -> None: ...

    duty = duties.add("intake", tick, every=3600)
    loop = asyncio.create_task(duties.keep_doing(duty))
    await asyncio.sleep(0.01)
    duty.wake.set()
    # The waiter is woken now, and broken off before it comes to its turn.
    await asyncio.sleep(0)
    loop.cancel()
    await asyncio.wait([loop], timeout=60)
    assert loop.cancelled()


async def test_a_loop_whose_every_tick_fails_is_in_trouble_until_one_does_not() -> None:
    clock = SystemClock()
    duties = Duties(clock)
    told: list[list[str]] = []

    async def tick(now: datetime) -> None:
        told.append([trouble.public for trouble in duties.troubles(now)])
        if len(told) == 6:
            duties.stop()
        elif len(told) < 5:
            raise OSError("the disk is away")

    duty = duties.add("janitor", tick, every=0.001)
    duty.pause = 0.001
    await asyncio.wait_for(duties.keep_doing(duty), 30)
    sentence = "the loop 'janitor' failed {} times in a row; the server's log says why"
    # Twice may be a restart of the database.
    assert told == [[], [], [], [sentence.format(3)], [sentence.format(4)], []]


async def test_a_fault_that_nobody_expected_is_a_trouble_from_the_first_failed_tick_on() -> None:
    clock = SystemClock()
    duties = Duties(clock)
    told: list[list[str]] = []

    async def tick(now: datetime) -> None:
        told.append([trouble.public for trouble in duties.troubles(now)])
        if len(told) == 3:
            duties.stop()
        elif len(told) == 1:
            raise KeyError("a bug")

    duty = duties.add("intake", tick, every=0.001)
    duty.pause = 0.001
    await asyncio.wait_for(duties.keep_doing(duty), 30)
    assert told == [[], ["the loop 'intake' failed once; the server's log says why"], []]
