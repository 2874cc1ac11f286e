"""The only place where the clock is read. Everything else is handed `now`."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What the engine needs of time. Wall time is UTC; monotonic time is in seconds."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        # Imported here: it takes 40 ms, and most commands that ask for the time never sleep.
        import asyncio

        await asyncio.sleep(seconds)


class SteadyClock:
    """A clock for processes that live long: its wall time never goes back while they do.

    A machine's clock that is set back would make what was due a moment ago due in an hour; so instants count on from
    where they were by the monotonic clock, until the wall has caught up. One that is set forward is followed at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Both in one: threads share the clock, and half of a mark would be a time that never was.
        self._mark = (clock.now(), clock.monotonic())

    def now(self) -> datetime:
        marked, at = self._mark
        monotonic = self._clock.monotonic()
        steady = marked + timedelta(seconds=monotonic - at)
        wall = self._clock.now()
        if wall >= steady:
            self._mark = (wall, monotonic)
            return wall
        return steady

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


#: The finest step that is stored.
MOMENT = timedelta(milliseconds=1)


def to_milliseconds(instant: datetime) -> int:
    """Milliseconds since the epoch; the form in which every instant is stored."""
    return (instant - EPOCH) // MOMENT


def from_milliseconds(milliseconds: int) -> datetime:
    """The aware UTC instant of a stored number of milliseconds."""
    return EPOCH + timedelta(milliseconds=milliseconds)
