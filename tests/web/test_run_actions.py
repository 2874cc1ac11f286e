"""Buttons of the run page: each says what it will do, does it by a form, and only for those who may."""

import re

import pytest

from headway.domain.people import Role
from headway.domain.states import State
from headway.engine.runs.news import RunNews
from headway.store import runs
from tests.support.pages import browsing, sign_in
from tests.support.stored_runs import StoredJob, failed_run, store_run


@pytest.fixture
def server(server):
    server.observer = RunNews()
    server.cancelled = []
    server.runs.cancel = lambda run, reason: server.cancelled.append((run, reason))
    return server


def stored(server, run):
    return server.database.read(lambda tx: runs.run_by_id(tx, run.id))


async def test_cancel_says_which_jobs_end_and_ends_them(server, browser):
    jobs = [
        StoredJob("test (1)", State.RUNNING),
        StoredJob("lint", State.RUNNING),
        StoredJob("build", State.QUEUED),
    ]
    run = store_run(server, 1, jobs, state=State.RUNNING)
    sheet = await browser.get("/services/shop/runs/1/cancel")
    assert "&#39;test (1)&#39; and &#39;lint&#39; are ended at once" in sheet
    assert "1 more that waits will not begin" in sheet
    assert stored(server, run).state is State.RUNNING, "nothing acts on a GET"
    answer = await browser.send("/services/shop/runs/1/cancel", page="/services/shop/runs/1/cancel")
    assert answer.status_code == 303
    assert "is being stopped" in await browser.get(answer.headers["location"])
    assert server.cancelled == [("run-shop1", "cancelled by ada")]
    # Asked for already: the button is gone, and the page says so.
    page = await browser.get("/services/shop/runs/1")
    assert "It is being stopped" in page
    assert "runs/1/cancel" not in page


async def test_a_held_run_is_approved_with_a_comment(server, browser):
    run = store_run(
        server,
        1,
        [StoredJob("test", State.QUEUED)],
        state=State.QUEUED,
        held_for="it comes from a fork",
        fork=True,
    )
    answer = await browser.send(
        "/services/shop/runs/1/approve", page="/services/shop/runs/1/approve", comment="read it"
    )
    assert answer.status_code == 303
    fresh = stored(server, run)
    assert (fresh.is_held, fresh.trigger.approved_by) == (False, "ada")


async def test_rerun_says_what_runs_again(server, browser):
    store_run(server, 1, failed_run(), state=State.FAILED, parameters={"region": "eu"})
    some = await browser.get("/services/shop/runs/1/rerun?only=failed")
    assert "&#39;test (python=3.11)&#39; and &#39;test (python=3.12)&#39;, with what they need" in some
    assert "region = eu" in some
    everything = await browser.get("/services/shop/runs/1/rerun")
    assert "all 5 jobs" in everything
    keys = [re.search(r'name="key" value="([^"]+)"', page)[1] for page in (some, everything)]
    assert keys[0] != keys[1], "each page asks for one run, however often its form is sent"


async def test_a_form_without_its_word_or_from_elsewhere_does_nothing(server, browser):
    run = store_run(server, 1, [StoredJob("test", State.RUNNING)], state=State.RUNNING)
    answer = await browser.client.post("/services/shop/runs/1/cancel", data={})
    assert answer.status_code == 403
    assert server.cancelled == []
    assert stored(server, run).state is State.RUNNING


async def test_a_viewer_sees_no_buttons_and_may_do_nothing(server):
    run = store_run(server, 1, failed_run(), state=State.FAILED)
    store_run(server, 2, [StoredJob("test", State.RUNNING)], state=State.RUNNING)
    async with browsing(server, sign_in(server, "vic", Role.VIEWER)) as browser:
        for number in (1, 2):
            page = await browser.get(f"/services/shop/runs/{number}")
            assert 'class="button first"' not in page
            assert f"runs/{number}/cancel" not in page
        await browser.get("/services/shop/runs/2/cancel", 403)
        answer = await browser.send("/services/shop/runs/2/cancel", page="/services/shop/runs/1")
        assert answer.status_code == 403
        assert server.cancelled == []
    assert stored(server, run).state is State.FAILED
