"""A time limit that counts only while this process runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headway.base.patience import Patience

#: Seconds between two looks at the clock, and the most that passes between them while the process runs.
_LOOK_EVERY, _TICK = 1.0, 2.0


@asynccontextmanager
async def awake_for(seconds: float | None) -> AsyncIterator[None]:
    """`asyncio.timeout`, of the time in which this process was awake: an answer that came while it was stopped is read
    before the limit is judged. Raises TimeoutError; None: no limit."""
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        patience = Patience(loop.time, seconds, tick=_TICK)
        looking: asyncio.TimerHandle

        def look() -> None:
            nonlocal looking
            left = patience.left()
            if left <= 0:
                limit.reschedule(loop.time())
            else:
                looking = loop.call_later(min(left, _LOOK_EVERY), look)

        looking = loop.call_later(min(max(seconds, 0.0), _LOOK_EVERY), look)
        try:
            yield
        finally:
            looking.cancel()
