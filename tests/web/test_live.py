"""The stream of news that a browser holds, spoken to as a browser does."""

import asyncio

import pytest

from headway.domain.people import Actor, Role
from headway.engine.outgoing import hub
from headway.store.events import add_event
from headway.web import live
from headway.web.app import create_web
from tests.support.event_streams import Reader
from tests.support.pages import NOW, sign_in


@pytest.fixture
async def reader(server):
    """`reader(query, last_event_id=…)` opens a stream; all are closed in the end."""
    await server.hub.start()
    app, session = create_web(server), sign_in(server, "grace")
    readers = []

    async def read(query="", *, session=session, **more):
        one = Reader(app, query, session, **more)
        readers.append(one)
        await one.begun()
        return one

    yield read
    for one in readers:
        await one.close()


async def happen(server, kind="run.changed", subject="run-1", **data):
    await server.database.perform(
        lambda tx: add_event(tx, kind, service="shop", subject=subject, data=data, now=NOW)
    )
    await server.hub.round()


async def test_news_comes_with_its_place(server, reader):
    one = await reader()
    assert await one.next() == ("hello", "0", {})
    assert (await one.next())[0] == "beat"
    await happen(server, state="running")
    event, place, data = await one.next()
    assert (event, place) == ("news", "1")
    assert data == {
        "kind": "run.changed",
        "service": "shop",
        "subject": "run-1",
        "data": {"state": "running"},
    }
    assert one.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert one.headers["content-security-policy"]


async def test_whoever_comes_back_gets_what_they_missed(server, reader):
    for number in range(5):
        await happen(server, n=number)
    for query, header in (("after=2", None), ("after=0", "2")):
        one = await reader(query, last_event_id=header)
        heard = [await one.next() for _ in range(5)]
        assert [(event, place) for event, place, _ in heard if event == "news"] == [
            ("news", "3"),
            ("news", "4"),
            ("news", "5"),
        ]


async def test_a_place_that_is_not_kept_any_more_is_a_gap(server, reader):
    one = await reader("after=99999")
    assert (await one.next())[:2] == ("hello", "0")
    assert (await one.next())[0] == "gap"


async def test_growing_logs_are_told_to_those_who_look_at_them(server, reader):
    looks, does_not = await reader("logs=job-1,job-2"), await reader()
    for one in (looks, does_not):
        await one.next()
        await one.next()
    server.hub.sign("log.grew", service="", subject="job-1", data={"job": "job-1", "size": 7})
    await server.hub.round()
    await happen(server)
    event, place, data = await looks.next()
    assert (event, place, data["data"]["size"]) == ("news", None, 7)
    assert (await does_not.next())[2]["kind"] == "run.changed"


async def test_the_beat_says_when_the_loops_last_looked(server, reader):
    server.duties.add("runs", None, every=60).ended_at = NOW
    one = await reader()
    await one.next()
    _, _, beat = await one.next()
    assert beat == {"now": int(NOW.timestamp() * 1000), "checked_at": int(NOW.timestamp() * 1000), "late": []}


async def test_a_session_that_is_over_ends_the_stream(server, reader, monkeypatch):
    monkeypatch.setattr(live, "BEAT", 0.0)
    one = await reader()
    await one.next()
    await one.next()
    await server.people.sign_out(one.session, Actor("grace", Role.ADMINISTRATOR))
    heard = [event async for event, _, _ in one]
    assert heard[-1] == "end"
    assert server.hub.readers == 0


async def test_whoever_is_not_signed_in_is_told_not_to_come_back(reader):
    one = await reader(session="")
    assert one.status == 204


async def test_a_browser_that_does_not_read_is_let_go(server, reader, monkeypatch):
    monkeypatch.setattr(live, "SLOWEST", 0.01)
    one = await reader()
    await one.next()
    await one.next()
    one.stall()
    await happen(server)
    await asyncio.wait_for(one.ended(), 60)
    assert server.hub.readers == 0


async def test_a_browser_that_leaves_is_forgotten(server, reader):
    one = await reader()
    assert server.hub.readers == 1
    await one.close()
    assert server.hub.readers == 0


async def test_streams_are_bounded(server, reader, monkeypatch):
    monkeypatch.setattr(hub, "MOST_READERS", 1)
    await reader()
    assert (await reader()).status == 503


async def test_data_never_breaks_out_of_its_line(server, reader):
    one = await reader()
    await one.next()
    await one.next()
    evil = "a\n\nevent: end\ndata: {}\r\n\u2028"
    await happen(server, text=evil)
    assert (await one.next())[2]["data"]["text"] == evil
