"""Asking a service whether it is well: HTTP, TCP or a command, from its host or from here.

The HTTP client is 60 lines of our own: one GET, HTTP/1.1, `Connection: close`. It must run over a stream that an
SSH connection hands out, which no common library takes.
"""

import asyncio
import contextlib
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from headway.base.awake import awake_for
from headway.base.errors import Errored, WrongUse
from headway.base.secret import Secret
from headway.domain.contract import ANY_ANSWER, Expect, HealthKind
from headway.drivers.runner.masking import beginning_of, mask
from headway.drivers.ssh.framing import Reply

_HEAD_LIMIT = 2**16
_BODY_SHOWN = 120
#: Of a body in which something is looked for.
_BODY_READ = 2**16
#: How long a port may take to greet, in seconds; most wait to be spoken to.
_GREETING = 0.1
_LOOPBACK = ("localhost", "::1", "127.")


class Reader(Protocol):
    async def read(self, n: int = -1, /) -> bytes: ...


class Writer(Protocol):
    def write(self, data: bytes, /) -> None: ...

    def close(self) -> None: ...


class Way(Protocol):
    """How to reach a host from inside; `drivers.ssh.session.HostSession` is one."""

    async def open_tcp(self, host: str, port: int) -> tuple[Reader, Writer]: ...

    async def call(self, script: str, *, timeout: float, limit: int = ...) -> Reply: ...


async def probe(  # noqa: PLR0917  (what is asked, how, and what may be said of it)
    kind: HealthKind,
    target: str,
    way: Way | None,
    timeout: float,
    expect: Expect = ANY_ANSWER,
    secrets: Sequence[Secret] = (),
) -> tuple[bool, str]:
    """Whether the answer was good, and one line that says what it was, without `secrets`. Asking again is the caller's.

    `target` and what is expected hold no placeholders any more. `target` is a URL, `address:port`, or a script for sh. `way` None asks from here, else as the host sees itself.
    `timeout` is in seconds and counts as a bad answer. A connection to the host that breaks is not an answer:
    what `way` raises for it passes through. Raises WrongUse for a target that makes no sense.
    """
    match kind:
        case HealthKind.HTTP:
            asked = _http(_url(target), way, expect, secrets)
        case HealthKind.TCP:
            asked = _tcp(*_address(target), way, secrets)
        case HealthKind.COMMAND:
            return await _command(target, way, timeout, secrets)
    try:
        async with awake_for(timeout):
            return await asked
    except TimeoutError:
        return False, f"no answer within {timeout:g}s"
    except Errored:
        raise
    except ssl.SSLError as error:
        return False, f"TLS: {getattr(error, 'verify_message', None) or error.reason or error}"
    except OSError as error:
        return False, f"{_asked(kind, target)}: {_words(error)}"


def _asked(kind: HealthKind, target: str) -> str:
    """The place that was asked, without what a URL may hold of secrets."""
    if kind is HealthKind.TCP:
        return target
    url = _url(target)
    return f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"


def _words(error: OSError) -> str:
    """asyncio's own text ("Connect call failed") hides what it was; a name that is not found has its own numbers."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return (error.strerror or str(error) or type(error).__name__).lower()


def _url(target: str) -> SplitResult:
    url = urlsplit(target)
    try:
        port_is_valid = url.port is None or url.port > 0
    except ValueError:
        port_is_valid = False
    if url.scheme not in ("http", "https") or not url.hostname or not port_is_valid:
        raise WrongUse(f"'{target}' is no URL for a health check; write http://localhost:8080/health")
    return url


def _address(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise WrongUse(f"'{target}' is no address for a health check; write localhost:5432")
    return host.strip("[]"), int(port)


async def _open(host: str, port: int, way: Way | None) -> tuple[Reader, Writer]:
    if way is not None:
        return await way.open_tcp(host, port)
    return await asyncio.open_connection(host, port)


async def _tcp(host: str, port: int, way: Way | None, secrets: Sequence[Secret]) -> tuple[bool, str]:
    reader, writer = await _open(host, port, way)
    greeting: bytes | None = None
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GREETING):
                greeting = await reader.read(4 * _BODY_SHOWN)
    finally:
        await _close(writer)
    saw = ""
    if greeting is not None:
        # What comes behind it is not waited for.
        said = _shown(beginning_of(greeting, secrets, is_whole=False))
        saw = (f" and says: {said}" if said else "") if greeting else " and closes them"
    return True, f"{host}:{port} accepts connections{saw}"


async def _http(
    url: SplitResult, way: Way | None, expect: Expect, secrets: Sequence[Secret]
) -> tuple[bool, str]:
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    reader, writer = await _open(host, port, way)
    try:
        stream: Reader = reader
        if url.scheme == "https":
            secure = _Tls(reader, writer, host)
            await secure.handshake()
            await secure.send(_request(url))
            stream = secure
        else:
            writer.write(_request(url))
        return _judge(await _answer(stream, expect), expect, secrets)
    finally:
        await _close(writer)


async def _close(writer: Writer) -> None:
    writer.close()
    if isinstance(writer, asyncio.StreamWriter):
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _request(url: SplitResult) -> bytes:
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    host = url.netloc.rpartition("@")[2]
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: headway-health\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    return head.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int | None
    #: What was read of the body, or of whatever it was that answered.
    body: bytes
    #: Name in lower letters and value, as they came.
    headers: tuple[tuple[str, str], ...] = ()
    #: Whether the body goes no further.
    is_whole: bool = False


async def _answer(stream: Reader, expect: Expect) -> _Answer:
    """Reads the head and of the body what is needed: the first bytes of a bad answer, or what is looked for."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) < _HEAD_LIMIT:
        piece = await stream.read(8192)
        if not piece:
            break
        data += piece
    is_cut = len(data) >= _HEAD_LIMIT
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    words = first.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        return _Answer(None, data, is_whole=not is_cut)
    status = int(words[1])
    pairs = (line.decode("utf-8", "replace").partition(":") for line in lines)
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)
    chunked = any(name == "transfer-encoding" and "chunked" in value.lower() for name, value in headers)
    length = next((int(v) for n, v in headers if n == "content-length" and v.isdecimal()), None)
    wanted = _BODY_READ if expect.body is not None else 0 if _is_good(status, expect) else _BODY_SHOWN
    while True:
        read, whole = _unchunked(body) if chunked else (body, length is not None and len(body) >= length)
        if whole or len(read) >= wanted or len(body) >= 2 * _BODY_READ:
            return _Answer(status, read, headers, whole)
        piece = await stream.read(8192)
        if not piece:
            return _Answer(status, read, headers, is_whole=length is None and not chunked)
        body += piece


