"""What keeps pages safe whatever they show: headers of every answer, and the check of every form that is sent."""

import asyncio
import base64
import secrets
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.exceptions import HTTPException, PermissionDeniedException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from headway.engine.access import csrf
from headway.engine.access.sessions import COOKIE

#: Before anybody is signed in: a value of chance, so that the form of signing in has a word, too.
VISITOR_COOKIE = "headway_visitor"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: The longest form that a page sends (org.toml and secrets are the largest things typed).
LARGEST_FORM = 1024 * 1024
#: Of whoever has not signed in yet, and the fields of any: taking a form apart costs its fields, not its bytes.
LARGEST_VISITORS_FORM = 16 * 1024
MOST_FIELDS = 2000
#: Seconds for all of it: whoever sends one need not be signed in.
FORM_WITHIN = 15.0

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def with_security_headers(app: ASGIApp, *, https: bool) -> ASGIApp:
    """Every answer of `app` with them, streams and errors too; a header that the answer has already stays."""
    headers = dict(_HEADERS)
    if https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = list(message["headers"])
                there = {name.lower() for name, _ in sent}
                message["headers"] = sent + [pair for pair in encoded if pair[0] not in there]
            await send(message)

        await app(scope, receive, send_with_headers)

    return wrapped


def form_word(key: bytes, session: str) -> str:
    """For the hidden field. The session's word under a fresh salt: compressed pages, compared by length, tell nothing."""
    word = csrf.csrf_token(key, session).encode()
    salt = secrets.token_bytes(len(word))
    return base64.urlsafe_b64encode(salt + _mixed(word, salt)).decode()


def is_form_word(key: bytes, session: str, given: str) -> bool:
    try:
        raw = base64.urlsafe_b64decode(given.encode("ascii", "replace"))
    except ValueError:
        return False
    half = len(raw) // 2
    word = _mixed(raw[half:], raw[:half]).decode("latin-1")
    return bool(session) and csrf.check(key, session, word)


def _mixed(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=False))


async def check_form(request: Request[Any, Any, Any]) -> None:
    """Before any handler: what changes something comes from a page of ours, in a session of ours.

    Raises PermissionDeniedException, and HTTPException for one that comes too slowly (408) or is too long (413).
    """
    if request.method in SAFE_METHODS:
        return
    if not _is_own_origin(request):
        raise PermissionDeniedException("this form was sent from another site")
    try:
        async with asyncio.timeout(FORM_WITHIN):
            body = await request.body()
    except TimeoutError:
        raise HTTPException(
            detail=f"the form took more than {FORM_WITHIN:.0f} s to arrive: send it again", status_code=408
        ) from None
    # The form is taken apart on the loop that serves everybody.
    if body.count(b"&") >= MOST_FIELDS:
        raise HTTPException(detail=f"a form has at most {MOST_FIELDS:,} fields", status_code=413)
    if request.content_type[0].startswith("multipart/"):
        raise HTTPException(detail="no page of Headway sends forms in parts", status_code=415)
    form = await request.form()
    word = str(form.get("csrf") or request.headers.get("x-headway-csrf") or "")
    if not is_form_word(request.app.state.form_key, form_session(request), word):
        raise PermissionDeniedException(
            "this form is older than your session: go back, reload the page, and send it again"
        )


def form_session(request: Request[Any, Any, Any]) -> str:
    """What this browser's forms are tied to: its session, before that its visit."""
    path = request.scope["path"]
    cookie = VISITOR_COOKIE if path == "/sign-in" or path.startswith("/sign-in/") else COOKIE
    return request.cookies.get(cookie, "")


def _is_own_origin(request: Request[Any, Any, Any]) -> bool:
    origin = request.headers.get("origin")
    if origin is None:
        # Browsers send it with every POST; what doesn't is no browser, and has no cookie that it did not bring itself.
        return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    own = {request.headers.get("host", ""), urlsplit(request.app.state.server.base_url).netloc}
    return urlsplit(origin).netloc in own - {""}


def own_path(text: str | None, otherwise: str = "/") -> str:
    """`text` when it is a path of this server, else `otherwise`: nobody is led elsewhere by a link to us."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")):
        return otherwise
    if any(ord(character) < 32 or character == "\\" for character in text) or len(text) > 2000:
        return otherwise
    parts = urlsplit(text)
    return otherwise if parts.scheme or parts.netloc else text
