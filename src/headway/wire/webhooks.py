"""Webhooks that go out: a CloudEvents 1.0 envelope in JSON, signed in the manner of Standard Webhooks.

`webhook-id` stays the same when an event is sent again, so that a receiver can tell; `webhook-timestamp` is the time of
this sending, and the signature covers both and the body.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from headway.base.errors import WrongUse
from headway.wire.standard_webhooks import PREFIX, signing_key, standard_signature

_KEY_BYTES = 32
_URL_LIMIT = 2000


class WebhookUrlWrong(WrongUse):
    """Nothing can be sent to this address."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, as its receiver hears of it."""

    #: Of the event, not of its sending: the same for every webhook.
    id: str
    kind: str
    at: datetime
    service: str
    subject: str
    data: Mapping[str, Any]


def envelope(happening: Happening, source: str) -> bytes:
    """`source` is the server's own address."""
    told: dict[str, Any] = {
        "specversion": "1.0",
        "id": happening.id,
        "source": source,
        "type": happening.kind,
        "time": happening.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "subject": happening.subject,
        # The order in which things happened, for receivers that sort.
        "sequence": happening.id,
        "datacontenttype": "application/json",
        "data": dict(happening.data),
    }
    if happening.service:
        told["service"] = happening.service
    return json.dumps(told, separators=(",", ":")).encode()


def signed_headers(secret: str, id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Everything a receiver needs. Raises ValueError for a secret that is none."""
    timestamp = str(int(now.timestamp()))
    return {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": standard_signature(signing_key(secret), id, timestamp, body),
        "idempotency-key": id,
    }


def new_signing_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def checked_url(url: str) -> str:
    """An address that a webhook may have: http or https, without a password or a fragment.

    Addresses of one's own network are allowed: that is where the receivers of a self-hosted server are. Whoever may add
    a webhook may thus make this server ask there, which is why answers are not shown and redirects not followed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookUrlWrong("the webhook's address can't be read") from error
    if len(url) > _URL_LIMIT or not url.isascii() or not url.isprintable() or " " in url:
        raise WebhookUrlWrong("the webhook's address is too long, or holds characters that no address has")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise WebhookUrlWrong("a webhook's address begins with https:// or http:// and a host")
    if parts.username or parts.password or parts.fragment:
        raise WebhookUrlWrong(
            "a webhook's address has no user, no password and no #",
            hint="the signature is what proves who sends",
        )
    return url
