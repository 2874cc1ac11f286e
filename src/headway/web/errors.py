"""Errors as pages: what it is and what to do next, never a trace."""

import logging
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from litestar.exceptions import HTTPException

from headway.base.errors import HeadwayError, Held, WrongUse
from headway.engine.access.sessions import COOKIE
from headway.engine.permissions import NotAllowed
from headway.web.visit import (
    WAYS,
    NothingThere,
    NotSignedIn,
    PageRequest,
    PageResponse,
    go,
    html,
    refusal,
    render,
    sentence,
)

log = logging.getLogger("headway.web")

_SAID = {
    400: ("This address asks for something that cannot be", "Check what was typed."),
    403: ("You may not do this", ""),
    404: ("There is nothing here", "It may have been removed, or the address was mistyped."),
    405: ("This address only takes forms", "Nothing here acts on a link; go back and use the button."),
    413: ("This is larger than a page takes", ""),
    429: ("Too many tries", "Wait a minute, then try again."),
}
_SHOUTED = frozenset({400, 403, 413, 429})


def _page(
    request: PageRequest, status: int, title: str, message: str, *, hint: str = "", reference: str = ""
) -> PageResponse:
    content = render(
        request,
        "error.html",
        title=title,
        message=sentence(message),
        hint=sentence(hint),
        reference=reference,
        # Whoever was signed in finds a way on; the pages themselves check who it is.
        ways=WAYS if request.cookies.get(COOKIE) else (),
    )
    return html(request, content, status=status)


def not_signed_in(request: PageRequest, error: NotSignedIn) -> PageResponse:
    return go("/sign-in" if error.where == "/" else f"/sign-in?next={quote(error.where, safe='')}")


def not_allowed(request: PageRequest, error: NotAllowed) -> PageResponse:
    # As it is: it begins with a handle, which has no capital.
    return _page(request, 403, "You may not do this", f"Refused: {error.message}", hint=error.hint or "")


def nothing_there(request: PageRequest, error: NothingThere) -> PageResponse:
    return _page(request, 404, "There is nothing here", str(error))


def http_error(request: PageRequest, error: HTTPException) -> PageResponse:
    status = error.status_code
    if status >= 500 or status not in _SAID:
        return (
            unexpected(request, error)
            if status >= 500
            else _page(request, status, "That did not work", error.detail)
        )
    title, message = _SAID[status]
    if status in _SHOUTED and error.detail and status != 400:
        message = error.detail
    return _page(request, status, title, message)


def own_error(request: PageRequest, error: HeadwayError) -> PageResponse:
    """What the engine refuses: its sentence, its hint."""
    if isinstance(error, WrongUse | Held):
        it = refusal(error)
        return _page(request, it.status, it.title, it.message, hint=it.hint)
    return unexpected(request, error)


def unexpected(request: PageRequest, error: Exception) -> PageResponse:
    reference = secrets.token_hex(4)
    log.error("%s %s failed, reference %s", request.method, request.url.path, reference, exc_info=error)
    return _page(
        request,
        500,
        "Headway itself failed",
        "This is not your doing, and nothing was half done.",
        reference=reference,
    )


HANDLERS: dict[Any, Callable[..., Any]] = {
    NotSignedIn: not_signed_in,
    NotAllowed: not_allowed,
    NothingThere: nothing_there,
    HTTPException: http_error,
    HeadwayError: own_error,
    Exception: unexpected,
}
