"""Errors over HTTP: problem documents as RFC 9457 describes them, and which status fits which error of ours."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from headway.base.errors import Cancelled, DiskFull, Failed, HeadwayError, Held, WrongUse

MEDIA_TYPE = "application/problem+json"


def status_of(error: HeadwayError) -> int:
    """An error may carry its own `http_status`; else its kind says."""
    own = getattr(error, "http_status", None)
    if isinstance(own, int):
        return own
    match error:
        case WrongUse():
            return 400
        case Failed() | Cancelled():
            return 409
        case Held():
            return 423
        case DiskFull():
            return 507
        case _:
            return 503


def problem(
    status: int, detail: str, *, hint: str | None = None, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The document; `hint` says what to do next. Faults and the like stand beside, in `more`."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if hint:
        document["hint"] = hint
    return document | dict(more or {})


def problem_bytes(
    status: int, detail: str, *, hint: str | None = None, more: Mapping[str, Any] | None = None
) -> bytes:
    return json.dumps(problem(status, detail, hint=hint, more=more), default=str).encode()
