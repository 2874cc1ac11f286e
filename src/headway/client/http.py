"""A server's API from Python: what the command line speaks. Blocks.

Every POST carries a key, so that one whose answer was lost is sent again and done once. A GET remembers its ETag.
"""

import contextlib
import ipaddress
import json
import os
import secrets
import ssl
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlsplit

import httpx

from headway import __version__
from headway.base.clock import SystemClock
from headway.base.patience import Patience
from headway.client.errors import (
    AddressUnsafe,
    AnswerNotUnderstood,
    ServerFailed,
    ServerRefused,
    ServerUnreachable,
    SocketNotOurs,
    error_of,
)

#: Seconds: between two attempts, and how long a line may stay broken.
_PAUSES = (0.1, 0.3, 1.0, 2.0)
_PATIENCE = 60.0
#: One question and the pause after it take no longer while this process runs.
_TICK = 40.0
_TIMEOUT = httpx.Timeout(30.0, connect=8.0)
_PIECE = 1 << 20
_REMEMBERED = 64
#: What a proxy, or a server that is on its way, answers in the place of one that is away.
_AWAY = (502, 503, 504)
#: With Retry-After; servers of before said 409.
_UNDER_WAY = (409, 503)


@dataclass(frozen=True, slots=True)
class _Watch:
    """What is watched: an unreachable server is waited for, and what is watched goes on without us."""

    #: Such as `run 14 goes on; headway logs 14 --follow looks on`.
    goes_on: str
    say: Callable[[str], None]


