"""git over HTTP at `/git/NAME.git`: a bare ASGI app, because a push of half a gigabyte is streamed through it.

Says who may ask (a callable given to it) and speaks HTTP; `drivers.git.hosting` lets git do the rest. A person's
token is the password of HTTP Basic. Who is not let in learns nothing, not even whether a repository is there.
"""

import asyncio
import base64
import binascii
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from headway.base.errors import DiskFull, HeadwayError
from headway.drivers.git import hosting
from headway.drivers.git.hosting import (
    BodyBroken,
    BodyTooLarge,
    BodyTooSlow,
    HostingLimits,
    Push,
    SenderGone,
    Service,
)
from headway.drivers.git.process import TookTooLong

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PREFIX = "/git/"


@dataclass(frozen=True, slots=True)
class Found:
    """A repository that is served. `elsewhere` is where to push to, if it is only a copy of one that lies there."""

    id: str
    folder: Path
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """A short answer in words."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


#: Of a name: the repository, or None.
Find = Callable[[str], Awaitable[Found | None]]
#: Of the request's headers (names in small letters), the repository's name and whether it is a push: the sender's
#: name, or what to answer instead.
Authenticate = Callable[[Mapping[str, str], str, bool], Awaitable[str | Response]]
#: Told the id of a repository after each push, whatever became of it: a hint to look at its journal and refs.
Pushed = Callable[[str], None]

_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,99}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?)"
_PATH = re.compile(rf"{_NAME}\.git/(?P<rest>.*)")
_UNNAMED = re.compile(rf"{_NAME}/(?:info/refs|{Service.FETCH}|{Service.PUSH})")
_DUMB = re.compile(r"HEAD|objects/.*|info/refs")
_NEVER_KEPT = {
    "cache-control": "no-cache, max-age=0, must-revalidate",
    "pragma": "no-cache",
    "expires": "Fri, 01 Jan 1980 00:00:00 GMT",
    "x-content-type-options": "nosniff",
}


def sign_in_first(text: str = "a token is needed: your name, and the token as password") -> Response:
    """What makes git ask for a name and a password, or take them from its credential helper."""
    return Response(401, text, {"www-authenticate": 'Basic realm="Headway", charset="UTF-8"'})


def token_of(headers: Mapping[str, str]) -> str | None:
    """The token that a request carries: the password of HTTP Basic, or a bearer token."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        _, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password or None


