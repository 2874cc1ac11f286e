"""The sending duty: takes what is due from the outbox, sends it, writes down how it went.

An effect is sent at least once: whoever dies between the sending and the writing leaves it to be sent again, under the
same key. Effects of one subject go out one after the other; different subjects side by side. What fails in passing is
tried again with growing waits for three days, what fails for good is given up at once, with a note that says why.

SendError (Errored)     `permanent`, `retry_after`
└── NothingToSend       nobody wants it any more: it becomes obsolete, which is no failure
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from headway.base.errors import Errored
from headway.domain.outbox import Effect, EffectState
from headway.engine.work_faults import WorkFaults
from headway.store import outbox
from headway.store.database import Database, Transaction
from headway.store.errors import DatabaseUnavailable

log = logging.getLogger("headway.outbox")

#: Effects in the air at once.
_SIDE_BY_SIDE = 16
#: Longer than any sending takes; who dies leaves his effects due again after it.
_LEASE = timedelta(minutes=2)
#: Seconds that one sending may take whatever its sender thinks.
_LONGEST = 30.0
#: Tries, one a second, to write down how sending went.
_WRITES = 20
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=1)
_GIVE_UP_AFTER = timedelta(days=3)
#: What waited behind another for days is still tried so often.
_LEAST_ATTEMPTS = 3
_NOTE_LIMIT = 500


class SendError(Errored):
    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        retry_after: timedelta | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.permanent = permanent
        self.retry_after = retry_after


class NothingToSend(SendError):
    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: SENT, FAILED or OBSOLETE for good, WAITING until `again_at`."""

    state: EffectState
    note: str = ""
    again_at: datetime | None = None
    #: Why it was not sent.
    cause: SendError | None = None


class Sender(Protocol):
    """How effects of one kind are carried out."""

    @property
    def latest_only(self) -> bool:
        """A later effect on the same subject makes an earlier one that failed not worth trying again."""
        ...

    async def send(self, effect: Effect, now: datetime) -> str:
        """A note of how it went. May be called twice for one effect. Raises SendError."""
        ...

    def settle(self, tx: Transaction, effect: Effect, outcome: Outcome, now: datetime) -> None:
        """What else is to be written, in the transaction that writes the outcome."""
        ...


class OutboxDuty:
    """Sends what these senders can send. One duty for each kind keeps a slow receiver of one from delaying the others."""

    def __init__(
        self,
        database: Database,
        senders: Mapping[str, Sender],
        *,
        chance: Callable[[], float] = random.random,
        side_by_side: int = _SIDE_BY_SIDE,
    ) -> None:
        self._database = database
        self._senders = senders
        self._chance = chance
        self._side_by_side = side_by_side
        #: By the keys of effects.
        self.faults = WorkFaults("a message cannot be sent")

    async def tick(self, now: datetime) -> datetime | None:
        """When to look again: at once while more is due; None while nothing waits.

        Takes as long as the slowest of what it sends. A late tick sends late; nothing is left out.
        """
        kinds = tuple(self._senders)
        due = await self._database.perform(
            lambda tx: outbox.take_due(tx, kinds, now, limit=self._side_by_side, lease=_LEASE)
        )
        if due:
            outcomes = await asyncio.gather(*(self._attempt(effect, now) for effect in due))
            ended = list(zip(due, outcomes, strict=True))
            await self._perform_patiently(lambda tx: self._write_down(tx, ended, now))
        return await self._database.fetch(lambda tx: outbox.next_due(tx, kinds))

    async def _perform_patiently(self, work: Callable[[Transaction], None]) -> None:
        """What was sent is sent twice if that is not written down, so a database that is away for a moment is waited for."""
        for _ in range(_WRITES):
            try:
                await self._database.perform(work)
            except DatabaseUnavailable as error:
                log.warning("what was sent is written down later: %s", error.message)
                await asyncio.sleep(1.0)
            else:
                return
        await self._database.perform(work)

    async def _attempt(self, effect: Effect, now: datetime) -> Outcome:
        """Never raises but for a cancellation: one effect that cannot be sent must not hold up the others."""
        try:
            async with asyncio.timeout(_LONGEST):
                note = await self._senders[effect.kind].send(effect, now)
            self.faults.over(effect.key)
            return Outcome(EffectState.SENT, _cut(note))
        except NothingToSend as error:
            return Outcome(EffectState.OBSOLETE, _cut(error.message), cause=error)
        except SendError as error:
            return after_failure(effect, error, now, self._chance())
        except TimeoutError:
            late = SendError(f"it took longer than {_LONGEST:g} s", permanent=False)
            return after_failure(effect, late, now, self._chance())
        except Exception as error:
            log.exception("the effect %s cannot be sent", effect.key)
            fault = SendError(f"Headway's own error: {type(error).__name__}", permanent=False)
            outcome = after_failure(effect, fault, now, self._chance())
            self.faults.note(
                effect.key,
                error,
                what=f"a message cannot be sent ({effect.kind} to {effect.subject[:100]})",
                href="/settings/system",
                began_at=now,
                now=now,
                rest=(outcome.again_at or now) - now,
            )
            return outcome

    def _write_down(self, tx: Transaction, ended: Sequence[tuple[Effect, Outcome]], now: datetime) -> None:
        for effect, outcome in ended:
            sender = self._senders[effect.kind]
            match outcome.state:
                case EffectState.SENT:
                    ours = outbox.mark_sent(tx, effect, now, note=outcome.note)
                case EffectState.FAILED:
                    ours = outbox.mark_failed(tx, effect, now, note=outcome.note)
                case EffectState.OBSOLETE:
                    ours = outbox.mark_obsolete(tx, effect, now, note=outcome.note)
                case EffectState.WAITING:
                    again_at = outcome.again_at or now
                    ours = outbox.retry_at(
                        tx, effect, again_at, now, note=outcome.note, latest_only=sender.latest_only
                    )
            if ours:
                sender.settle(tx, effect, outcome, now)


def after_failure(effect: Effect, error: SendError, now: datetime, chance: float) -> Outcome:
    """Whether and when it is tried again. `chance` in [0, 1) spreads those that failed together."""
    if error.permanent:
        return Outcome(EffectState.FAILED, _cut(error.message), cause=error)
    if now - effect.created_at >= _GIVE_UP_AFTER and effect.attempts >= _LEAST_ATTEMPTS:
        tries = f"given up after {_GIVE_UP_AFTER.days} days and {effect.attempts} attempts"
        return Outcome(EffectState.FAILED, _cut(f"{tries}: {error.message}"), cause=error)
    wait = max(backoff(effect.attempts, chance), error.retry_after or timedelta())
    return Outcome(EffectState.WAITING, _cut(error.message), now + wait, error)


def backoff(attempts: int, chance: float) -> timedelta:
    """5 s after the first attempt, then twice as long each time, an hour at most; up to a quarter less by chance."""
    doublings: int = 2 ** min(attempts - 1, 16)
    wait = min(_FIRST_WAIT * doublings, _LONGEST_WAIT)
    return wait * (1 - chance / 4)


def _cut(note: str) -> str:
    return note[:_NOTE_LIMIT]