def _unchunked(data: bytes) -> tuple[bytes, bool]:
    """What came so far of a body sent in chunks, and whether that is all."""
    body = b""
    while True:
        size, end, rest = data.partition(b"\r\n")
        try:
            length = int(size.split(b";")[0], 16)
        except ValueError:
            return body, bool(end)
        if length == 0 or not end:
            return body, bool(end)
        body += rest[:length]
        if len(rest) < length + 2:
            return body, False
        data = rest[length + 2 :]


def _shown(masked: bytes) -> str:
    """What comes first of it, in one short line. Of what has no secrets any more: it is cut."""
    text = " ".join(masked[: 4 * _BODY_SHOWN].decode("utf-8", "replace").split())
    printable = "".join(character for character in text if character.isprintable())
    return printable[:_BODY_SHOWN]


def _is_good(status: int, expect: Expect) -> bool:
    return status in expect.status if expect.status else 200 <= status < 400


def _judge(answer: _Answer, expect: Expect, secrets: Sequence[Secret]) -> tuple[bool, str]:
    start = _shown(beginning_of(answer.body, secrets, is_whole=answer.is_whole))
    if answer.status is None:
        return (False, f"the answer is not HTTP: {start}") if start else (False, "closed without an answer")
    said = f"HTTP {answer.status}"
    shown = f": {start}" if start else ""
    if not _is_good(answer.status, expect):
        wanted = f", and {' or '.join(map(str, expect.status))} is expected" if expect.status else ""
        return False, f"{said}{wanted}{shown}"
    for name, text in expect.header:
        values = [value for given, value in answer.headers if given == name.lower()]
        if not any(text in value for value in values):
            found = (
                f"its header {name} is '{_shown(mask(', '.join(values).encode(), secrets))}'"
                if values
                else f"it has no header {name}"
            )
            return False, f"{said}, but {found}; '{text}' is expected"
    if expect.body is not None and expect.body.encode() not in answer.body[:_BODY_READ]:
        return False, f"{said}, but its body does not hold '{expect.body}'{shown}"
    return True, said


async def _command(
    script: str, way: Way | None, timeout: float, secrets: Sequence[Secret]
) -> tuple[bool, str]:
    from headway.drivers.ssh.errors import CommandTimedOut

    if way is None:
        raise WrongUse("a health check by command runs on the host; take `from` away or ask by HTTP")
    try:
        reply = await way.call(script, timeout=timeout, limit=16384)
    except CommandTimedOut:
        return False, f"no answer within {timeout:g}s"
    lines = [line for line in mask(reply.output, secrets).splitlines() if line.strip()]
    said = _shown(lines[-1]) if lines else ""
    return reply.ok, f"exit {reply.exit_code}" + (f": {said}" if said else "")


class _Tls:
    """TLS over any stream. A host that speaks of itself by a loopback name is not asked for a certificate of that name."""

    def __init__(self, reader: Reader, writer: Writer, host: str) -> None:
        context = ssl.create_default_context()
        if host.startswith(_LOOPBACK):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self._reader, self._writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def handshake(self) -> None:
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await self._more()
            else:
                self._flush()
                return

    async def send(self, data: bytes) -> None:
        self._object.write(data)
        self._flush()

    async def read(self, n: int = -1, /) -> bytes:
        while True:
            try:
                return self._object.read(n if n > 0 else 8192)
            except ssl.SSLWantReadError:
                if not await self._more():
                    return b""
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def _more(self) -> bool:
        self._flush()
        data = await self._reader.read(16384)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)

    def _flush(self) -> None:
        waiting = self._outgoing.read()
        if waiting:
            self._writer.write(waiting)
