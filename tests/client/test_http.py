"""The client: a line that breaks loses and doubles nothing, errors keep their exit codes, tokens travel safely."""

import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.base.errors import Errored, Failed, Held, WrongUse
from headway.client.errors import (
    AddressUnsafe,
    AnswerNotUnderstood,
    ServerRefused,
    ServerUnreachable,
    SocketNotOurs,
    error_of,
)
from headway.client.http import HeadwayClient, require_ours, safe_address
from tests.support.breaking_line import BreakingLine
from tests.support.running_server import Pusher, RunningServer, running_server

LINES = 20_000
WHOLE = b"".join(f"line {number}\n".encode() for number in range(1, LINES + 1))
CONTRACT = f"""
[jobs.long]
run = "i=1; while [ $i -le {LINES} ]; do echo line $i; i=$((i+1)); done"
"""
SLOW = """
[jobs.slow]
run = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.25; done"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("server")) as found:
        found.add_repository("shop")
        yield found


@pytest.fixture(scope="module")
def pusher(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Pusher:
    return Pusher(tmp_path_factory.mktemp("work") / "shop", server)


@pytest.fixture(scope="module")
def token(server: RunningServer) -> str:
    return server.token()


def job_of(client: HeadwayClient, run: str) -> str:
    return str(client.get(f"/api/runs/{run}")["jobs"][0]["id"])


def run_once(server: RunningServer, pusher: Pusher) -> dict[str, Any]:
    """The newest run, of this contract if there was none."""
    if not server.runs():
        pusher.say(CONTRACT)
    return server.wait_for_runs(1)[-1]


@pytest.mark.slow
def test_a_log_over_a_line_that_breaks_every_few_kilobytes(
    server: RunningServer, pusher: Pusher, token: str
) -> None:
    found = run_once(server, pusher)
    chance = random.Random(7)
    with (
        BreakingLine(server.port, lambda number: chance.randrange(300, 30_000)) as line,
        HeadwayClient.at(line.url, token) as client,
        HeadwayClient.at(server.url, token) as direct,
    ):
        job = job_of(direct, found["id"])
        assert b"".join(client.follow_log(job)) == WHOLE
        assert line.connections > 5
        assert b"".join(client.follow_log(job, offset=len(WHOLE) - 12)) == WHOLE[-12:]


@pytest.mark.slow
def test_a_log_goes_on_when_the_server_is_started_anew(
    server: RunningServer, pusher: Pusher, token: str
) -> None:
    before = len(server.runs())
    pusher.say(SLOW)
    while len(server.runs()) == before:
        pass
    run = server.runs()[-1]["id"]
    got: list[bytes] = []
    with HeadwayClient.at(server.url, token) as client:
        job = job_of(client, run)
        reading = threading.Thread(target=lambda: got.extend(client.follow_log(job)))
        reading.start()
        while not got:
            pass
        assert server.stop() == 0
        server.start()
        reading.join(30)
        assert not reading.is_alive()
    assert b"".join(got) == b"1\n2\n3\n4\n5\n6\n7\n8\n"


def test_a_call_whose_answer_is_lost_is_done_once(server: RunningServer, pusher: Pusher, token: str) -> None:
    run_once(server, pusher)
    before = len(server.runs())
    # The first answer is cut off before its first byte.
    with (
        BreakingLine(server.port, lambda number: 0 if number == 1 else None) as line,
        HeadwayClient.at(line.url, token) as client,
    ):
        made = client.post("/api/services/shop/runs", {})
    assert line.connections >= 2
    assert [run["id"] for run in server.runs()[before:]] == [made["id"]]


def test_what_is_unchanged_is_not_sent_again(server: RunningServer, pusher: Pusher, token: str) -> None:
    run_once(server, pusher)
    with HeadwayClient.at(server.url, token) as client:
        statuses: list[int] = []
        client._http.event_hooks["response"].append(lambda answer: statuses.append(answer.status_code))
        assert client.get("/api/people") == client.get("/api/people")
        assert statuses == [200, 304]
        assert len(client.pages("/api/runs", most=1)) == 1


def test_who_is_nobody_learns_how_to_become_somebody(server: RunningServer) -> None:
    with (
        HeadwayClient.at(server.url, "hw_wrong") as client,
        pytest.raises(ServerRefused) as refused,
    ):
        client.get("/api/runs")
    assert refused.value.status == 401
    assert "headway token create" in (refused.value.hint or "")


@pytest.mark.slow
def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        HeadwayClient.at(f"http://127.0.0.1:{port}", None) as client,
        pytest.raises(ServerUnreachable, match="is not reached") as unreachable,
    ):
        client.get("/api/runs")
    assert unreachable.value.exit_code == 3


class _Away:
    """Time that passes by sleeping, and a server that answers from its n-th call on."""

    def __init__(self, back_at_call: int, monkeypatch: pytest.MonkeyPatch, answer: int | None = None) -> None:
        self.calls, self.now, self._back, self._answer = 0, 0.0, back_at_call, answer
        self.keys: set[str] = set()
        monkeypatch.setattr("headway.client.http.time.sleep", self._sleep)
        self.client = HeadwayClient(
            httpx.Client(transport=httpx.MockTransport(self._asked), base_url="http://x"), "x"
        )
        self.client._clock = self  # type: ignore[assignment]

    def monotonic(self) -> float:
        return self.now

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _asked(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        self.keys.add(request.headers.get("idempotency-key", ""))
        if self.calls >= self._back:
            return httpx.Response(200, json={"state": "running"})
        if self._answer is not None:
            return httpx.Response(self._answer)
        raise httpx.ConnectError("Connection refused")


@pytest.mark.parametrize("answer", [None, 502, 503])
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_watches_waits_for_a_server_that_is_started_anew(
    monkeypatch: pytest.MonkeyPatch, answer: int | None, method: str
) -> None:
    away, said = _Away(25, monkeypatch, answer), list[str]()
    with away.client.watching("run 14 goes on", said.append):
        assert getattr(away.client, method)("/api/runs/14") == {"state": "running"}
    assert said == ["the server x is away; waiting for it"]
    assert 30 < away.now < 60
    assert len(away.keys) == 1


def test_what_watches_gives_up_after_a_minute_and_says_what_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    away = _Away(10**6, monkeypatch)
    with (
        away.client.watching("run 14 goes on; headway logs 14 --follow looks on", lambda _: None),
        pytest.raises(ServerUnreachable) as gone,
    ):
        away.client.get("/api/runs/14")
    assert gone.value.hint == "run 14 goes on; headway logs 14 --follow looks on"
    assert 60 <= away.now < 70
    # What watches nothing does not keep anybody waiting.
    away.now = 0
    with pytest.raises(ServerUnreachable, match="is not reached"):
        away.client.get("/api/runs")
    assert away.now < 5


def test_something_else_there() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(404, text="<h1>nginx</h1>"))
    client = HeadwayClient(httpx.Client(transport=transport, base_url="http://x"), "x")
    with pytest.raises(AnswerNotUnderstood):
        client.get("/api/runs")


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (400, {"exit_code": 2}, WrongUse),
        (403, {"scope": "run"}, WrongUse),
        (409, {"exit_code": 4}, Held),
        (409, {"exit_code": 1}, Failed),
        (409, {}, WrongUse),
        (423, {}, Held),
        (503, {"exit_code": 3}, Errored),
        (502, {}, Errored),
    ],
)
def test_errors_have_the_exit_codes_that_they_would_have_here(
    status: int, document: dict[str, object], kind: type[Exception]
) -> None:
    error = error_of(status, {"detail": "why", **document})
    assert isinstance(error, kind)
    assert error.message == "why"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("headway.example.org", "https://headway.example.org"),
        ("https://headway.example.org/", "https://headway.example.org"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost:8080", "http://localhost:8080"),
        # On this machine a server speaks http.
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("https://127.0.0.1:8080", "https://127.0.0.1:8080"),
    ],
)
def test_addresses(text: str, url: str) -> None:
    assert safe_address(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "http://headway.example.org",
        "http://10.0.0.1",
        "ftp://x",
        "https://",
        "[::1",
        "http://localhost:http",
        "127.0.0.1:99999",
        "https://ana:secret@headway.example.org",
        "http://127.0.0.1.example.org",
    ],
)
def test_addresses_over_which_no_token_travels(text: str) -> None:
    with pytest.raises(AddressUnsafe):
        safe_address(text)


@pytest.mark.slow
def test_an_address_with_https_that_speaks_none_names_the_one_that_works() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as plain:
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{plain.server_port}"
        with (
            HeadwayClient.at(f"https://{address}", None) as client,
            pytest.raises(ServerUnreachable) as error,
        ):
            client.get("/api/me")
        plain.shutdown()
    assert (
        error.value.message
        == f"the server https://{address} is not reached: what answers there speaks no TLS"
    )
    assert f"HEADWAY_SERVER=http://{address}" in (error.value.hint or "")


def test_only_our_own_socket_is_spoken_to(tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachable):
        require_ours(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(SocketNotOurs):
        require_ours(tmp_path / "file")
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        require_ours(path)
        (tmp_path / "link").symlink_to(path)
        with pytest.raises(SocketNotOurs):
            require_ours(tmp_path / "link")
        if os.geteuid() == 0:
            os.chown(path, 1, 1)
            with pytest.raises(SocketNotOurs):
                require_ours(path)


def test_nothing_that_speaks_to_servers_is_imported_without_one(tmp_path: Path) -> None:
    """`headway --help` and `headway status` here must not wait for it."""
    check = (
        "import sys; from headway.cli.root import run_command_line as run; from headway.main.settings import read_settings;"
        f"run(['--help'], lambda: read_settings({{'HEADWAY_DATA': {str(tmp_path)!r}, 'HOME': '/'}}));"
        f"run(['logs'], lambda: read_settings({{'HEADWAY_DATA': {str(tmp_path)!r}, 'HOME': '/'}}));"
        "print([name for name in ('httpx', 'msgspec', 'litestar', 'headway.client.http') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_call_that_is_still_worked_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was killed over it is believed to be at work for its lease: longer than a line may be broken."""
    monkeypatch.setattr("headway.client.http.time.sleep", lambda _: None)
    keys: list[str] = []

    def asked(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) < 30:
            # What servers of before said, and what they say now.
            return httpx.Response(409 if len(keys) % 2 else 503, json={}, headers={"retry-after": "1"})
        return httpx.Response(200, json={"number": 7})

    client = HeadwayClient(httpx.Client(transport=httpx.MockTransport(asked), base_url="http://x"), "x")
    assert client.post("/api/services/shop/runs", {}) == {"number": 7}
    assert (len(keys), len(set(keys))) == (30, 1)
