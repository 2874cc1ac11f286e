"""The audit: every change, who, what, before, after, from where. For administrators."""

from datetime import datetime
from typing import Annotated, TypedDict

from litestar.params import QueryParameter

from headway.api.access import ApiRequest, caller, server_of
from headway.api.routes import Cursor, Limit, Wanted, reads
from headway.base.errors import WrongUse
from headway.engine.audit import AuditFilter, list_entries
from headway.engine.permissions import Action
from headway.wire.shapes_server import AuditDocument, audit_json


class AuditPage(TypedDict):
    items: list[AuditDocument]
    next: str | None


@reads("/api/audit", id="listAudit", does="Changes, newest first.", of="audit")
async def list_audit(
    request: ApiRequest,
    *,
    actor: Wanted = None,
    action: Wanted = None,
    subject: Wanted = None,
    since: Annotated[datetime | None, QueryParameter()] = None,
    until: Annotated[datetime | None, QueryParameter()] = None,
    after: Cursor = None,
    limit: Limit = 100,
) -> AuditPage:
    """`action` is `secret.set`, or its noun alone: `secret`."""
    await caller(request, Action.AUDIT_LOOK)
    for instant in (since, until):
        if instant is not None and instant.tzinfo is None:
            raise WrongUse("an instant without its zone", hint="write 2026-03-01T12:30:00Z")
    wanted = AuditFilter(actor, action, subject, since, until)
    found = await server_of(request).database.fetch(
        lambda tx: list_entries(tx, wanted, cursor=after, limit=limit)
    )
    return {"items": [audit_json(entry) for entry in found.entries], "next": found.cursor}


ROUTES = (list_audit,)
