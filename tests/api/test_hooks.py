"""Webhooks at the door: what proves itself is stored before it is answered, all else is told what is wrong with it."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.api import hooks as door
from headway.api.hooks import Hooks
from headway.domain.intake import ForgeKind
from headway.store.errors import DatabaseUnavailable
from tests.support.databases import fresh_sqlite_url
from tests.support.serving import ADA, Serving, contract


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with fresh_sqlite_url() as url:
        serving = Serving(tmp_path, url)
        yield serving
        serving.close()


class Forge:
    """A forge of this kind that knows the webhook's address and secret."""

    def __init__(self, serving: Serving, kind: ForgeKind, repository: str, secret: str) -> None:
        self.kind, self.secret, self.address = kind, secret, f"/hooks/{repository}"
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=Hooks(serving.server)),  # type: ignore[arg-type]
            base_url="http://headway.test",
        )

    async def post(
        self, body: bytes, headers: dict[str, str], *, address: str | None = None
    ) -> httpx.Response:
        return await self._client.post(address or self.address, content=body, headers=headers)

    def signed(self, body: bytes, event: str, delivery: str, secret: str | None = None) -> dict[str, str]:
        secret = secret or self.secret
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        match self.kind:
            case ForgeKind.GITHUB:
                return {
                    "x-github-event": event,
                    "x-github-delivery": delivery,
                    "x-hub-signature-256": f"sha256={digest}",
                    "content-type": "application/json",
                }
            case ForgeKind.GITLAB:
                return {
                    "x-gitlab-event": f"{event.title()} Hook",
                    "x-gitlab-token": secret,
                    "x-gitlab-event-uuid": delivery,
                }
            case _:
                return {"x-gitea-event": event, "x-gitea-delivery": delivery, "x-gitea-signature": digest}


def push_body(kind: ForgeKind, before: str, after: str) -> bytes:
    body: dict[str, Any] = {"ref": "refs/heads/main", "before": before, "after": after}
    if kind is ForgeKind.GITLAB:
        body |= {
            "object_kind": "push",
            "checkout_sha": after,
            "user_username": "grace",
            "project": {
                "path_with_namespace": "team/shop",
                "git_http_url": "https://gitlab.test/team/shop.git",
            },
            "commits": [],
            "total_commits_count": 1,
        }
    else:
        body |= {
            "repository": {"full_name": "team/shop", "clone_url": "https://forge.test/team/shop.git"},
            "pusher": {"name": "grace", "login": "grace", "username": "grace"},
            "sender": {"login": "grace"},
            "commits": [],
        }
    return json.dumps(body).encode()


async def connected(serving: Serving, kind: ForgeKind) -> tuple[Forge, str]:
    sha = serving.working().commit(contract())
    url = str(serving.working().folder)
    added = await serving.server.repositories.add(ADA, name="shop", url=url, forge=kind)
    return Forge(serving, kind, added.repository.id, added.hook_secret), sha


ZEROS = "0" * 40


@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA])
async def test_a_signed_push_is_accepted_once_and_becomes_a_run(serving: Serving, kind: ForgeKind) -> None:
    forge, sha = await connected(serving, kind)
    body = push_body(kind, ZEROS, sha)
    first = await forge.post(body, forge.signed(body, "push", "d1"))
    again = await forge.post(body, forge.signed(body, "push", "d1"))
    assert (first.status_code, first.json()["accepted"]) == (202, 1), first.text
    assert (again.status_code, again.json()["known"]) == (202, 1)
    await serving.take_in()
    [run] = serving.runs()
    assert (run.commit, run.requested_by) == (sha, "grace")


@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA])
async def test_a_wrong_signature_is_refused_and_nothing_is_stored(serving: Serving, kind: ForgeKind) -> None:
    forge, sha = await connected(serving, kind)
    body = push_body(kind, ZEROS, sha)
    refused = await forge.post(body, forge.signed(body, "push", "d1", "not the secret"))
    unsigned = await forge.post(body, {"x-github-event": "push", "x-gitea-event": "push"})
    assert (refused.status_code, unsigned.status_code) == (401, 401)
    assert refused.headers["content-type"] == "application/problem+json"
    assert serving.database.read(lambda tx: tx.all("SELECT * FROM arrivals")) == []


