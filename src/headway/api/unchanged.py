"""ETags: a document that a caller has already is answered with 304 and no body."""

import hashlib

from headway.api.asgi import Application, Message, Receive, Scope, Send, headers_of


class Unchanged:
    """Around the routes. Only whole answers get an ETag; streams pass."""

    def __init__(self, inside: Application) -> None:
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._inside(scope, receive, send)
            return
        begin: Message | None = None
        known = headers_of(scope).get("if-none-match", "")

        async def pass_on(message: Message) -> None:
            nonlocal begin
            if message["type"] == "http.response.start" and message["status"] == 200:
                begin = message
                return
            if begin is not None:
                first, begin = begin, None
                if not message.get("more_body", False) and not _has_etag(first):
                    first, message = _with_etag(first, message, known)
                await send(first)
            await send(message)

        await self._inside(scope, receive, pass_on)


def _has_etag(begin: Message) -> bool:
    return any(name.lower() == b"etag" for name, _ in begin.get("headers", ()))


def _with_etag(begin: Message, body: Message, known: str) -> tuple[Message, Message]:
    etag = f'"{hashlib.sha256(body.get("body", b"")).hexdigest()[:32]}"'
    headers = [pair for pair in begin.get("headers", ()) if pair[0].lower() != b"cache-control"]
    headers += [(b"etag", etag.encode()), (b"cache-control", b"private, no-cache")]
    if etag in known or known.strip() == "*":
        headers = [pair for pair in headers if pair[0].lower() not in (b"content-length", b"content-type")]
        return {**begin, "status": 304, "headers": headers}, {**body, "body": b""}
    return {**begin, "headers": headers}, body
