"""What every call of the API passes before it reaches its route: who calls, a body with bounds, its idempotency key.

A call whose body is too large (413) or comes too slowly (408) never reaches the routes; a body is read only for who
is known. A POST with an `Idempotency-Key` that was answered before is answered the same, and not carried out again.
"""

import asyncio
import hashlib
import re
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from typing import IO, Any

from headway.api.access import NobodyKnown, actor_in
from headway.api.asgi import (
    Application,
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    Message,
    NoRoom,
    Receive,
    Room,
    Scope,
    Send,
    answer,
    answer_problem,
    headers_of,
    pour_body,
)
from headway.api.problems import status_of
from headway.base.errors import HeadwayError
from headway.domain.people import Actor
from headway.engine.access.idempotency import LONGEST_ANSWER, Answer, AnswerGone, Calls, CallUnderWay
from headway.engine.permissions import Action, NotAllowed, allows, require
from headway.engine.server.server import Server
from headway.store.database import GUARD

#: What stands in a request's scope: the body, where it is small; the key that what it does is known by.
BODY, KEY = "headway.body", "headway.key"
_LARGEST = 1 << 20
_WITHIN = 15.0
#: Uploads, by their path: bytes and seconds, for who may do that somewhere.
UPLOADS: tuple[tuple[re.Pattern[str], int, float, Action], ...] = (
    (re.compile(r"/api/releases/?"), 2 << 30, 1800.0, Action.RELEASE_ADD),
    (re.compile(r"/api/services/[^/]+/tries/?"), 65 << 20, 600.0, Action.RUN_START),
)
#: Uploads at a time, in all and of one person: each may fill gigabytes of the disk until it is stored.
MOST_UPLOADS, MOST_UPLOADS_OF_ONE = 8, 2
_IN_MEMORY = 1 << 20
_PIECE = 256 * 1024
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class Door:
    def __init__(self, server: Server, inside: Application) -> None:
        self._server = server
        self._inside = inside
        self._uploads = Room(most=MOST_UPLOADS, most_of_one=MOST_UPLOADS_OF_ONE)
        self._calls = Calls(server.database, server.vault)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS", "TRACE"):
            await self._inside(scope, receive, send)
            return
        try:
            actor = await actor_in(self._server, scope)
            _require_upload(actor, scope["path"])
        except NobodyKnown as error:
            headers = {"www-authenticate": "Bearer", "connection": "close"}
            await answer_problem(send, 401, error.detail, headers=headers)
            return
        except NotAllowed as error:
            headers, more = {"connection": "close"}, {"scope": error.scope} if error.scope else {}
            await answer_problem(send, 403, error.message, hint=error.hint, headers=headers, more=more)
            return
        try:
            with self._uploads.take(1, actor.name) if _upload(scope["path"]) else nullcontext():
                await self._let_in(scope, receive, send)
        except NoRoom:
            text = f"{MOST_UPLOADS_OF_ONE} of yours or {MOST_UPLOADS} in all are being uploaded already"
            again = {"retry-after": "30", "connection": "close"}
            await answer_problem(send, 503, text, hint="send it when they have ended", headers=again)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as body:
            if (digest := await self._take(scope, receive, send, body)) is None:
                return
            body.seek(0)
            await self._carry_out(scope, _again(body, receive), send, digest)

    async def _take(self, scope: Scope, receive: Receive, send: Send, body: IO[bytes]) -> bytes | None:
        """Its digest; None when the caller was answered, or is gone."""
        found = _upload(scope["path"])
        most, within = (found[1], found[2]) if found else (_LARGEST, _WITHIN)
        digest = hashlib.sha256()

        def keep(piece: bytes) -> None:
            digest.update(piece)
            body.write(piece)

        try:
            size = await pour_body(scope, receive, keep, most=most, within=within)
        except BodyTooLarge:
            text = f"the body is larger than {most >> 20} MiB, the most that is taken here"
            await answer_problem(send, 413, text, headers={"connection": "close"})
            return None
        except BodyTooSlow:
            text = f"the body took more than {within:.0f} s"
            await answer_problem(send, 408, text, headers={"connection": "close"})
            return None
        except ClientGone:
            return None
        if size <= _LARGEST:
            body.seek(0)
            scope[BODY] = body.read()
        return digest.digest()

    async def _carry_out(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        given = headers_of(scope).get("idempotency-key")
        if given is None or scope["method"] != "POST":
            await self._inside(scope, receive, send)
            return
        if not _KEY.fullmatch(given):
            text = "an Idempotency-Key is 1 to 200 visible ASCII characters"
            await answer_problem(send, 400, text, hint="a UUID is a good one")
            return
        actor = await actor_in(self._server, scope)
        key = scope[KEY] = self._calls.key_of(actor, given)
        place = scope["path"].encode(errors="surrogateescape")
        asked = self._calls.fingerprint(place, scope.get("query_string", b""), body)
        try:
            begun = await self._calls.begin(key, asked, self._server.now())
        except HeadwayError as error:
            headers = {"retry-after": "1"} if isinstance(error, CallUnderWay) else None
            await answer_problem(send, status_of(error), error.message, hint=error.hint, headers=headers)
            return
        if isinstance(begun, Answer):
            media_type, headers = begun.media_type.encode("latin-1"), {"idempotency-replayed": "true"}
            await answer(send, begun.status, begun.body, media_type=media_type, headers=headers)
            return
        kept = _Kept(send, begun.end)
        renewing = asyncio.create_task(begun.renew(self._server.tools.clock))
        before = GUARD.set(begun.guard)
        try:
            await self._inside(scope, receive, kept)
        finally:
            GUARD.reset(before)
            renewing.cancel()
            await kept.close()


def _upload(path: str) -> tuple[re.Pattern[str], int, float, Action] | None:
    return next((row for row in UPLOADS if row[0].fullmatch(path)), None)


def _require_upload(actor: Actor, path: str) -> None:
    """A large body is taken only of who may send one for some team; the route asks again, for the team it is about.

    Raises NotAllowed.
    """
    found = _upload(path)
    if found is not None and not any(allows(actor, found[3], team=team) for team, _ in actor.teams):
        require(actor, found[3], team=None)


class _Kept:
    """Passes an answer on and keeps it. A short one is kept before anybody sees it."""

    def __init__(self, send: Send, end: Callable[[Answer], Any]) -> None:
        self._send = send
        self._end = end
        self._begin: Message | None = None
        self._status = 500
        self._media_type = ""
        self._body = bytearray()
        self._is_streaming = False
        self._is_ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin, self._status = message, message["status"]
            headers = {name.lower(): value for name, value in message.get("headers", ())}
            self._media_type = headers.get(b"content-type", b"").decode("latin-1")
            return
        more = message.get("more_body", False)
        if len(self._body) <= LONGEST_ANSWER:
            self._body += message.get("body", b"")
        if not more:
            await self._finish(self._status)
        if self._begin is not None:
            begin, self._begin = self._begin, None
            await self._send(begin)
        await self._send(message)

    async def close(self) -> None:
        """What broke off was not answered."""
        await self._finish(500)

    async def _finish(self, status: int) -> None:
        if not self._is_ended:
            self._is_ended = True
            await self._end(Answer(status, self._media_type, bytes(self._body)))


def _again(body: IO[bytes], receive: Receive) -> Receive:
    """The body once more, for what stands behind; then whatever comes."""
    is_over = False

    async def replay() -> Message:
        nonlocal is_over
        if is_over:
            return await receive()
        piece = body.read(_PIECE)
        is_over = len(piece) < _PIECE
        return {"type": "http.request", "body": piece, "more_body": not is_over}

    return replay


__all__ = ["BODY", "KEY", "AnswerGone", "Door"]