class HeadwayClient:
    """One server. `name` is how people know it."""

    def __init__(self, http: httpx.Client, name: str, *, is_local: bool = False) -> None:
        self._http = http
        self.name = name
        #: By the socket of this machine, as the owner of the data folder.
        self.is_local = is_local
        #: Seconds for which a log's line may stay broken.
        self.patience = _PATIENCE
        self._clock = SystemClock()
        self._etags: dict[str, tuple[str, Any]] = {}
        self._watched: _Watch | None = None

    @classmethod
    def at(cls, address: str, token: str | None) -> Self:
        """`headway.example.org` is https. Raises AddressUnsafe."""
        url = safe_address(address)
        headers = {"User-Agent": f"headway/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return cls(httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT), url)

    @classmethod
    def here(cls, socket: Path, name: str) -> Self:
        """By the socket of a server on this machine. Raises SocketNotOurs, ServerUnreachable."""
        require_ours(socket)
        transport = httpx.HTTPTransport(uds=str(socket))
        headers = {"User-Agent": f"headway/{__version__}"}
        http = httpx.Client(
            transport=transport,
            base_url="http://headway",
            headers=headers,
            timeout=_TIMEOUT,
            trust_env=False,
        )
        return cls(http, name or str(socket), is_local=True)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Documents

    def get(self, path: str, **query: Any) -> Any:
        """Raises the errors of `client.errors`."""
        asked = _asked(query)
        place = f"{path}?{sorted(asked.items())}"
        known = self._etags.get(place)
        headers = {"If-None-Match": known[0]} if known else {}
        answer = self._call("GET", path, params=asked, headers=headers)
        if answer.status_code == 304 and known:
            return known[1]
        document = _document(answer)
        if etag := answer.headers.get("etag"):
            if len(self._etags) >= _REMEMBERED:
                self._etags.clear()
            self._etags[place] = etag, document
        return document

    def pages(self, path: str, *, most: int, **query: Any) -> list[Any]:
        """The items of a list, from as many pages as it takes."""
        found: list[Any] = []
        after = None
        while len(found) < most:
            page = self.get(path, limit=min(200, most - len(found)), after=after, **query)
            found += page["items"]
            after = page["next"]
            if after is None:
                break
        return found

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        return _document(self._call("POST", path, params=_asked(query), json=dict(body or {})))

    def put(self, path: str, body: Mapping[str, Any], **query: Any) -> Any:
        return _document(self._call("PUT", path, params=_asked(query), json=dict(body)))

    def delete(self, path: str, **query: Any) -> Any:
        answer = self._call("DELETE", path, params=_asked(query))
        return _document(answer) if answer.content else None

    def send(self, path: str, content: bytes, media_type: str, **query: Any) -> Any:
        """A POST of bytes."""
        headers = {"Content-Type": media_type}
        return _document(self._call("POST", path, params=_asked(query), content=content, headers=headers))

    def upload(self, path: str, fields: Mapping[str, Any], files: Mapping[str, BinaryIO]) -> Any:
        """A form with files, each under its name; they are read from their beginning."""
        for file in files.values():
            file.seek(0)
        parts = [(name, ("file", file, "application/octet-stream")) for name, file in files.items()]
        timeout = httpx.Timeout(1800.0, connect=8.0)
        return _document(self._call("POST", path, data=dict(fields), files=parts, timeout=timeout))

    def download(self, method: str, path: str, target: BinaryIO, **query: Any) -> Mapping[str, str]:
        """Into a file; the headers of the answer."""
        timeout = httpx.Timeout(1800.0, connect=8.0)
        with self._streamed(method, path, params=_asked(query), timeout=timeout) as answer:
            for piece in answer.iter_raw(_PIECE):
                target.write(piece)
            return answer.headers

    def lines(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any
    ) -> Iterator[Any]:
        """The documents of a stream of JSON lines, as they come. One that breaks off raises ServerUnreachable."""
        timeout = httpx.Timeout(None, connect=8.0)
        more: dict[str, Any] = {} if body is None else {"json": dict(body)}
        with self._streamed(method, path, params=_asked(query), timeout=timeout, **more) as answer:
            for line in answer.iter_lines():
                if line:
                    yield json.loads(line)

    # Logs

    def log_piece(self, job: str, attempt: int | None, offset: int, most: int = _PIECE) -> tuple[bytes, bool]:
        """What stands there from `offset` on, and whether the attempt has ended."""
        query = _asked({"attempt": attempt, "offset": offset, "limit": most})
        answer = self._call("GET", f"/api/jobs/{segment(job)}/log", params=query)
        if answer.status_code >= 400:
            raise error_of(answer.status_code, _problem(answer))
        return answer.content, answer.headers.get("headway-over") == "true"

    def follow_log(self, job: str, attempt: int | None = None, offset: int = 0) -> Iterator[bytes]:
        """All of a log from `offset` to the attempt's end, as it comes. A line that breaks is taken up where it broke:
        nothing is lost or doubled. Raises ServerUnreachable after a minute without any answer.
        """
        patience: Patience | None = None
        while True:
            heard = False
            with contextlib.suppress(httpx.TransportError, ServerUnreachable, ServerFailed):
                for piece in self._growing(job, attempt, offset):
                    offset, heard = offset + len(piece), True
                    yield piece
                # The stream ended: because the attempt did, or because the server did.
                rest, is_over = self.log_piece(job, attempt, offset)
                heard = True
                if rest:
                    offset += len(rest)
                    yield rest
                elif is_over:
                    return
            patience = None if heard else patience or self._patience()
            if patience is not None and patience.left() <= 0:
                raise self._unreachable("the line broke")
            time.sleep(_PAUSES[0])

    def _growing(self, job: str, attempt: int | None, offset: int) -> Iterator[bytes]:
        query = _asked({"attempt": attempt, "offset": offset, "follow": True})
        with self._http.stream("GET", f"/api/jobs/{segment(job)}/log", params=query) as answer:
            _require_good(answer)
            yield from answer.iter_raw()

    # The line

    @contextlib.contextmanager
    def watching(self, goes_on: str, say: Callable[[str], None]) -> Iterator[None]:
        """Within it, calls wait for a server that is away as long as `follow_log` does, such as over its restart. `say`
        gets one line when that takes a moment; ServerUnreachable then has `goes_on` as what comes next.
        """
        before, self._watched = self._watched, _Watch(goes_on, say)
        try:
            yield
        finally:
            self._watched = before

    def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Sent again when the line breaks: GETs change nothing, and a POST is known by its key."""
        headers = dict(more.pop("headers", None) or {})
        if method == "POST":
            headers["Idempotency-Key"] = secrets.token_urlsafe(24)
        for pause in self._pauses():
            try:
                answer = self._sent(method, path, headers, more)
            except httpx.TransportError as error:
                if pause is None or isinstance(error, httpx.UnsupportedProtocol):
                    raise self._unreachable(_reason(error), speaks_plainly=_speaks_plainly(error)) from error
            else:
                is_away = self._watched is not None and answer.status_code in _AWAY
                if pause is None or not is_away:
                    return answer
            time.sleep(pause)
        raise AssertionError

    def _sent(
        self, method: str, path: str, headers: Mapping[str, str], more: Mapping[str, Any]
    ) -> httpx.Response:
        """The answer; where a call with this key is worked on already, the one that it comes to. A server that was
        killed over it is believed to be at work for as long as its lease."""
        patience = self._patience()
        while True:
            answer = self._http.request(method, path, headers=headers, **more)
            is_under_way = (
                method == "POST" and answer.status_code in _UNDER_WAY and "retry-after" in answer.headers
            )
            if not is_under_way or patience.left() <= 0:
                return answer
            time.sleep(_PAUSES[-2])

    def _pauses(self) -> Iterator[float | None]:
        """Before each further attempt; None: it is the last."""
        patience = self._patience()
        yield from _PAUSES[:-1]
        if self._watched is not None:
            self._watched.say(f"the server {self.name} is away; waiting for it")
            while patience.left() > 0:
                yield _PAUSES[-1]
        else:
            yield _PAUSES[-1]
        yield None

    def _patience(self) -> Patience:
        """With a server that does not answer; what this process slept through is no time that it was away."""
        return Patience(self._clock.monotonic, self.patience, tick=_TICK)

    @contextlib.contextmanager
    def _streamed(self, method: str, path: str, **more: Any) -> Iterator[httpx.Response]:
        try:
            with self._http.stream(method, path, **more) as answer:
                _require_good(answer)
                yield answer
        except httpx.TransportError as error:
            raise self._unreachable(_reason(error)) from error

    def _unreachable(self, why: str, *, speaks_plainly: bool = False) -> ServerUnreachable:
        if speaks_plainly:
            plain = self.name.replace("https://", "http://", 1)
            return ServerUnreachable(
                f"the server {self.name} is not reached: what answers there speaks no TLS",
                hint=f"on this machine: HEADWAY_SERVER={plain}; else name the address of the proxy with TLS before it",
            )
        return ServerUnreachable(
            f"the server {self.name} is not reached: {why}",
            hint=self._watched.goes_on
            if self._watched
            else "does it run, and is HEADWAY_SERVER right? --local uses this machine alone",
        )


def segment(text: str) -> str:
    """As one part of a path."""
    return quote(text, safe="")


def safe_address(text: str) -> str:
    """Raises AddressUnsafe for one over which a token would travel in the clear.

    Without a scheme it is https; on this machine, where a server speaks http, it is that.
    """
    unusable = AddressUnsafe(
        f"HEADWAY_SERVER is '{text[:100]}', which is no address of a server",
        hint="write https://headway.example.org",
    )
    url = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(url)
        if "://" not in text and _is_loopback(parts.hostname or ""):
            url = f"http://{text}"
            parts = urlsplit(url)
        # Only asked for it is read: a port that is none.
        _ = parts.port
    except ValueError:
        raise unusable from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise unusable
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise AddressUnsafe(
            f"over {url[:100]} a token could be read by others",
            hint="put TLS before the server and write https://; or reach it through ssh -L 8080:127.0.0.1:8080",
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_ours(socket: Path) -> None:
    """What is said to a socket is said to whoever made it. Raises SocketNotOurs, ServerUnreachable."""
    try:
        found = os.stat(socket, follow_symlinks=False)
    except FileNotFoundError:
        raise ServerUnreachable(
            f"a server has this data folder and does not listen at {socket} yet",
            hint="try again in a moment; --local goes without it",
        ) from None
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        raise SocketNotOurs(f"{socket} is not a socket of yours", hint=f"see: ls -l {socket}")


def _asked(query: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was not said."""
    found = {name: value for name, value in query.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in found.items()}


def _document(answer: httpx.Response) -> Any:
    if answer.status_code >= 400:
        raise error_of(answer.status_code, _problem(answer))
    try:
        return answer.json()
    except ValueError as error:
        raise _not_understood(answer) from error


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict) or "status" not in found:
        # A proxy, or another program altogether.
        if answer.status_code == 404:
            raise _not_understood(answer)
        return {"title": f"it answered {answer.status_code} {answer.reason_phrase}"}
    return found


def _not_understood(answer: httpx.Response) -> AnswerNotUnderstood:
    return AnswerNotUnderstood(
        f"what answers at {answer.request.url.copy_with(query=None)} is no Headway that is understood here",
        hint="look at HEADWAY_SERVER",
    )


def _require_good(answer: httpx.Response) -> None:
    if answer.status_code >= 400:
        answer.read()
        raise error_of(answer.status_code, _problem(answer))


def _speaks_plainly(error: httpx.TransportError) -> bool:
    """Whether what answered https does not speak it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and cause.reason in (
            "WRONG_VERSION_NUMBER",
            "RECORD_LAYER_FAILURE",
        ):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it does not answer in time"
    return str(error) or type(error).__name__


__all__ = ["HeadwayClient", "ServerRefused", "require_ours", "safe_address", "segment"]
