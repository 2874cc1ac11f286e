"""Accept, then process: what a repository tells is stored durably before its teller is answered, and only then worked on.

Many tellers at once share a transaction: while one is being written, the next ones gather. So a disk that needs 5 ms
for each commit still takes hundreds of pushes a second.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import Clock
from headway.domain.intake import Arrival, arrival_key
from headway.store.arrivals import add_arrival
from headway.store.database import Database, Transaction

#: Of those that gathered, at most so many go into one transaction.
_MOST_AT_ONCE = 200


@dataclass(slots=True)
class _Offer:
    repository: str
    delivery: str
    arrivals: Sequence[Arrival]
    #: Numbers of those that were new.
    answer: "asyncio.Future[list[int]]"


class Arrivals:
    """The door. For the event loop's thread."""

    def __init__(
        self, database: Database, clock: Clock, on_accepted: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._clock = clock
        self._gathered: list[_Offer] = []
        self._writing: asyncio.Task[None] | None = None
        #: Called after something new was stored.
        self.on_accepted = on_accepted

    async def accept(self, repository: str, arrivals: Sequence[Arrival], *, delivery: str = "") -> list[int]:
        """Numbers of those that are new, once they are stored; what was told before is not among them.

        Raises the store's errors: then nothing was stored, and the teller should tell again.
        """
        if not arrivals:
            return []
        offer = _Offer(repository, delivery, arrivals, asyncio.get_running_loop().create_future())
        self._gathered.append(offer)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await offer.answer

    async def _write(self) -> None:
        while self._gathered:
            offers, self._gathered = self._gathered[:_MOST_AT_ONCE], self._gathered[_MOST_AT_ONCE:]
            now = self._clock.now()
            try:
                answers = await self._database.perform(lambda tx: _store(tx, offers, now), first=True)  # noqa: B023
            except BaseException as error:
                for offer in offers:
                    if not offer.answer.done():
                        offer.answer.set_exception(
                            error if isinstance(error, Exception) else RuntimeError("stopped")
                        )
                if not isinstance(error, Exception):
                    raise
                continue
            for offer, numbers in zip(offers, answers, strict=True):
                if not offer.answer.done():
                    offer.answer.set_result(numbers)
            if any(answers):
                self.on_accepted()


def _store(tx: Transaction, offers: Sequence[_Offer], now: datetime) -> list[list[int]]:
    return [
        store_arrivals(tx, offer.repository, offer.arrivals, delivery=offer.delivery, now=now)
        for offer in offers
    ]


def store_arrivals(
    tx: Transaction, repository: str, arrivals: Sequence[Arrival], *, delivery: str, now: datetime
) -> list[int]:
    """Within a transaction; the numbers of those that are new.

    `delivery` is the teller's own id of what it told: the same once more is the same thing. Without one what it says
    has to do; a branch that goes back and forth then needs a look to be seen.
    """
    added = (
        add_arrival(
            tx,
            repository,
            f"{delivery}/{place}" if delivery else arrival_key(arrival),
            arrival,
            delivery=delivery,
            now=now,
        )
        for place, arrival in enumerate(arrivals)
    )
    return [number for number in added if number is not None]