class GitHttp:
    """The app. `link` is what stands before a commit's id in the line that a pusher reads."""

    def __init__(
        self,
        find: Find,
        authenticate: Authenticate,
        pushed: Pushed,
        *,
        environment: Mapping[str, str],
        link: str = "",
        limits: HostingLimits | None = None,
        at_once: int = 16,
    ) -> None:
        """`at_once` bounds the requests that are carried out at a time; further ones wait for their turn."""
        self._find = find
        self._authenticate = authenticate
        self._pushed = pushed
        self._environment = environment
        self._link = link
        self._limits = limits or HostingLimits()
        self._turns = asyncio.Semaphore(at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = _Exchange(scope, receive, send)
        try:
            response = await self._answer(exchange)
        except SenderGone:
            return
        except HeadwayError as error:
            response = Response(_status(error), _sentence(error))
            if response.status >= 500:
                log.error("git over HTTP, %s: %s", scope["path"], error.message)
        except Exception:
            log.exception("git over HTTP: %s failed", scope["path"])
            response = Response(500, "Headway could not do this; its log says why")
        if response is not None:
            await exchange.say(response)

    async def _answer(self, exchange: "_Exchange") -> Response | None:
        """What is to be said; None if all has been said."""
        wanted = exchange.path.removeprefix(PREFIX)
        found = _PATH.fullmatch(wanted)
        if found is None:
            near = _UNNAMED.fullmatch(wanted)
            return Response(
                404, f"the address ends in .git: {PREFIX}{near['name']}.git" if near else _NOT_HERE
            )
        name, rest = found["name"], found["rest"]
        service, refusal = _service(exchange, rest)
        sender = await self._authenticate(exchange.headers, name, service is Service.PUSH)
        if isinstance(sender, Response):
            return sender
        repository = await self._find(name)
        if repository is None:
            refusal = Response(404, f"there is no repository {name} here, or it is not yours to see")
        elif service is Service.PUSH and repository.elsewhere:
            refusal = Response(403, f"{name} is a copy: push to {repository.elsewhere}")
        elif service is not None and refusal is None:
            async with self._turns:
                await self._carry_out(exchange, repository, service, sender)
        return refusal

    async def _carry_out(
        self, exchange: "_Exchange", repository: Found, service: Service, sender: str
    ) -> None:
        if exchange.method == "GET":
            await self._advertise(exchange, repository, service)
        else:
            await self._serve(exchange, repository, service, sender)
        await exchange.end()

    async def _advertise(self, exchange: "_Exchange", repository: Found, service: Service) -> None:
        exchange.content_type = f"application/x-{service}-advertisement"
        await hosting.advertise(
            repository.folder,
            service,
            exchange.answer,
            protocol=exchange.protocol,
            environment=self._environment,
        )

    async def _serve(self, exchange: "_Exchange", repository: Found, service: Service, sender: str) -> None:
        most = self._limits.push_bytes if service is Service.PUSH else self._limits.fetch_bytes
        if exchange.length > most:
            raise BodyTooLarge(f"{exchange.length:,} bytes are more than the {most:,} that are taken")
        exchange.content_type = f"application/x-{service}-result"
        serving = asyncio.create_task(
            hosting.serve(
                repository.folder,
                service,
                exchange.body(),
                exchange.answer,
                protocol=exchange.protocol,
                environment=self._environment,
                push=Push(sender, self._link),
                limits=self._limits,
            )
        )
        watching = asyncio.create_task(exchange.gone())
        try:
            await asyncio.wait({serving, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done() and service is Service.FETCH:
                raise SenderGone("the client has left, and nobody waits for what it asked")
            # A push that is here as a whole is carried out, whoever waits for it.
            await serving
        finally:
            serving.cancel()
            watching.cancel()
            await asyncio.gather(serving, watching, return_exceptions=True)
            if service is Service.PUSH:
                self._pushed(repository.id)


_NOT_HERE = "there is nothing here: repositories are at /git/NAME.git"


def _service(exchange: "_Exchange", rest: str) -> tuple[Service | None, Response | None]:
    """Which of git's programs is asked for, and the refusal for what is no proper question to it."""
    if rest.startswith("info/lfs"):
        return None, _lfs()
    if rest == "git-upload-archive":
        return None, Response(403, "archives are not made here: clone with --depth=1 instead")
    if rest in list(Service):
        return Service(rest), _refusal(exchange, "POST", f"application/x-{rest}-request")
    if rest == "info/refs":
        asked = parse_qs(exchange.query).get("service", [""])[0]
        if asked in list(Service):
            return Service(asked), _refusal(exchange, "GET", None)
    if _DUMB.fullmatch(rest):
        return None, Response(403, "only git's smart HTTP is spoken here: use git 1.6.6 or later")
    return None, Response(404, _NOT_HERE)


def _refusal(exchange: "_Exchange", method: str, content_type: str | None) -> Response | None:
    if exchange.method != method:
        return Response(405, f"this address takes {method} only", {"allow": method})
    if content_type and exchange.headers.get("content-type", "") != content_type:
        return Response(415, f"the body must be {content_type}")
    if exchange.headers.get("content-encoding", "identity") not in ("identity", "gzip", "x-gzip"):
        return Response(415, "the body may be gzip'ed or as it is")
    return None


def _lfs() -> Response:
    text = "Git LFS is not served here: keep large files elsewhere, for example as artifacts"
    return Response(501, json.dumps({"message": text}), {"content-type": "application/vnd.git-lfs+json"})


def _status(error: HeadwayError) -> int:
    kinds: tuple[tuple[type[HeadwayError], int], ...] = (
        (BodyTooLarge, 413),
        (BodyTooSlow, 408),
        (BodyBroken, 400),
        (TookTooLong, 503),
        (DiskFull, 507),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)


def _sentence(error: HeadwayError) -> str:
    """What a client reads. Of a fault of ours it is not told the folder, which the log has."""
    if _status(error) in (500, 507):
        return (
            "the disk is full" if isinstance(error, DiskFull) else "git failed here; Headway's log says why"
        )
    return f"{error.message}; {error.hint}" if error.hint else error.message


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.headers: dict[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        self.content_type = "text/plain; charset=utf-8"
        self._receive = receive
        self._send = send
        self._began = False
        self._whole = asyncio.Event()

    @property
    def protocol(self) -> str:
        return self.headers.get("git-protocol", "")

    @property
    def length(self) -> int:
        """What the client says of its body's length; 0 if it says nothing."""
        said = self.headers.get("content-length", "")
        return int(said) if said.isdecimal() and len(said) < 20 else 0

    def body(self) -> AsyncIterator[bytes]:
        pieces = self._pieces()
        zipped = self.headers.get("content-encoding", "identity") != "identity"
        return hosting.unzipped(pieces) if zipped else pieces

    async def _pieces(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise SenderGone("the connection ended before the request was whole")
            if piece := message.get("body", b""):
                yield piece
            more = message.get("more_body", False)
        self._whole.set()

    async def gone(self) -> None:
        """Returns when the client has left after its request was whole."""
        await self._whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(self, piece: bytes) -> None:
        if not self._began:
            await self._begin(200, {"content-type": self.content_type})
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self) -> None:
        if not self._began:
            await self._begin(200, {"content-type": self.content_type})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def say(self, response: Response) -> None:
        """Answers in words. An answer that has begun stays without an end, and the HTTP server cuts its connection,
        so that nobody takes it for whole."""
        if self._began:
            return
        body = response.text.encode() + (b"" if response.text.endswith("}") else b"\n")
        headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
        await self._begin(response.status, headers | dict(response.headers))
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self._began = True
        pairs = [(name.encode(), value.encode()) for name, value in {**headers, **_NEVER_KEPT}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})
