"""What a receiver of our webhooks gets."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from headway.wire.webhooks import (
    Happening,
    WebhookUrlWrong,
    checked_url,
    envelope,
    new_signing_secret,
    signed_headers,
)

AT = datetime(2026, 5, 4, 3, 2, 1, 250_000, tzinfo=UTC)
RUN = Happening("1204", "run.changed", AT, "shop", "run-1", {"state": "failed", "number": 12})


def test_the_envelope_is_a_cloud_event() -> None:
    assert json.loads(envelope(RUN, "https://headway.example")) == {
        "specversion": "1.0",
        "id": "1204",
        "source": "https://headway.example",
        "type": "run.changed",
        "time": "2026-05-04T03:02:01.250Z",
        "subject": "run-1",
        "sequence": "1204",
        "service": "shop",
        "datacontenttype": "application/json",
        "data": {"state": "failed", "number": 12},
    }


def test_what_belongs_to_no_service_names_none_and_time_is_utc() -> None:
    there = AT.astimezone(timezone(timedelta(hours=2)))
    told = json.loads(
        envelope(Happening("1", "org.changed", there, "", "org", {}), "https://headway.example")
    )
    assert "service" not in told
    assert told["time"] == "2026-05-04T03:02:01.250Z"


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification: this key, id, time and body have this signature."""
    body = b'{"test": 2432232314}'
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        body,
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-id"] == headers["idempotency-key"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_a_new_secret_signs() -> None:
    secret = new_signing_secret()
    assert secret != new_signing_secret()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert len(key) == 32
    headers = signed_headers(secret, "whk-1-7", AT, b"{}")
    digest = hmac.new(key, b"whk-1-7.1777863721.{}", hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


@pytest.mark.parametrize("secret", ["", "word", "whsec_not base64"])
def test_a_secret_that_is_none_signs_nothing(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        signed_headers(secret, "id", AT, b"{}")


@pytest.mark.parametrize(
    "url",
    [
        "https://chat.example/in?room=7",
        "http://10.0.0.7:8080/hooks",
        "http://localhost:9000/",
        "http://[::1]:9000/",
    ],
)
def test_addresses_that_a_webhook_may_have(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "chat.example/in",
        "ftp://chat.example/in",
        "file:///etc/passwd",
        "https://",
        "https:///in",
        "https://grace:secret@chat.example/in",
        "https://chat.example/in#part",
        "https://chat.example/in\r\nhost: evil",
        "https://chat.example/a b",
        "https://chat.example:99999/",
        "https://[::1/",
        "https://grüße.example/",
        "https://chat.example/" + "x" * 2000,
    ],
)
def test_addresses_that_it_may_not(url: str) -> None:
    with pytest.raises(WebhookUrlWrong):
        checked_url(url)
