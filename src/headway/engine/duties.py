"""The loops of a server: each is a tick that is called again and again, and says when it wants to be called next.

A tick that fails is logged and comes again; the loop survives. `Duties` knows when each was last on time, which is
what `/readyz` and the top bar of the pages say: silence and a dead loop never look alike.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headway.base.clock import Clock
from headway.base.errors import HeadwayError
from headway.engine.troubles import Trouble

log = logging.getLogger("headway.duties")

#: Called with `now`; answers when it wants to be called next, None for "when woken, or after `every`".
Tick = Callable[[datetime], Awaitable[datetime | None]]

#: Seconds that one waits at most after a tick that failed, unless it comes less often anyway.
_LONGEST_PAUSE = 5.0
#: A loop is late when its tick has not come for this long beyond its own interval.
_LATE = timedelta(seconds=15)
#: Failed ticks in a row from which on somebody has to look: fewer are a restart of the database. An error that nobody
#: expected is looked at from the first one on.
_FAILING = 3


@dataclass(eq=False)
class Duty:
    name: str
    tick: Tick
    #: Seconds between two calls when nothing wakes it and nothing is due.
    every: float
    #: Seconds to wait after a tick that failed; it doubles up to `every` or 5 s, the longer.
    pause: float = 1.0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    #: When the last tick began and ended, by the clock.
    began_at: datetime | None = None
    ended_at: datetime | None = None
    #: Of the last tick that failed; empty when the last one went well.
    fault: str = ""
    #: How often in a row it failed.
    failures: int = 0
    #: That one was a fault of Headway itself.
    is_own: bool = False


class Duties:
    """All duties of one server process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._duties: dict[str, Duty] = {}
        self._stopping = asyncio.Event()

    def add(self, name: str, tick: Tick, *, every: float) -> Duty:
        duty = Duty(name, tick, every)
        self._duties[name] = duty
        return duty

    @property
    def all(self) -> tuple[Duty, ...]:
        return tuple(self._duties.values())

    @property
    def is_stopping(self) -> bool:
        """No new work is to be begun."""
        return self._stopping.is_set()

    def wake(self, name: str) -> None:
        """From the loop's thread: its tick comes at once. Unknown names (a duty that runs elsewhere) are left alone."""
        if duty := self._duties.get(name):
            duty.wake.set()

    def stop(self) -> None:
        """Each finishes its tick and begins no other."""
        self._stopping.set()
        for duty in self._duties.values():
            duty.wake.set()

    def late(self, now: datetime) -> dict[str, timedelta]:
        """Name of each loop that is behind its time -> for how long it has not looked."""
        found = {}
        for duty in self._duties.values():
            since = (
                duty.ended_at if duty.began_at is None else max(duty.began_at, duty.ended_at or duty.began_at)
            )
            if since is not None and now - since > timedelta(seconds=duty.every) + _LATE:
                found[duty.name] = now - since
        return found

    def troubles(self, now: datetime) -> list[Trouble]:
        """Of each loop that is behind its time, and of each whose every tick fails."""
        late = self.late(now).items()
        said = [f"the loop '{name}' has not looked for {time.total_seconds():.0f} s" for name, time in late]
        hint = "It has to come back by itself; if it does not, the server's log says what it waits for. Nothing is lost."
        found = [Trouble(sentence, public=sentence, hint=hint) for sentence in said]
        for duty in self._duties.values():
            if duty.failures >= _FAILING or (duty.failures and duty.is_own):
                often = f"{duty.failures} times in a row" if duty.failures > 1 else "once"
                sentence = f"the loop '{duty.name}' failed {often}"
                hint = f"{duty.fault[:300]}. It is tried again; nothing is lost. The server's log says more."
                found.append(Trouble(sentence, public=f"{sentence}; the server's log says why", hint=hint))
        return found

    def looked_at(self) -> datetime | None:
        """When the one that looked longest ago did; None before all have."""
        instants = [duty.ended_at for duty in self._duties.values()]
        known = [instant for instant in instants if instant is not None]
        return min(known) if known and len(known) == len(instants) else None

    async def keep_doing(self, duty: Duty) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            duty.wake.clear()
            duty.began_at = self._clock.now()
            wait, heeded = duty.every, duty.wake
            try:
                due_at = await duty.tick(duty.began_at)
            except Exception as error:
                duty.failures += 1
                duty.fault = f"{type(error).__name__}: {error}"
                duty.is_own = not isinstance(error, HeadwayError | OSError)
                wait = min(duty.pause * 2 ** min(duty.failures - 1, 10), max(duty.every, _LONGEST_PAUSE))
                # Whoever wakes it now would have it fail again at once, and make the pauses longer.
                heeded = self._stopping
                log.exception("%s: this tick failed, the next one comes in %.0f s", duty.name, wait)
            else:
                duty.failures, duty.fault, duty.is_own = 0, "", False
                if due_at is not None:
                    wait = max(0.0, min(wait, (due_at - self._clock.now()).total_seconds()))
            duty.ended_at = self._clock.now()
            # Not `wait_for`, which before Python 3.12 may swallow a cancellation that meets its result.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await heeded.wait()
