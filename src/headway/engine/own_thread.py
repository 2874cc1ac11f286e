"""Blocking work of one job, in a thread of its own: it holds up nobody else's, and is left behind if it does not listen."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from headway.base.clock import Clock
from headway.base.patience import Patience
from headway.base.stopping import Stopped, StopSign

log = logging.getLogger("headway.runs")

#: Seconds between two looks at the sign, and how long whoever was told to stop is waited for.
_LOOK_EVERY, PATIENCE = 0.1, 5.0
#: More between two looks is time in which the whole process stood still, and the work with it.
_TICK = 2.0

Result = TypeVar("Result")


async def in_own_thread(
    work: Callable[[], Result], sign: StopSign, clock: Clock, *, within: float, name: str
) -> Result:
    """What the work answers or raises. Raises Stopped when it was told to stop, or has taken `within` seconds.

    Work that does not look at its sign (it waits for a disk that is away, say) goes on alone; nobody waits for it, and
    it does not keep the process from its end.
    """
    future = _begin(work, name)
    patience = Patience(clock.monotonic, within, tick=_TICK)
    told: Patience | None = None
    try:
        while not future.done():
            await asyncio.wait({future}, timeout=_LOOK_EVERY)
            if patience.left() < 0:
                sign.stop(f"it took longer than {within:.0f} s")
            if sign.is_set and told is None:
                told = Patience(clock.monotonic, PATIENCE, tick=_TICK)
            if told is not None and told.left() < 0 and not future.done():
                log.warning("%s does not listen and is left behind: %s", name, sign.reason)
                raise Stopped(sign.reason)
        return future.result()
    finally:
        sign.stop("nobody waits for it any more")


def _begin(work: Callable[[], Result], name: str) -> "asyncio.Future[Result]":
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()
    # Of work that was left behind nobody asks what it came to.
    future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            told = error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}")
            _tell(loop, future, lambda: future.set_exception(told))
        else:
            _tell(loop, future, lambda: future.set_result(result))

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def _tell(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Result]", act: Callable[[], None]) -> None:
    def tell() -> None:
        if not future.done():
            act()

    # The loop may have ended before the work did.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(tell)
