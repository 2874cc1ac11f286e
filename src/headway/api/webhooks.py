"""Webhooks that go out: who wants to hear of which events."""

from typing import Annotated, TypedDict

import msgspec
from litestar.params import JSONBody

from headway.api.access import ApiRequest, actor_of, caller, server_of
from headway.api.routes import Body, Name, Text, Word, posts, reads, removes
from headway.engine.outgoing.webhooks import (
    UnknownWebhook,
    add_webhook,
    deliveries_of,
    enable_webhook,
    remove_webhook,
    try_webhook,
)
from headway.engine.permissions import Action
from headway.store import webhooks as rows
from headway.store.database import Transaction
from headway.wire.shapes_server import DeliveryDocument, WebhookDocument, delivery_json, webhook_json


class WebhookPage(TypedDict):
    items: list[WebhookDocument]
    next: str | None


class DeliveryPage(TypedDict):
    items: list[DeliveryDocument]
    next: str | None


class AddedWebhook(TypedDict):
    webhook: WebhookDocument
    #: With which each event is signed; shown this once.
    secret: str


class NewWebhook(Body):
    url: Text
    #: `run.changed`, `deployment.*`, `*`.
    events: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=50)]
    #: Only of these services; of all and of what belongs to none, if none is said.
    services: Annotated[list[Word], msgspec.Meta(max_length=200)] = msgspec.field(default_factory=list)


@reads("/api/webhooks", id="listWebhooks", does="All outgoing webhooks, and how they fare.", of="webhooks")
async def list_webhooks(request: ApiRequest) -> WebhookPage:
    await caller(request, Action.SYSTEM_SETTINGS)
    found = await server_of(request).database.fetch(rows.webhooks)
    return {"items": [webhook_json(one) for one in found], "next": None}


@posts("/api/webhooks", id="addWebhook", does="Send events to an address.", of="webhooks")
async def add(request: ApiRequest, data: JSONBody[NewWebhook]) -> AddedWebhook:
    server, actor = server_of(request), await actor_of(request)
    now = server.now()

    def work(tx: Transaction) -> AddedWebhook:
        webhook, secret = add_webhook(
            tx, server.vault, actor, url=data.url, events=data.events, services=data.services, now=now
        )
        return {"webhook": webhook_json(webhook), "secret": secret}

    return await server.database.perform(work)


@removes("/api/webhooks/{id:str}", id="removeWebhook", does="Send it no more.", of="webhooks")
async def remove(request: ApiRequest, id: Name) -> None:
    server, actor = server_of(request), await actor_of(request)
    now = server.now()
    await server.database.perform(lambda tx: remove_webhook(tx, server.vault, actor, id, now))


@posts(
    "/api/webhooks/{id:str}/enable",
    id="enableWebhook",
    does="Let one that was disabled hear again, from the next event on.",
    of="webhooks",
    status_code=200,
)
async def enable(request: ApiRequest, id: Name) -> WebhookDocument:
    server, actor = server_of(request), await actor_of(request)
    now = server.now()

    def work(tx: Transaction) -> WebhookDocument:
        enable_webhook(tx, actor, id, now)
        found = rows.webhook_by_id(tx, id)
        if found is None:
            raise UnknownWebhook(f"there is no webhook '{id[:60]}'")
        return webhook_json(found)

    return await server.database.perform(work)


@posts(
    "/api/webhooks/{id:str}/test",
    id="testWebhook",
    does="Send it an event of the kind `webhook.test`.",
    of="webhooks",
)
async def try_(request: ApiRequest, id: Name) -> DeliveryDocument:
    """What came of it is among its deliveries a moment later."""
    server, actor = server_of(request), await actor_of(request)
    now = server.now()
    return delivery_json(await server.database.perform(lambda tx: try_webhook(tx, actor, id, now)))


@reads(
    "/api/webhooks/{id:str}/deliveries",
    id="listDeliveries",
    does="What was sent to it last, newest first, and what came of each.",
    of="webhooks",
)
async def deliveries(request: ApiRequest, id: Name) -> DeliveryPage:
    actor = await caller(request, Action.SYSTEM_SETTINGS)
    found = await server_of(request).database.fetch(lambda tx: deliveries_of(tx, actor, id))
    return {"items": [delivery_json(one) for one in found], "next": None}


ROUTES = (list_webhooks, add, remove, enable, try_, deliveries)
