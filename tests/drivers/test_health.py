"""Health checks against real sockets: what counts as good, and that a bad answer says why in one line."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.base.secret import Secret
from headway.domain.contract import Expect, HealthKind
from headway.drivers import health
from headway.drivers.health import probe
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.framing import Reply
from headway.drivers.ssh.session import HostSession
from tests.support.servers import saying, serving
from tests.support.sshd import Sshd, free_port, needs_sshd, sshd

__all__ = ["sshd"]


def response(status: str, body: bytes = b"", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "good", "why"),
    [
        (response("200 OK"), True, "HTTP 200"),
        (response("204 No Content"), True, "HTTP 204"),
        (response("302 Found", more="Location: /login\r\n"), True, "HTTP 302"),
        (response("503 Service Unavailable", b"database is\n  away"), False, "HTTP 503: database is away"),
        (response("404 Not Found"), False, "HTTP 404"),
        (b"HTTP/1.0 500 Oops\r\n\r\nold style", False, "HTTP 500: old style"),
        (
            b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nchunked\r\n0\r\n\r\n",
            False,
            "HTTP 500: chunked",
        ),
        (response("500 Oops", b"\x1b[2Jred\x07\xff"), False, "HTTP 500: [2Jred\ufffd"),
        (response("500 Oops", b"x" * 9000), False, "HTTP 500: " + "x" * 120),
        (b"SSH-2.0-OpenSSH\r\n", False, "the answer is not HTTP: SSH-2.0-OpenSSH"),
        (b"", False, "closed without an answer"),
    ],
)
async def test_http_answers(answer: bytes, good: bool, why: str) -> None:
    async with serving(saying(answer)) as port:
        assert await probe(HealthKind.HTTP, f"http://127.0.0.1:{port}/health", None, 3) == (good, why)


NEW = response("200 OK", b'{"release": "rel-b"}', "X-Release: rel-b\r\nX-Release: other\r\n")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrel\r\n2;x\r\n-b\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "expect", "good", "why"),
    [
        (NEW, Expect(body="rel-b", header=(("x-release", "rel-b"),), status=(200,)), True, "HTTP 200"),
        (
            NEW,
            Expect(body="rel-a"),
            False,
            'HTTP 200, but its body does not hold \'rel-a\': {"release": "rel-b"}',
        ),
        (
            NEW,
            Expect(header=(("X-Release", "rel-a"),)),
            False,
            "HTTP 200, but its header X-Release is 'rel-b, other'; 'rel-a' is expected",
        ),
        (NEW, Expect(header=(("X-No", "a"),)), False, "HTTP 200, but it has no header X-No; 'a' is expected"),
        (NEW, Expect(status=(204, 301)), False, 'HTTP 200, and 204 or 301 is expected: {"release": "rel-b"}'),
        (response("404 Not Found"), Expect(status=(404,)), True, "HTTP 404"),
        (CHUNKED, Expect(body="rel-b"), True, "HTTP 200"),
        (CHUNKED, Expect(body="rel-a"), False, "HTTP 200, but its body does not hold 'rel-a': rel-b"),
        # What the service says late, without a length: until it closes, and 64 KiB at most.
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 60_000 + b"rel-b", Expect(body="rel-b"), True, "HTTP 200"),
        (
            response("200 OK", b"x" * 70_000 + b"rel-b"),
            Expect(body="rel-b"),
            False,
            "HTTP 200, but its body does not hold 'rel-b': " + "x" * 120,
        ),
    ],
)
async def test_http_answers_that_must_hold_something(
    answer: bytes, expect: Expect, good: bool, why: str
) -> None:
    async with serving(saying(answer)) as port:
        found = await probe(HealthKind.HTTP, f"http://127.0.0.1:{port}/health", None, 30, expect)
    assert found == (good, why)


async def test_an_answer_is_judged_when_it_is_whole_although_the_connection_stays_open() -> None:
    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(NEW)
        await reader.read()
        await reader.read()

    async with serving(stay) as port:
        found = await probe(HealthKind.HTTP, f"http://127.0.0.1:{port}/", None, 30, Expect(body="rel-a"))
    assert not found[0] and "does not hold 'rel-a'" in found[1]


async def test_the_request_is_what_servers_expect() -> None:
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(response("200 OK"))

    async with serving(note) as port:
        assert (await probe(HealthKind.HTTP, f"http://127.0.0.1:{port}/a/b?c=d&e", None, 3))[0]
    lines = asked[0].decode().split("\r\n")
    assert lines[0] == "GET /a/b?c=d&e HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in lines and "Connection: close" in lines


async def test_an_answer_that_never_comes_is_bad_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        found = await probe(HealthKind.HTTP, f"http://127.0.0.1:{port}/", None, 0.2)
    assert found == (False, "no answer within 0.2s")


async def test_an_endless_head_is_given_up() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serving(endless) as port:
        good, why = await probe(HealthKind.HTTP, f"http://127.0.0.1:{port}/", None, 5)
    assert not good and why.startswith("the answer is not HTTP")


async def test_ports() -> None:
    async with serving(saying(b"")) as port:
        good, why = await probe(HealthKind.TCP, f"127.0.0.1:{port}", None, 3)
        assert good and why == f"127.0.0.1:{port} accepts connections"
    closed = free_port()
    for kind, target in (
        (HealthKind.TCP, f"127.0.0.1:{closed}"),
        (HealthKind.HTTP, f"http://127.0.0.1:{closed}/"),
    ):
        good, why = await probe(kind, target, None, 3)
        assert not good and f"127.0.0.1:{closed}: " in why and "refused" in why


@pytest.mark.parametrize(
    ("greeting", "saw"), [(b"220 mail\r\n", "and says: 220 mail"), (b"", "and closes them")]
)
async def test_a_port_that_greets_is_told(greeting: bytes, saw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    monkeypatch.setattr(health, "_GREETING", 20)
    async with serving(greet) as port:
        found = await probe(HealthKind.TCP, f"127.0.0.1:{port}", None, 30)
    assert found == (True, f"127.0.0.1:{port} accepts connections {saw}")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    make += ["-subj", "/CN=shop.example", "-days", "2", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(make, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


async def test_tls_on_the_host_itself_needs_no_name(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serving(saying(response("503 Oops", b"secure")), context) as port:
        found = await probe(HealthKind.HTTP, f"https://localhost:{port}/", None, 3)
        assert found == (False, "HTTP 503: secure")


async def test_tls_elsewhere_is_verified(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setattr("headway.drivers.health._LOOPBACK", ("none",))
    async with serving(saying(response("200 OK")), context) as port:
        good, why = await probe(HealthKind.HTTP, f"https://127.0.0.1:{port}/", None, 3)
    assert not good and why.startswith("TLS: ") and "self" in why


async def test_tls_to_a_server_without_it_is_said() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(response("400 Bad Request"))

    async with serving(plain) as port:
        good, why = await probe(HealthKind.HTTP, f"https://localhost:{port}/", None, 3)
    assert not good and why.startswith("TLS: ")


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (HealthKind.HTTP, "localhost:8080/health"),
        (HealthKind.HTTP, "ftp://localhost/"),
        (HealthKind.HTTP, "http://localhost:port/"),
        (HealthKind.TCP, "localhost"),
        (HealthKind.TCP, "localhost:99999"),
        (HealthKind.COMMAND, "true"),
    ],
)
async def test_a_target_that_makes_no_sense_is_wrong_use(kind: HealthKind, target: str) -> None:
    with pytest.raises(WrongUse):
        await probe(kind, target, None, 1)


@pytest.fixture
async def session(sshd: Sshd) -> AsyncIterator[HostSession]:
    async with Connections(sshd.settings()) as connections:
        yield await connections.session(sshd.host())


@needs_sshd
class TestThroughTheHost:
    async def test_http(self, session: HostSession) -> None:
        async with serving(saying(response("503 Oops", b"draining"))) as port:
            found = await probe(HealthKind.HTTP, f"http://localhost:{port}/", session, 5)
        assert found == (False, "HTTP 503: draining")

    async def test_https(self, session: HostSession, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        async with serving(saying(response("200 OK")), context) as port:
            found = await probe(HealthKind.HTTP, f"https://127.0.0.1:{port}/", session, 5)
        assert found == (True, "HTTP 200")

    async def test_tcp(self, session: HostSession) -> None:
        async with serving(saying(b"")) as port:
            assert (await probe(HealthKind.TCP, f"127.0.0.1:{port}", session, 5))[0]
        good, why = await probe(HealthKind.TCP, f"127.0.0.1:{free_port()}", session, 5)
        assert not good and "refused" in why

    async def test_a_host_that_forbids_forwarding_is_said(self, sshd: Sshd, session: HostSession) -> None:
        keys = sshd.folder / "authorized_keys"
        keys.write_text(f"no-port-forwarding {keys.read_text()}")
        async with Connections(sshd.settings()) as connections:
            closed = await connections.session(sshd.host())
            good, why = await probe(HealthKind.TCP, "127.0.0.1:1", closed, 5)
        assert not good and "allowtcpforwarding" in why.lower()

    @pytest.mark.parametrize(
        ("script", "good", "why"),
        [
            ("true", True, "exit 0"),
            ("echo fine; echo quite", True, "exit 0: quite"),
            ("echo first; echo cannot connect >&2; exit 3", False, "exit 3: cannot connect"),
            ("sleep 20", False, "no answer within 0.4s"),
        ],
    )
    async def test_commands(self, session: HostSession, script: str, good: bool, why: str) -> None:
        assert await probe(HealthKind.COMMAND, script, session, 0.4) == (good, why)
        assert (await session.call("echo on", timeout=60)).text == "on\n"


class _Says:
    """A host whose command prints this."""

    def __init__(self, output: bytes) -> None:
        self.output = output

    async def open_tcp(self, host: str, port: int) -> tuple[health.Reader, health.Writer]:
        raise NotImplementedError

    async def call(self, script: str, *, timeout: float, limit: int = 0) -> Reply:
        return Reply(1, self.output)


@pytest.mark.parametrize("before", [0, 84, 100, 115, 119, 470, 8185])
async def test_no_part_of_a_secret_is_told_of_an_answer_wherever_it_is_cut(before: int) -> None:
    value = "kJ8vQ2mX7pL4wZ9tR3nB6yF1sD5gH0cA"
    secrets, said = (Secret("TOKEN", value),), f"{'0' * before}{value} tail".encode()
    told = [await probe(HealthKind.COMMAND, "x", _Says(said), 3, secrets=secrets)]
    answers = [
        response("500 Oops", said),
        b"HTTP/1.1 500 Oops\r\n\r\n" + said,
        b"HTTP/1.1 500 Oops\r\nContent-Length: 100000\r\n\r\n" + said[: before + 30],
        said,
        response("200 OK", more=f"X-Release: {said.decode()}\r\n"),
    ]
    for answer in answers:
        async with serving(saying(answer)) as port:
            expect = Expect(header=(("x-release", "other"),)) if answer is answers[-1] else Expect()
            told.append(
                await probe(HealthKind.HTTP, f"http://127.0.0.1:{port}/", None, 3, expect, secrets=secrets)
            )
            told.append(await probe(HealthKind.TCP, f"127.0.0.1:{port}", None, 3, secrets=secrets))
    for _, line in told:
        assert not any(value[at : at + 4] in line for at in range(len(value) - 3)), line
