"""What every call passes: bounds of bodies, all faults at once, idempotency keys, ETags."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from headway.api import door
from headway.api.asgi import NoRoom, Room
from headway.base.clock import to_milliseconds
from headway.domain.people import Role, Scope
from headway.engine.access import idempotency
from headway.engine.access.idempotency import Calls, CallUnderWay, Claim
from headway.store.counters import next_number
from headway.store.database import GUARD
from tests.support.called_api import CalledApi, message_of


def call(**more: object) -> dict[str, object]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/people",
        "query_string": b"",
        "headers": [],
        "server": ("/s", None),
        **more,
    }


async def test_a_body_that_is_too_large_is_not_read(api: CalledApi) -> None:
    answer = await api.owner.client.post("/api/people", content=b" " * (1 << 20) + b"{}")
    assert answer.status_code == 413
    assert answer.json()["detail"] == "the body is larger than 1 MiB, the most that is taken here"


async def test_a_body_that_never_ends_is_given_up(api: CalledApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_WITHIN", 0.02)
    said: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        said.append(message)

    await api.app(call(), receive, send)  # type: ignore[arg-type]
    assert said[0]["status"] == 408


async def test_whoever_goes_away_is_not_answered(api: CalledApi) -> None:
    assert await message_of(api.app, call(), {"type": "http.disconnect"}) == []


async def test_strangers_bodies_are_not_read(api: CalledApi) -> None:
    [begin, _] = await message_of(api.app, call(server=("h", 80), path="/api/releases"))
    assert begin["status"] == 401


@pytest.mark.parametrize(
    ("role", "scope", "path", "told"),
    [
        (Role.VIEWER, Scope.RELEASE, "/api/releases", None),
        (Role.DEVELOPER, Scope.READ, "/api/releases", "release"),
        (Role.DEVELOPER, Scope.READ, "/api/services/shop/tries", "run"),
    ],
)
async def test_no_large_body_is_taken_of_who_may_not_send_it(
    api: CalledApi, role: Role, scope: Scope, path: str, told: str | None
) -> None:
    caller = await api.caller(role, scope)
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"x"

    answer = await caller.client.post(path, content=body())
    assert (answer.status_code, answer.json().get("scope"), read) == (403, told, [])


async def test_all_faults_are_told_at_once(api: CalledApi) -> None:
    answer = await api.owner.post("/api/people", {"handle": 3, "role": "king", "shoe": 44})
    assert answer.status_code == 400
    assert answer.json()["faults"] == [
        "shoe: there is no such field",
        "handle: expected `str`, got `int`",
        "role: invalid enum value 'king'",
    ]
    assert (await api.owner.get("/api/runs?limit=0&state=bored")).json()["faults"] == [
        "state: Invalid enum value 'bored'",
        "limit: Expected `int` >= 1",
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'"ana"'])
async def test_a_body_that_is_no_object_is_refused(api: CalledApi, body: bytes) -> None:
    answer = await api.owner.client.post("/api/people", content=body)
    assert answer.status_code == 400
    assert "body" in answer.json()["detail"]


async def test_unknown_addresses_and_methods_are_problems(api: CalledApi) -> None:
    assert (await api.owner.get("/api/nothing")).json()["status"] == 404
    assert (await api.owner.delete("/api/runs")).json()["status"] == 405


async def test_the_same_key_is_the_same_call(api: CalledApi) -> None:
    caller, key = await api.caller(), {"Idempotency-Key": "one"}
    first = await caller.post("/api/people", {"handle": "ana"}, headers=key)
    again = await caller.post("/api/people", {"handle": "ana"}, headers=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await caller.post("/api/people", {"handle": "bo"}, headers=key)
    assert other.status_code == 422
    # Somebody else's key of the same name is another one.
    operator = await api.caller(Role.OPERATOR)
    assert (await operator.post("/api/people", {"handle": "ana"}, headers=key)).status_code == 403


async def test_what_was_refused_may_be_mended_with_the_same_key(api: CalledApi) -> None:
    key = {"Idempotency-Key": "one"}
    assert (await api.owner.post("/api/people", {"handle": "UPPER"}, headers=key)).status_code == 400
    assert (await api.owner.post("/api/people", {"handle": "lower"}, headers=key)).status_code == 201


async def test_what_is_shown_once_is_kept_encrypted(api: CalledApi) -> None:
    caller, key = await api.caller(), {"Idempotency-Key": "token"}
    body = {"name": "ci", "scopes": ["run"]}
    first = (await caller.post("/api/tokens", body, headers=key)).json()["text"]
    assert (await caller.post("/api/tokens", body, headers=key)).json()["text"] == first
    rows = api.database.read(lambda tx: tx.all("SELECT * FROM idempotency"))
    assert len(rows) == 1
    assert first not in str(rows)


async def test_a_call_that_is_under_way_is_not_begun_again(api: CalledApi) -> None:
    calls, now = Calls(api.database, api.server.vault), api.server.now()
    caller = await api.caller()
    actor = await api.server.people.actor_of_token(caller.client.headers["authorization"].split()[1])
    assert actor is not None
    body = b'{"handle":"ana"}'
    import hashlib

    mark = calls.fingerprint(b"/api/people", b"", hashlib.sha256(body).digest())
    assert isinstance(await calls.begin(calls.key_of(actor, "k"), mark, now), Claim)

    async def send() -> int:
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
        return (await caller.client.post("/api/people", content=body, headers=headers)).status_code

    assert await send() == 503
    # Whoever worked on it died: its lease is over, and the call is carried out.
    api.database.transact(lambda tx: tx.execute("UPDATE idempotency SET lease_until = 0"))
    assert await send() == 201
    assert await send() == 201
    assert await calls.sweep(now + timedelta(hours=25)) == 1


async def test_a_call_that_takes_longer_than_its_lease_keeps_it(
    api: CalledApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "LEASE", timedelta(seconds=0.3))
    calls = Calls(api.database, api.server.vault)
    began = api.server.now()
    claim = await calls.begin("k", "f", began)
    assert isinstance(claim, Claim)
    renewing = asyncio.create_task(claim.renew(api.server.tools.clock))
    try:
        async with asyncio.timeout(30):
            while True:
                [row] = api.database.read(lambda tx: tx.all("SELECT lease_until FROM idempotency"))
                if row["lease_until"] > to_milliseconds(began + timedelta(seconds=0.6)):
                    break
                await asyncio.sleep(0.02)
        monkeypatch.setattr(idempotency, "LEASE", timedelta(seconds=30))
        with pytest.raises(CallUnderWay, match="still worked on"):
            await calls.begin("k", "f", began + timedelta(seconds=0.5))
    finally:
        renewing.cancel()


async def test_who_slept_past_its_lease_changes_nothing_more(api: CalledApi) -> None:
    calls, now = Calls(api.database, api.server.vault), api.server.now()
    slept = await calls.begin("k", "f", now)
    other = await calls.begin("k", "f", now + timedelta(seconds=31))
    assert isinstance(slept, Claim) and isinstance(other, Claim)

    async def change(claim: Claim, name: str) -> None:
        before = GUARD.set(claim.guard)
        try:
            await api.database.perform(lambda tx: next_number(tx, "", name))
            await asyncio.to_thread(api.database.transact, lambda tx: next_number(tx, "", name))
        finally:
            GUARD.reset(before)

    with pytest.raises(CallUnderWay, match="another one with its key"):
        await change(slept, "lost")
    await change(other, "kept")
    counters = api.database.read(
        lambda tx: tx.all("SELECT noun, next_number FROM counters WHERE service = ''")
    )
    assert {row["noun"]: row["next_number"] for row in counters if row["noun"] in ("lost", "kept")} == {
        "kept": 3
    }
    await slept.end(idempotency.Answer(201, "text/plain", b"slept"))
    await other.end(idempotency.Answer(201, "text/plain", b"other"))
    found = await calls.begin("k", "f", now)
    assert isinstance(found, idempotency.Answer) and found.body == b"other"


async def test_a_lease_that_a_clock_ahead_gave_is_not_waited_for(api: CalledApi) -> None:
    calls, now = Calls(api.database, api.server.vault), api.server.now()
    await calls.begin("k", "f", now + timedelta(days=300))
    assert isinstance(await calls.begin("k", "f", now), Claim)


async def test_an_unchanged_document_costs_no_body(api: CalledApi) -> None:
    first = await api.owner.get("/api/runs")
    again = await api.owner.get("/api/runs", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await api.owner.post("/api/people", {"handle": "ana"})
    people = await api.owner.get("/api/people")
    assert people.headers["etag"] != first.headers["etag"]


async def test_a_key_that_is_no_key_is_refused(api: CalledApi) -> None:
    caller = await api.caller(Role.ADMINISTRATOR, Scope.ADMIN)
    answer = await caller.post("/api/people", {"handle": "ana"}, headers={"Idempotency-Key": "a b"})
    assert answer.status_code == 400


async def test_uploads_at_a_time_are_bounded_for_each_person_and_in_all(
    api: CalledApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may fill gigabytes of the disk before anybody can say what it is."""
    monkeypatch.setattr(door, "MOST_UPLOADS_OF_ONE", 1)
    app = door.Door(api.server, api.app._inside)  # type: ignore[attr-defined]
    said: list[dict[str, object]] = []
    entered, release = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, object]:
        entered.set()
        await release.wait()
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        said.append(message)

    first = asyncio.create_task(app(call(path="/api/releases"), receive, lambda _: asyncio.sleep(0)))  # type: ignore[arg-type]
    await entered.wait()
    await app(call(path="/api/releases"), receive, send)  # type: ignore[arg-type]
    assert said[0]["status"] == 503
    assert b"1 of yours" in said[1]["body"]  # type: ignore[operator]
    release.set()
    await first
    said.clear()
    await app(call(path="/api/releases"), receive, send)  # type: ignore[arg-type]
    assert said[0]["status"] != 503


def test_one_cannot_take_all_room() -> None:
    room = Room(most=3, most_of_one=2)
    with room.take(2, "vera"):
        with pytest.raises(NoRoom), room.take(1, "vera"):
            pass
        with room.take(1, "ada"), pytest.raises(NoRoom), room.take(1, "grace"):
            pass
    with room.take(2, "grace"):
        pass
