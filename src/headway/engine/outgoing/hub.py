"""News for whoever looks on: stored events in their order, and passing signs (a log grew) that nobody stores.

The table is the truth. A commit with news wakes the pump, which reads on from the last position and hands each
reader its copy; a reader that is too slow is let go and resumes from the position it had.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from headway.store.database import Database
from headway.store.events import Event, events_after, first_position, last_position

log = logging.getLogger("headway.news")

#: Seconds between two looks without a wake-up: another server on the same database may have written.
_LOOK_EVERY = 1.0
#: News that a slow reader may leave lying.
_MOST_WAITING = 2000
_PAGE = 500
#: Readers of one server, each of whom holds a socket and a queue, and of one person: a browser's tabs share one.
MOST_READERS, MOST_OF_ONE = 1000, 50


@dataclass(frozen=True, slots=True)
class News:
    """`position` is that of the stored event; None for a passing sign, after which nobody can resume."""

    position: int | None
    kind: str
    service: str
    subject: str
    data: Mapping[str, Any]


class TooSlow(Exception):
    """The reader left more lying than is kept for it: it has to resume from its last position."""


class TooManyReaders(Exception):
    """Of this person, or in all: somebody has to leave first."""


@dataclass(eq=False)
class Subscription:
    """News from `position` on. Close it, or use it as a context."""

    _hub: "Hub"
    #: Everything up to here was handed out or lies in the queue.
    position: int
    #: Whose it is.
    who: str = ""
    #: News after the asked position had aged out already: the reader should look at the whole anew.
    has_gap: bool = False
    _queue: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(_MOST_WAITING))
    _is_lost: bool = False

    def _put(self, news: News) -> None:
        if self._is_lost:
            return
        try:
            self._queue.put_nowait(news)
        except asyncio.QueueFull:
            if news.position is None:
                return
            self._is_lost = True

    async def next(self, timeout: float) -> News | None:
        """The next one; None when `timeout` seconds brought nothing. Raises TooSlow, and StopAsyncIteration at the end."""
        if self._is_lost and self._queue.empty():
            raise TooSlow
        # Not `wait_for`, which before Python 3.12 may swallow a cancellation that meets its result.
        try:
            async with asyncio.timeout(timeout):
                news = await self._queue.get()
        except TimeoutError:
            return None
        if news is None:
            raise StopAsyncIteration
        return news

    def close(self) -> None:
        self._hub.forget(self)

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Hub:
    """One a server. Everything but `wake` is for the event loop's thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awake = asyncio.Event()
        self._readers: set[Subscription] = set()
        self._position = 0
        self._signs: dict[tuple[str, str], News] = {}
        self._is_closed = False

    @property
    def readers(self) -> int:
        return len(self._readers)

    def has_room_for(self, who: str) -> bool:
        """Whether one more may look on, so that nobody can take all places."""
        of_one = sum(reader.who == who for reader in self._readers)
        return len(self._readers) < MOST_READERS and of_one < MOST_OF_ONE

    async def start(self) -> None:
        """From here on commits wake us."""
        self._loop = asyncio.get_running_loop()
        self._position = await self._database.fetch(last_position)
        self._database.on_news = self.wake

    def wake(self) -> None:
        """From any thread: there may be news."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._awake.set)

    def sign(self, kind: str, *, service: str, subject: str, data: Mapping[str, Any]) -> None:
        """A passing sign. Several of one subject between two rounds become the last one."""
        if self._readers:
            self._signs[kind, subject] = News(None, kind, service, subject, data)
            self._awake.set()

    async def subscribe(self, after: int | None = None, *, who: str = "") -> Subscription:
        """News after the position `after`; None: from now on. Raises TooManyReaders."""
        # Its place is noted before the table is read: what comes meanwhile is told apart by its position.
        reader = Subscription(self, self._position if after is None else after, who)
        # The table may be ahead of us by a moment; what it has never reached is another database's.
        if after is None:
            pass
        elif after > self._position and after > await self._database.fetch(last_position):
            reader.position = self._position
            reader.has_gap = True
        elif after < self._position:
            await self._catch_up(reader, after)
        # Asked only now: many may come at once, and nothing is waited for any more.
        if not self.has_room_for(who):
            raise TooManyReaders
        self._readers.add(reader)
        if self._is_closed:
            reader._queue.put_nowait(None)
        return reader

    async def _catch_up(self, reader: Subscription, after: int) -> None:
        first = await self._database.fetch(first_position)
        reader.has_gap = first is None or first > after + 1
        if self._position - after > _MOST_WAITING // 2:
            # More than a page can use: it looks at the whole anew.
            reader.has_gap, reader.position = True, self._position
            return
        while reader.position < self._position:
            found = await self._page(reader.position)
            if not found:
                reader.position = self._position
                return
            for event in found:
                reader._put(_news(event))
                reader.position = event.position

    def forget(self, reader: Subscription) -> None:
        self._readers.discard(reader)

    async def run(self) -> None:
        """The pump, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._awake.wait()
            self._awake.clear()
            try:
                await self.round()
            except Exception:
                # The database may be away for a moment: nobody misses anything, positions tell where to go on.
                log.exception("news cannot be read")
                await asyncio.sleep(_LOOK_EVERY)
            # Many changes within a moment are one round: a hundred jobs a second cost ten looks, not hundreds.
            await asyncio.sleep(0.02)

    async def round(self) -> None:
        """Hand out what is new. Without readers nothing is read."""
        signs, self._signs = list(self._signs.values()), {}
        if not self._readers:
            position = await self._database.fetch(last_position)
            # Somebody may have come meanwhile, to whom the old position was promised.
            if not self._readers:
                self._position = position
                return
        while True:
            found = await self._page(self._position)
            for event in found:
                for reader in self._readers:
                    if event.position > reader.position:
                        reader._put(_news(event))
                        reader.position = event.position
            if found:
                self._position = found[-1].position
            if len(found) < _PAGE:
                break
        for sign in signs:
            for reader in self._readers:
                reader._put(sign)

    async def _page(self, position: int) -> list[Event]:
        return await self._database.fetch(lambda tx: events_after(tx, position, limit=_PAGE))

    def close(self) -> None:
        """The server ends: every reader is told, so that none holds the end up."""
        self._is_closed = True
        for reader in self._readers:
            with contextlib.suppress(asyncio.QueueFull):
                reader._queue.put_nowait(None)


def _news(event: Event) -> News:
    return News(event.position, event.kind, event.service, event.subject, event.data)


async def listen(hub: Hub, after: int | None = None) -> AsyncIterator[News]:
    """All news until the hub closes or the reader is too slow."""
    with await hub.subscribe(after) as reader:
        while True:
            try:
                news = await reader.next(3600)
            except (StopAsyncIteration, TooSlow):
                return
            if news is not None:
                yield news
