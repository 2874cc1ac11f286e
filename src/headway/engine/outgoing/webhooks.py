"""Webhooks that go out: made and removed by people, sent from the outbox.

A receiver that fails is asked again for three days, its later events waiting in order; then the webhook is disabled, and
says why. One that answers 410 (gone) is disabled at once.

UnknownWebhook (WrongUse)     no webhook has this id
EventRefused (SendError)      the receiver will never take this event; others it may
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from headway.base.clock import from_milliseconds
from headway.base.errors import WrongUse
from headway.base.ids import new_id
from headway.domain.outbox import Effect, EffectState
from headway.domain.people import Actor
from headway.domain.secrets import webhook_scope
from headway.domain.webhook import OutgoingWebhook
from headway.drivers.forge.calls import wait_asked_for
from headway.engine.audit import HEADWAY, record
from headway.engine.outgoing.outbox import NothingToSend, Outcome, SendError
from headway.engine.permissions import Action, require
from headway.engine.secrets.vault import Vault
from headway.store import webhooks as rows
from headway.store.database import Database, Transaction
from headway.wire.webhooks import Happening, checked_url, envelope, new_signing_secret, signed_headers

#: Seconds for one sending, and bytes of an answer that are read before the line is cut; none of them is kept.
TIMEOUT = 10.0
_ANSWER_LIMIT = 64 * 1024
SECRET = "SIGNING_SECRET"  # noqa: S105  (its name in the vault)
#: Kinds of events that there are.
EVENT_KINDS = (
    "run.changed",
    "job.changed",
    "deployment.changed",
    "host.changed",
    "request.changed",
    "release.made",
    "repository.changed",
    "org.changed",
)
#: What a webhook may ask for: with `noun.*` and `*` for several.
WANTABLE = ("*", *EVENT_KINDS, *sorted({f"{kind.partition('.')[0]}.*" for kind in EVENT_KINDS}))
#: Answers that say this very body will never be taken.
_NEVER = (400, 413, 415, 422)


class UnknownWebhook(WrongUse):
    http_status = 404


def add_webhook(
    tx: Transaction,
    vault: Vault,
    actor: Actor,
    *,
    url: str,
    events: Sequence[str],
    services: Sequence[str] = (),
    now: datetime,
) -> tuple[OutgoingWebhook, str]:
    """The webhook and its signing secret, which is shown this once. Raises NotAllowed, WrongUse."""
    require(actor, Action.SYSTEM_SETTINGS, team=None)
    unknown = [event for event in events if event not in WANTABLE]
    if unknown or not events:
        raise WrongUse(
            f"there is no event '{unknown[0][:60]}'" if unknown else "a webhook needs an event to tell of",
            hint=f"there are: {', '.join(WANTABLE)}",
        )
    webhook = OutgoingWebhook(
        id=new_id("whk", now),
        url=checked_url(url),
        events=tuple(dict.fromkeys(events)),
        services=tuple(dict.fromkeys(services)),
        created_by=actor.name,
        created_at=now,
    )
    secret = new_signing_secret()
    rows.add_webhook(tx, webhook)
    vault.put(tx, webhook_scope(webhook.id), SECRET, secret, actor, now)
    # The address may hold a password of the receiver's own in its path.
    told = {
        "host": urlsplit(url).hostname,
        "events": list(webhook.events),
        "services": list(webhook.services),
    }
    record(tx, actor, "webhook.add", webhook.id, None, told, now)
    return webhook, secret


def remove_webhook(tx: Transaction, vault: Vault, actor: Actor, webhook_id: str, now: datetime) -> None:
    """Raises NotAllowed, UnknownWebhook."""
    require(actor, Action.SYSTEM_SETTINGS, team=None)
    webhook = _existing(tx, webhook_id)
    rows.remove_webhook(tx, webhook_id)
    vault.remove_all(tx, webhook_scope(webhook_id), actor, now)
    record(tx, actor, "webhook.remove", webhook_id, {"host": urlsplit(webhook.url).hostname}, None, now)


def enable_webhook(tx: Transaction, actor: Actor, webhook_id: str, now: datetime) -> None:
    """It hears again, from the next event on. Raises NotAllowed, UnknownWebhook."""
    require(actor, Action.SYSTEM_SETTINGS, team=None)
    webhook = _existing(tx, webhook_id)
    if rows.enable_webhook(tx, webhook_id):
        record(tx, actor, "webhook.enable", webhook_id, {"disabled_why": webhook.disabled_why}, None, now)


def try_webhook(tx: Transaction, actor: Actor, webhook_id: str, now: datetime) -> Effect:
    """Sends it an event of its own kind, `webhook.test`. Raises NotAllowed, UnknownWebhook."""
    require(actor, Action.SYSTEM_SETTINGS, team=None)
    _existing(tx, webhook_id)
    record(tx, actor, "webhook.test", webhook_id, None, None, now)
    return rows.put_test(tx, webhook_id, new_id("test", now), now)


def deliveries_of(tx: Transaction, actor: Actor, webhook_id: str) -> Sequence[Effect]:
    """Raises NotAllowed, UnknownWebhook."""
    require(actor, Action.SYSTEM_SETTINGS, team=None)
    _existing(tx, webhook_id)
    return rows.deliveries(tx, webhook_id)


def _existing(tx: Transaction, webhook_id: str) -> OutgoingWebhook:
    found = rows.webhook_by_id(tx, webhook_id)
    if found is None:
        raise UnknownWebhook(f"there is no webhook '{webhook_id[:60]}'")
    return found


class EventRefused(SendError):
    pass


class WebhookSender:
    latest_only = False

    def __init__(
        self,
        client: httpx.AsyncClient,
        database: Database,
        vault: Vault,
        base_url: str,
        *,
        timeout: float = TIMEOUT,
    ) -> None:
        self._client = client
        self._database = database
        self._vault = vault
        self._base_url = base_url
        self._timeout = timeout

    async def send(self, effect: Effect, now: datetime) -> str:
        told = json.loads(effect.body)
        webhook, secret = await self._database.fetch(lambda tx: self._receiver(tx, told["webhook"]))
        event = told["event"]
        happening = Happening(
            id=str(event["position"]),
            kind=event["kind"],
            at=from_milliseconds(event["at"]),
            service=event["service"],
            subject=event["subject"],
            data=event["data"],
        )
        body = envelope(happening, self._base_url)
        status, headers = await self._post(webhook.url, signed_headers(secret, effect.key, now, body), body)
        if 200 <= status < 300:
            return f"answered {status}"
        raise _refused(status, headers)

    def _receiver(self, tx: Transaction, webhook_id: str) -> tuple[OutgoingWebhook, str]:
        webhook = rows.webhook_by_id(tx, webhook_id)
        if webhook is None or webhook.disabled_at is not None:
            raise NothingToSend("the webhook was removed or disabled")
        secret = self._vault.get(tx, webhook_scope(webhook_id), SECRET)
        if secret is None:
            raise NothingToSend("the webhook has lost its signing secret")
        return webhook, secret

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, httpx.Headers]:
        request = self._client.build_request("POST", url, content=body, headers=headers)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.send(request, stream=True, follow_redirects=False)
                try:
                    await _read_away(response)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise SendError(f"no answer within {self._timeout:g} s", permanent=False) from error
        except httpx.HTTPError as error:
            # Its text could hold the address.
            raise SendError(f"not reached: {type(error).__name__}", permanent=False) from error
        return response.status_code, response.headers

    def settle(self, tx: Transaction, effect: Effect, outcome: Outcome, now: datetime) -> None:
        webhook_id = json.loads(effect.body)["webhook"]
        match outcome.state:
            case EffectState.SENT:
                rows.note_sent(tx, webhook_id, now)
            case EffectState.WAITING:
                rows.note_failure(tx, webhook_id, outcome.note, now)
            case EffectState.FAILED:
                rows.note_failure(tx, webhook_id, outcome.note, now)
                if not isinstance(outcome.cause, EventRefused):
                    _disable(tx, webhook_id, outcome.note, now)
            case EffectState.OBSOLETE:
                pass


def _disable(tx: Transaction, webhook_id: str, why: str, now: datetime) -> None:
    if rows.disable_webhook(tx, webhook_id, why=why, now=now):
        record(tx, HEADWAY, "webhook.disable", webhook_id, None, {"why": why}, now)


async def _read_away(response: httpx.Response) -> None:
    """So that the connection can be used again; a longer answer costs it."""
    size = 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > _ANSWER_LIMIT:
            return


def _refused(status: int, headers: httpx.Headers) -> SendError:
    """Its answer is not shown: it may come from a place that whoever added the webhook could not read."""
    if status == 410:
        return SendError("the receiver is gone for good: it answered 410", permanent=True)
    if status in _NEVER:
        return EventRefused(f"the receiver does not take this event: it answered {status}", permanent=True)
    if 300 <= status < 400:
        return SendError(
            f"answered {status}: a redirect is not followed, set the new address", permanent=False
        )
    # 401, 403, 404: somebody over there will mend it, and wants the events then.
    return SendError(f"answered {status}", permanent=False, retry_after=wait_asked_for(headers))