async def test_what_is_no_webhook_is_told_so(serving: Serving) -> None:
    forge, _ = await connected(serving, ForgeKind.GITHUB)
    for body in (b"", b"{", b"[]", b'{"ref": 3}', b"\xff\xfe", b'{"ref": "refs/heads/../x", "after": "zz"}'):
        answer = await forge.post(body, forge.signed(body, "push", "d"))
        assert answer.status_code == 400, (body, answer.text)
        assert answer.json()["status"] == 400
    ping = await forge.post(b'{"zen": "x"}', forge.signed(b'{"zen": "x"}', "ping", "d2"))
    assert ping.status_code == 202


async def test_an_unknown_repository_is_not_there(serving: Serving) -> None:
    forge, _ = await connected(serving, ForgeKind.GITHUB)
    for address in ("/hooks/repo-none", "/hooks/", "/hooks/../api"):
        answer = await forge.post(b"{}", forge.signed(b"{}", "push", "d"), address=address)
        assert answer.status_code == 404


async def test_a_huge_body_is_refused_before_it_is_read(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_BYTES", 1000)
    forge, _ = await connected(serving, ForgeKind.GITHUB)
    body = b"x" * 1001
    assert (await forge.post(body, forge.signed(body, "push", "d"))).status_code == 413

    async def chunks():  # type: ignore[no-untyped-def]
        for _ in range(100):
            yield b"x" * 100

    answer = await forge._client.post(forge.address, content=chunks(), headers={"x-github-event": "push"})
    assert answer.status_code == 413


async def test_a_body_that_does_not_end_is_given_up(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "WITHIN", 0.05)
    forge, _ = await connected(serving, ForgeKind.GITHUB)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            await asyncio.sleep(0)
        await asyncio.sleep(60)
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": forge.address, "headers": []}
    await asyncio.wait_for(Hooks(serving.server)(scope, receive, send), 60)
    assert sent[0]["status"] == 408


async def test_a_database_that_is_away_has_the_forge_send_again(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge, sha = await connected(serving, ForgeKind.GITHUB)
    body = push_body(ForgeKind.GITHUB, ZEROS, sha)
    await forge.post(b"{}", forge.signed(b"{}", "ping", "d0"))

    async def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("the database does not answer")

    monkeypatch.setattr(serving.database, "perform", away)
    answer = await forge.post(body, forge.signed(body, "push", "d1"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    monkeypatch.undo()
    assert (await forge.post(body, forge.signed(body, "push", "d1"))).json()["accepted"] == 1


async def test_only_post_is_understood(serving: Serving) -> None:
    forge, _ = await connected(serving, ForgeKind.GITHUB)
    answer = await forge._client.get(forge.address)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_many_at_once_are_stored_each_once(serving: Serving) -> None:
    forge, _ = await connected(serving, ForgeKind.GITHUB)
    bodies = [push_body(ForgeKind.GITHUB, ZEROS, f"{number:040x}") for number in range(1, 201)]
    answers = await asyncio.gather(
        *(
            forge.post(body, forge.signed(body, "push", f"d{number % 100}"))
            for number, body in enumerate(bodies)
        )
    )
    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.json()["accepted"] for answer in answers) == 100
    rows = serving.database.read(lambda tx: tx.all("SELECT number FROM arrivals ORDER BY number"))
    assert [row["number"] for row in rows] == list(range(1, 101))


async def test_bodies_of_strangers_take_bounded_room_and_keep_no_common_webhook_out(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_LARGE_ROOM", (1_500_000, 1_000_000))
    forge, _ = await connected(serving, ForgeKind.GITHUB)
    body, go_on = push_body(ForgeKind.GITHUB, "a" * 40, "b" * 40), asyncio.Event()

    async def slow():  # type: ignore[no-untyped-def]
        yield b"x"
        await go_on.wait()
        yield b"x" * 599_999

    def large() -> "asyncio.Task[httpx.Response]":
        post = forge._client.post(forge.address, content=slow(), headers={"content-length": "600000"})
        return asyncio.create_task(post)

    first = large()
    while not forge._client._transport.app._large._taken:  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)
    second = await large()
    assert (second.status_code, second.headers["retry-after"]) == (503, "10")
    assert (await forge.post(body, forge.signed(body, "push", "d"))).status_code == 202
    go_on.set()
    assert (await first).status_code in (400, 401, 403)
    assert (await large()).status_code in (400, 401, 403)
