"""Webhooks that go out: who wants to hear what, and how their receivers fare."""

import json
import zlib
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.event import Event
from headway.domain.outbox import Effect, EffectKind
from headway.domain.webhook import OutgoingWebhook
from headway.store.database import Row, Transaction
from headway.store.outbox import effects_of, obsolete_subjects, put

#: A webhook's events go out side by side in so many rows; all of one subject (one run, one job) stand in the same.
_LANES = 4


def add_webhook(tx: Transaction, webhook: OutgoingWebhook) -> None:
    tx.execute(
        """
        INSERT INTO webhooks (id, url, events, services, created_by, created_at, disabled_why, failures, fault)
        VALUES (:id, :url, :events, :services, :created_by, :created_at, '', 0, '')
        """,
        id=webhook.id,
        url=webhook.url,
        events=json.dumps(webhook.events),
        services=json.dumps(webhook.services),
        created_by=webhook.created_by,
        created_at=to_milliseconds(webhook.created_at),
    )


def webhook_by_id(tx: Transaction, webhook_id: str) -> OutgoingWebhook | None:
    row = tx.one("SELECT * FROM webhooks WHERE id = :id", id=webhook_id)
    return None if row is None else _webhook(row)


def webhooks(tx: Transaction) -> list[OutgoingWebhook]:
    """All of them, the oldest first."""
    return [_webhook(row) for row in tx.all("SELECT * FROM webhooks ORDER BY created_at, id")]


def remove_webhook(tx: Transaction, webhook_id: str) -> bool:
    """What waits for it goes nowhere any more. False when there was none."""
    obsolete_subjects(tx, EffectKind.WEBHOOK, lanes_of(webhook_id), note="the webhook was removed")
    return bool(tx.execute("DELETE FROM webhooks WHERE id = :id", id=webhook_id))


def disable_webhook(tx: Transaction, webhook_id: str, *, why: str, now: datetime) -> bool:
    """It hears nothing until it is enabled; what waits for it is dropped. False when it was disabled before."""
    changed = tx.execute(
        "UPDATE webhooks SET disabled_at = :now, disabled_why = :why WHERE id = :id AND disabled_at IS NULL",
        id=webhook_id,
        why=why,
        now=to_milliseconds(now),
    )
    if changed:
        obsolete_subjects(tx, EffectKind.WEBHOOK, lanes_of(webhook_id), note="the webhook was disabled")
    return bool(changed)


def enable_webhook(tx: Transaction, webhook_id: str) -> bool:
    """From the next event on it hears again. False when it was not disabled."""
    return bool(
        tx.execute(
            """
            UPDATE webhooks SET disabled_at = NULL, disabled_why = '', failures = 0, failing_since = NULL
            WHERE id = :id AND disabled_at IS NOT NULL
            """,
            id=webhook_id,
        )
    )


def note_sent(tx: Transaction, webhook_id: str, now: datetime) -> None:
    tx.execute(
        "UPDATE webhooks SET failures = 0, failing_since = NULL, fault = '', sent_at = :now WHERE id = :id",
        id=webhook_id,
        now=to_milliseconds(now),
    )


def note_failure(tx: Transaction, webhook_id: str, fault: str, now: datetime) -> None:
    tx.execute(
        """
        UPDATE webhooks SET failures = failures + 1, fault = :fault,
            failing_since = COALESCE(failing_since, CAST(:now AS BIGINT))
        WHERE id = :id
        """,
        id=webhook_id,
        fault=fault,
        now=to_milliseconds(now),
    )


def fan_out(tx: Transaction, event: Event, now: datetime) -> int:
    """Put the event into the outbox for every webhook that wants it; how many do. Called with each event that is
    stored, in its transaction. Twice is once: the key is made of webhook and event.
    """
    rows = tx.all("SELECT * FROM webhooks WHERE disabled_at IS NULL ORDER BY id")
    wanting = [webhook for webhook in map(_webhook, rows) if webhook.wants(event.kind, event.service)]
    if not wanting:
        return 0
    told = {
        "position": event.position,
        "at": to_milliseconds(event.at),
        "kind": event.kind,
        "service": event.service,
        "subject": event.subject,
        "data": dict(event.data),
    }
    lane = zlib.crc32(event.subject.encode()) % _LANES
    for webhook in wanting:
        put(
            tx,
            EffectKind.WEBHOOK,
            key=f"{webhook.id}-{event.position}",
            subject=lanes_of(webhook.id)[lane],
            body=json.dumps({"webhook": webhook.id, "event": told}, default=str),
            now=now,
        )
    return len(wanting)


def lanes_of(webhook_id: str) -> tuple[str, ...]:
    """The subjects under which its effects stand in the outbox."""
    return (*(f"{webhook_id}/{lane}" for lane in range(_LANES)), f"{webhook_id}/test")


def put_test(tx: Transaction, webhook_id: str, test_id: str, now: datetime) -> Effect:
    """An event that nothing caused, in a lane of its own: it does not wait for those that are tried again."""
    event = {
        "position": test_id,
        "at": to_milliseconds(now),
        "kind": "webhook.test",
        "service": "",
        "subject": webhook_id,
        "data": {},
    }
    subject, body = f"{webhook_id}/test", json.dumps({"webhook": webhook_id, "event": event})
    put(tx, EffectKind.WEBHOOK, key=f"{webhook_id}-{test_id}", subject=subject, body=body, now=now)
    return effects_of(tx, EffectKind.WEBHOOK, subject, limit=1)[0]


def deliveries(tx: Transaction, webhook_id: str, *, limit: int = 50) -> list[Effect]:
    """What was and is to be sent to it, newest first; what was sent is kept as long as the outbox keeps it."""
    found = [
        one for lane in lanes_of(webhook_id) for one in effects_of(tx, EffectKind.WEBHOOK, lane, limit=limit)
    ]
    return sorted(found, key=lambda one: (one.created_at, one.position), reverse=True)[:limit]


def _webhook(row: Row) -> OutgoingWebhook:
    return OutgoingWebhook(
        id=row["id"],
        url=row["url"],
        events=tuple(json.loads(row["events"])),
        services=tuple(json.loads(row["services"])),
        created_by=row["created_by"],
        created_at=from_milliseconds(row["created_at"]),
        disabled_at=_instant(row["disabled_at"]),
        disabled_why=row["disabled_why"],
        failures=row["failures"],
        failing_since=_instant(row["failing_since"]),
        fault=row["fault"],
        sent_at=_instant(row["sent_at"]),
    )


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
