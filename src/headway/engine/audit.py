"""Writing down who changed what, in the transaction of the change; and reading it again, page by page.

A value of a secret never comes here: who records gives what may be shown.

AuditCursorWrong    2    a cursor that this log has not given
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headway.base.errors import WrongUse
from headway.domain.people import Actor, AuditEntry, Role
from headway.store import audit
from headway.store.database import Transaction

#: What Headway does by itself.
HEADWAY = Actor("headway", Role.ADMINISTRATOR, by="headway")
#: A subject or a state is a line, not a document.
_LONGEST = 4000
_MOST = 500


class AuditCursorWrong(WrongUse):
    http_status = 400


def record(  # noqa: PLR0917  (who, what, to what, from what to what: each call reads like a sentence)
    tx: Transaction,
    actor: Actor,
    action: str,
    subject: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    now: datetime,
) -> None:
    """One change. `action` is noun.verb; `before` and `after` hold only what differs, and None where there is nothing."""
    audit.add_entry(
        tx,
        AuditEntry(
            at=now,
            actor=actor.name,
            by=actor.by,
            address=actor.address,
            action=action,
            subject=subject[:_LONGEST],
            before=_json(before),
            after=_json(after),
        ),
    )


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """All that is said must hold."""

    actor: str | None = None
    #: `secret.set`, or its noun alone: `secret`.
    action: str | None = None
    subject: str | None = None
    #: Half-open.
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    entries: tuple[AuditEntry, ...]
    #: For the page of older ones; None: this was the last.
    cursor: str | None


def list_entries(
    tx: Transaction, wanted: AuditFilter = AuditFilter(), *, cursor: str | None = None, limit: int = 100
) -> AuditPage:
    """Newest first. Raises AuditCursorWrong."""
    limit = max(1, min(limit, _MOST))
    is_noun = wanted.action is not None and "." not in wanted.action
    found = audit.entries(
        tx,
        actor=wanted.actor,
        action=None if is_noun else wanted.action,
        noun=wanted.action if is_noun else None,
        subject=wanted.subject,
        since=wanted.since,
        until=wanted.until,
        before=_number(cursor),
        limit=limit + 1,
    )
    more = len(found) > limit
    page = tuple(found[:limit])
    return AuditPage(page, str(page[-1].id) if more else None)


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 18):
        raise AuditCursorWrong("this is no cursor of the audit log", hint="ask again without a cursor")
    return int(cursor)


def _json(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    text = json.dumps(dict(value), default=str, sort_keys=True)
    # Cut text would be no JSON: say that there was more.
    return text if len(text) <= _LONGEST else json.dumps({"too_long": True, "keys": sorted(value)})[:_LONGEST]
