"""The same call twice is one call: whoever lost the answer asks again with the same key, and is answered the same.

Only what succeeded is remembered: a call that was refused has changed nothing and may be mended and sent again. A call
whose server was killed half-way is carried out again by the next one that brings the key: it looks for what came of the
first before it asks anything of the state, which may be another one by now.

Who works on a call renews its lease as long as it does. Every write on its behalf names the claim, so that one who was
thought dead and was taken over (a machine that slept) changes nothing more.

KeyReused    2   422: the key was used for another call
CallUnderWay 4   503: the first call is still worked on, or its server was killed less than a lease ago
AnswerGone   2   409: it was done, and its answer is not kept
"""

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from headway.base.clock import MOMENT, Clock, to_milliseconds
from headway.base.errors import HeadwayError, Held, WrongUse
from headway.domain.people import Actor
from headway.engine.secrets.vault import Vault
from headway.store import idempotency as rows
from headway.store.database import Database, Transaction

log = logging.getLogger("headway.api")

KEPT_FOR = timedelta(hours=24)
#: How long a call is believed to be worked on when nothing is heard of it.
LEASE = timedelta(seconds=30)
#: Of an answer's body.
LONGEST_ANSWER = 256 * 1024


class KeyReused(WrongUse):
    http_status = 422


class CallUnderWay(Held):
    http_status = 503


class AnswerGone(WrongUse):
    http_status = 409


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Calls:
    """Answers are kept encrypted: some of them show a secret this once."""

    database: Database
    vault: Vault

    def key_of(self, actor: Actor, key: str) -> str:
        """Of this caller by this way in, whatever others call theirs: a weaker token is told no stronger one's answers."""
        return hashlib.sha256(f"{actor.name}\0{actor.by}\0{key}".encode()).hexdigest()

    def fingerprint(self, *parts: bytes) -> str:
        """What was asked. Keyed, for a body may hold a secret that could be guessed."""
        digest = hmac.new(self.vault.derive("idempotency"), digestmod=hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()

    async def begin(self, key: str, fingerprint: str, now: datetime) -> "Answer | Claim":
        """The answer of before; or do it now, under this claim. Raises KeyReused, CallUnderWay, AnswerGone."""
        claim = secrets.token_hex(8)

        def work(tx: Transaction) -> rows.StoredCall | None:
            if rows.begin_call(tx, key, fingerprint, claim, now, now + LEASE):
                return None
            found = rows.find_call(tx, key)
            assert found is not None
            if found.fingerprint != fingerprint:
                raise KeyReused(
                    "this idempotency key was used for another call", hint="each call has a key of its own"
                )
            if found.status is not None:
                return found
            if _is_alive(found, now) or not rows.take_over(tx, key, found, claim, now + LEASE):
                raise CallUnderWay(
                    "the first call with this key is still worked on", hint="ask again in a moment"
                )
            return None

        found = await self.database.perform(work)
        return Claim(self, key, claim) if found is None else self._open(key, found)

    async def sweep(self, now: datetime) -> int:
        """For the janitor."""
        return await self.database.perform(lambda tx: rows.forget_old_calls(tx, before=now - KEPT_FOR))

    def _open(self, key: str, found: rows.StoredCall) -> Answer:
        assert found.status is not None
        try:
            if not found.answer:
                raise WrongUse("it was too long to be kept")
            media_type, body = json.loads(self.vault.decrypt(_purpose(key), found.answer, what="an answer"))
        except HeadwayError as error:
            raise AnswerGone(
                f"this call was carried out before, and its answer cannot be told again: {error.message}",
                hint="look at what it changed; a new call needs a new key",
            ) from error
        return Answer(found.status, media_type, body.encode("latin-1"))

    def seal(self, key: str, answer: Answer) -> str:
        """Empty for one that is too long to be kept."""
        if len(answer.body) > LONGEST_ANSWER:
            return ""
        text = json.dumps([answer.media_type, answer.body.decode("latin-1")])
        return self.vault.encrypt(_purpose(key), text)


@dataclass(slots=True)
class Claim:
    """A call that is worked on here."""

    calls: Calls
    key: str
    _claim: str
    _is_over: bool = False

    def guard(self, tx: Transaction) -> None:
        """For `store.database.GUARD`: of each transaction on behalf of the call. Raises CallUnderWay."""
        if not self._is_over and not rows.hold_call(tx, self.key, self._claim):
            raise CallUnderWay(
                "this call took so long that another one with its key has taken it over",
                hint="ask again in a moment for its answer",
            )

    async def renew(self, clock: Clock) -> None:
        """Until it is cancelled: whoever brings the key meanwhile is told that it is worked on."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            until = clock.now() + LEASE
            try:
                await self.calls.database.perform(
                    lambda tx, until=until: rows.renew_call(tx, self.key, self._claim, until)  # type: ignore[misc]
                )
            except HeadwayError as error:
                log.warning("the lease of a call was not renewed: %s", error.message)

    async def end(self, answer: Answer) -> None:
        """What was answered; what failed is forgotten. Of one that was taken over nothing is kept."""
        self._is_over = True
        key, claim = self.key, self._claim
        if not 200 <= answer.status < 300:
            await self.calls.database.perform(lambda tx: rows.leave_call(tx, key, claim))
            return
        sealed = self.calls.seal(key, answer)
        await self.calls.database.perform(
            lambda tx: rows.end_call(tx, key, claim, status=answer.status, answer=sealed)
        )


def _is_alive(found: rows.StoredCall, now: datetime) -> bool:
    """A lease of longer than there is any was given before the clock was set back, and says nothing."""
    left = found.lease_until - to_milliseconds(now)
    return 0 < left <= LEASE // MOMENT


def _purpose(key: str) -> str:
    return f"idempotency {key}"
