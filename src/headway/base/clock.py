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


def to_milliseconds(instant: datetime) -> int:
    """Milliseconds since the epoch; the form in which every instant is stored."""
    return (instant - EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(milliseconds: int) -> datetime:
    """The aware UTC instant of a stored number of milliseconds."""
    return EPOCH + timedelta(milliseconds=milliseconds)
