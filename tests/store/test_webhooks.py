"""Webhooks that go out: who hears of which event."""

from datetime import UTC, datetime, timedelta

import pytest

from headway.domain.outbox import EffectKind
from headway.domain.webhook import OutgoingWebhook
from headway.store import webhooks
from headway.store.database import Database, Transaction
from headway.store.events import Event
from headway.store.outbox import effects_of, take_due

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def webhook(id: str = "whk-1", **changes: object) -> OutgoingWebhook:
    told = {"url": "https://chat.example/in", "events": ("run.changed",), "services": ()} | changes
    return OutgoingWebhook(id=id, created_by="grace", created_at=NOW, **told)  # type: ignore[arg-type]


def event(
    position: int = 7, kind: str = "run.changed", service: str = "shop", subject: str = "run-1"
) -> Event:
    return Event(position, NOW, kind, service, subject, {"state": "failed"})


def waiting(database: Database) -> list[str]:
    return [
        effect.key
        for effect in database.transact(
            lambda tx: take_due(tx, [EffectKind.WEBHOOK], NOW, limit=50, lease=timedelta(minutes=1))
        )
    ]


@pytest.mark.parametrize(
    ("events", "services", "kind", "service", "wanted"),
    [
        (("run.changed",), (), "run.changed", "shop", True),
        (("run.changed",), (), "job.changed", "shop", False),
        (("run.*", "deployment.*"), (), "deployment.changed", "shop", True),
        (("run.*",), (), "runaway.changed", "shop", False),
        (("*",), (), "org.changed", "", True),
        (("*",), ("shop",), "run.changed", "shop", True),
        (("*",), ("shop",), "run.changed", "blog", False),
        # What belongs to no service is not for who asks for one.
        (("*",), ("shop",), "org.changed", "", False),
        ((), (), "run.changed", "shop", False),
    ],
)
def test_who_wants_what(
    events: tuple[str, ...], services: tuple[str, ...], kind: str, service: str, wanted: bool
) -> None:
    assert webhook(events=events, services=services).wants(kind, service) is wanted


def test_an_event_goes_to_each_that_wants_it_once(database: Database) -> None:
    def work(tx: Transaction) -> list[int]:
        webhooks.add_webhook(tx, webhook("whk-1"))
        webhooks.add_webhook(tx, webhook("whk-2", services=("blog",)))
        webhooks.add_webhook(tx, webhook("whk-3", events=("*",)))
        return [webhooks.fan_out(tx, event(), NOW), webhooks.fan_out(tx, event(), NOW)]

    assert database.transact(work) == [2, 2]
    assert sorted(waiting(database)) == ["whk-1-7", "whk-3-7"]


def test_events_of_one_subject_stand_in_one_row(database: Database) -> None:
    def work(tx: Transaction) -> None:
        webhooks.add_webhook(tx, webhook())
        for position in range(12):
            webhooks.fan_out(tx, event(position, subject=f"run-{position % 2}"), NOW)

    database.transact(work)
    lanes = [
        [
            effect.key
            for effect in database.read(lambda tx, lane=lane: effects_of(tx, EffectKind.WEBHOOK, lane))
        ]
        for lane in webhooks.lanes_of("whk-1")
    ]
    for run in range(2):
        wanted = {f"whk-1-{position}" for position in range(run, 12, 2)}
        assert any(wanted <= set(lane) for lane in lanes)


def test_a_disabled_one_hears_nothing_until_it_is_enabled(database: Database) -> None:
    def disable(tx: Transaction) -> None:
        webhooks.add_webhook(tx, webhook())
        webhooks.fan_out(tx, event(1), NOW)
        webhooks.note_failure(tx, "whk-1", "answered 500", NOW)
        assert webhooks.disable_webhook(tx, "whk-1", why="it is gone", now=NOW)
        assert not webhooks.disable_webhook(tx, "whk-1", why="twice", now=NOW)
        assert webhooks.fan_out(tx, event(2), NOW) == 0

    database.transact(disable)
    assert waiting(database) == []
    kept = database.read(lambda tx: webhooks.webhook_by_id(tx, "whk-1"))
    assert kept is not None
    assert (kept.disabled_at, kept.disabled_why, kept.failures) == (NOW, "it is gone", 1)

    def enable(tx: Transaction) -> None:
        assert webhooks.enable_webhook(tx, "whk-1")
        assert not webhooks.enable_webhook(tx, "whk-1")
        webhooks.fan_out(tx, event(3), NOW)

    database.transact(enable)
    assert waiting(database) == ["whk-1-3"]


def test_failures_are_counted_until_one_succeeds(database: Database) -> None:
    later = NOW + timedelta(hours=1)

    def fail(tx: Transaction) -> None:
        webhooks.add_webhook(tx, webhook())
        webhooks.note_failure(tx, "whk-1", "answered 500", NOW)
        webhooks.note_failure(tx, "whk-1", "no answer", later)

    database.transact(fail)
    (kept,) = database.read(webhooks.webhooks)
    assert (kept.failures, kept.failing_since, kept.fault, kept.sent_at) == (2, NOW, "no answer", None)
    database.transact(lambda tx: webhooks.note_sent(tx, "whk-1", later))
    (kept,) = database.read(webhooks.webhooks)
    assert (kept.failures, kept.failing_since, kept.fault, kept.sent_at) == (0, None, "", later)


def test_a_removed_one_takes_along_what_waits(database: Database) -> None:
    def work(tx: Transaction) -> None:
        webhooks.add_webhook(tx, webhook())
        webhooks.fan_out(tx, event(), NOW)
        assert webhooks.remove_webhook(tx, "whk-1")
        assert not webhooks.remove_webhook(tx, "whk-1")

    database.transact(work)
    assert waiting(database) == []
    assert database.read(webhooks.webhooks) == []
