"""Webhooks that go out, from the event to a receiver that answers as receivers do."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from headway.base.errors import WrongUse
from headway.domain.outbox import Effect, EffectKind, EffectState
from headway.domain.people import Actor, Role
from headway.domain.secrets import webhook_scope
from headway.domain.webhook import OutgoingWebhook
from headway.drivers.forge.calls import forge_client
from headway.engine.outgoing.outbox import OutboxDuty
from headway.engine.outgoing.webhooks import (
    SECRET,
    UnknownWebhook,
    WebhookSender,
    add_webhook,
    enable_webhook,
    remove_webhook,
)
from headway.engine.permissions import NotAllowed
from headway.engine.secrets.keys import new_key
from headway.engine.secrets.vault import Vault
from headway.store import webhooks
from headway.store.audit import entries
from headway.store.database import Database, Transaction
from headway.store.events import Event, add_event
from headway.store.outbox import effects_of
from tests.support.http_peers import Answer, Asked, peer

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ADMINISTRATOR = Actor("grace", Role.ADMINISTRATOR)
BASE = "https://headway.example"


@pytest.fixture
def vault() -> Vault:
    return Vault([new_key()])


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with forge_client() as client:
        yield client


def add(database: Database, vault: Vault, url: str) -> tuple[OutgoingWebhook, str]:
    return database.transact(
        lambda tx: add_webhook(tx, vault, ADMINISTRATOR, url=url, events=["run.changed"], now=NOW)
    )


def happen(database: Database, *, run: str = "run-1", state: str = "failed", now: datetime = NOW) -> None:
    def work(tx: Transaction) -> None:
        data = {"state": state, "number": 12}
        position = add_event(tx, "run.changed", service="shop", subject=run, data=data, now=now)
        webhooks.fan_out(tx, Event(position, now, "run.changed", "shop", run, data), now)

    database.transact(work)


async def send(
    database: Database, vault: Vault, client: httpx.AsyncClient, now: datetime = NOW, timeout: float = 5
) -> datetime | None:
    sender = WebhookSender(client, database, vault, BASE, timeout=timeout)
    duty = OutboxDuty(database, {EffectKind.WEBHOOK: sender}, chance=lambda: 0.0)
    while (again := await duty.tick(now)) is not None and again <= now:
        pass
    return again


def effects(database: Database, webhook: OutgoingWebhook) -> list[Effect]:
    def work(tx: Transaction) -> list[Effect]:
        return [
            one for lane in webhooks.lanes_of(webhook.id) for one in effects_of(tx, EffectKind.WEBHOOK, lane)
        ]

    return sorted(database.read(work), key=lambda effect: effect.position)


def stored(database: Database, webhook: OutgoingWebhook) -> OutgoingWebhook:
    found = database.read(lambda tx: webhooks.webhook_by_id(tx, webhook.id))
    assert found is not None
    return found


async def test_an_event_reaches_its_receiver_signed(
    database: Database, vault: Vault, client: httpx.AsyncClient
) -> None:
    async with peer(lambda _: Answer(204, body=b"")) as receiver:
        webhook, secret = add(database, vault, f"{receiver.url}/in?room=7")
        happen(database)
        assert await send(database, vault, client) is None
    (asked,) = receiver.asked
    assert (asked.method, asked.path) == ("POST", "/in?room=7")
    assert asked.headers["content-type"].startswith("application/cloudevents+json")
    assert asked.headers["webhook-id"] == asked.headers["idempotency-key"] == f"{webhook.id}-1"
    signed = f"{webhook.id}-1.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert asked.headers["webhook-signature"] == f"v1,{right}"
    told = asked.json
    assert (told["type"], told["subject"], told["service"]) == ("run.changed", "run-1", "shop")
    assert told["data"] == {"state": "failed", "number": 12}
    assert stored(database, webhook).sent_at == NOW


async def test_a_receiver_that_is_down_gets_everything_in_order_later(
    database: Database, vault: Vault, client: httpx.AsyncClient
) -> None:
    async with peer(lambda _: Answer(503, {}, {"retry-after": "30"})) as receiver:
        webhook, _ = add(database, vault, receiver.url)
        for state in ("queued", "running", "failed"):
            happen(database, state=state)
        again = await send(database, vault, client)
        assert again == NOW + timedelta(seconds=30)
        assert len(receiver.asked) == 1
        assert (stored(database, webhook).failures, stored(database, webhook).fault) == (1, "answered 503")
        receiver.answering = lambda _: Answer(200, {})
        assert await send(database, vault, client, again) is None
    assert [asked.json["data"]["state"] for asked in receiver.asked] == [
        "queued",
        "queued",
        "running",
        "failed",
    ]
    # The same event under the same id, at another time.
    first, second, *_ = receiver.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert stored(database, webhook).failures == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "state", "disabled"),
    [
        (Answer(200, {}), EffectState.SENT, False),
        (Answer(202, body=b"x" * 200_000), EffectState.SENT, False),
        (Answer(400, {}), EffectState.FAILED, False),
        (Answer(413, {}), EffectState.FAILED, False),
        (Answer(410, {}), EffectState.FAILED, True),
        # Somebody over there will mend these.
        (Answer(401, {}), EffectState.WAITING, False),
        (Answer(404, {}), EffectState.WAITING, False),
        (Answer(429, {}, {"retry-after": "9"}), EffectState.WAITING, False),
        (Answer(500, {}), EffectState.WAITING, False),
    ],
)
async def test_what_a_receiver_may_answer(
    database: Database,
    vault: Vault,
    client: httpx.AsyncClient,
    answer: Answer,
    state: EffectState,
    disabled: bool,
) -> None:
    async with peer(lambda _: answer) as receiver:
        webhook, _ = add(database, vault, receiver.url)
        happen(database)
        await send(database, vault, client)
    (effect,) = effects(database, webhook)
    assert effect.state is state
    assert str(answer.status) in effect.note
    assert (stored(database, webhook).disabled_at is not None) is disabled


async def test_a_redirect_is_not_followed(
    database: Database, vault: Vault, client: httpx.AsyncClient
) -> None:
    async with peer(lambda _: Answer(200, {})) as inner:
        async with peer(lambda _: Answer(302, {}, {"location": inner.url})) as receiver:
            webhook, _ = add(database, vault, receiver.url)
            happen(database)
            await send(database, vault, client)
    assert len(receiver.asked) == 1
    assert inner.asked == []
    assert "redirect" in effects(database, webhook)[0].note


async def test_what_a_receiver_says_is_shown_nowhere(
    database: Database, vault: Vault, client: httpx.AsyncClient
) -> None:
    async with peer(lambda _: Answer(500, {"message": "root password is hunter2"})) as receiver:
        webhook, _ = add(database, vault, f"{receiver.url}/token-in-the-path")
        happen(database)
        await send(database, vault, client)
    (effect,) = effects(database, webhook)
    assert "hunter2" not in effect.note + stored(database, webhook).fault
    assert "token-in-the-path" not in effect.note


async def test_a_receiver_that_never_answers_is_left(
    database: Database, vault: Vault, client: httpx.AsyncClient
) -> None:
    gone = asyncio.Event()

    async def never(_: Asked) -> Answer:
        await gone.wait()
        return Answer()

    async with peer(never) as receiver:
        webhook, _ = add(database, vault, receiver.url)
        happen(database)
        await send(database, vault, client, timeout=0.2)
        gone.set()
    assert effects(database, webhook)[0].note == "no answer within 0.2 s"


async def test_a_receiver_that_is_not_there(
    database: Database, vault: Vault, client: httpx.AsyncClient
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        webhook, _ = add(database, vault, f"http://127.0.0.1:{taken.getsockname()[1]}/path")
        happen(database)
        await send(database, vault, client)
    (effect,) = effects(database, webhook)
    assert (effect.state, effect.note) == (EffectState.WAITING, "not reached: ConnectError")


async def test_after_three_days_the_webhook_is_disabled_and_says_why(
    database: Database, vault: Vault, client: httpx.AsyncClient
) -> None:
    async with peer(lambda _: Answer(500, {})) as receiver:
        webhook, _ = add(database, vault, receiver.url)
        happen(database)
        happen(database, state="waits behind it")
        now: datetime | None = NOW
        while now is not None and now < NOW + timedelta(days=4):
            now = await send(database, vault, client, now)
    assert now is None
    kept = stored(database, webhook)
    assert kept.disabled_at is not None
    assert timedelta(days=3) <= kept.disabled_at - NOW < timedelta(days=3, hours=1)
    assert "given up after 3 days" in kept.disabled_why
    assert [effect.state for effect in effects(database, webhook)] == [
        EffectState.FAILED,
        EffectState.OBSOLETE,
    ]
    actions = [entry.action for entry in database.read(lambda tx: entries(tx, limit=50))]
    assert "webhook.disable" in actions


async def test_a_removed_webhook_hears_nothing_and_leaves_no_secret(
    database: Database, vault: Vault, client: httpx.AsyncClient
) -> None:
    async with peer(lambda _: Answer(200, {})) as receiver:
        webhook, _ = add(database, vault, receiver.url)
        happen(database)
        database.transact(lambda tx: remove_webhook(tx, vault, ADMINISTRATOR, webhook.id, NOW))
        assert await send(database, vault, client) is None
    assert receiver.asked == []
    assert database.read(lambda tx: vault.get(tx, webhook_scope(webhook.id), SECRET)) is None
    with pytest.raises(UnknownWebhook):
        database.transact(lambda tx: remove_webhook(tx, vault, ADMINISTRATOR, webhook.id, NOW))


async def test_an_enabled_one_hears_again(
    database: Database, vault: Vault, client: httpx.AsyncClient
) -> None:
    async with peer(lambda _: Answer(410, {})) as receiver:
        webhook, _ = add(database, vault, receiver.url)
        happen(database)
        await send(database, vault, client)
        happen(database, state="unheard")
        receiver.answering = lambda _: Answer(200, {})
        database.transact(lambda tx: enable_webhook(tx, ADMINISTRATOR, webhook.id, NOW))
        happen(database, state="heard")
        await send(database, vault, client)
    assert [asked.json["data"]["state"] for asked in receiver.asked] == ["failed", "heard"]


@pytest.mark.parametrize(
    ("url", "events"),
    [
        ("ftp://chat.example", ["run.changed"]),
        ("https://chat.example", []),
        ("https://chat.example", ["run.exploded"]),
        ("https://chat.example", ["log.grew"]),
    ],
)
def test_a_webhook_that_makes_no_sense(database: Database, vault: Vault, url: str, events: list[str]) -> None:
    with pytest.raises(WrongUse):
        database.transact(lambda tx: add_webhook(tx, vault, ADMINISTRATOR, url=url, events=events, now=NOW))
    assert database.read(webhooks.webhooks) == []


def test_only_an_administrator_makes_one(database: Database, vault: Vault) -> None:
    with pytest.raises(NotAllowed):
        database.transact(
            lambda tx: add_webhook(
                tx, vault, Actor("bo", Role.OPERATOR), url="https://chat.example", events=["*"], now=NOW
            )
        )


def test_the_secret_is_stored_encrypted_and_the_audit_shows_the_host_only(
    database: Database, vault: Vault
) -> None:
    _, secret = add(database, vault, "https://chat.example/private-path")
    rows = database.read(lambda tx: tx.all("SELECT * FROM secrets") + tx.all("SELECT * FROM webhooks"))
    assert secret not in json.dumps([dict(row) for row in rows])
    log = database.read(lambda tx: entries(tx, limit=50))
    assert "chat.example" in " ".join(entry.after for entry in log)
    assert "private-path" not in " ".join(entry.after for entry in log)
