"""Windows of a job's log, asked over HTTP."""

import pytest

from headway.domain.states import State
from headway.drivers.logfile import LogFile
from headway.engine.views.logs import job_log, lines_of_steps, where_it_broke
from headway.store import jobs
from tests.support.stored_runs import NOON, StoredJob, StoredStep, failed_run, lay_steps, store_run

TEXT = "".join(f"line {number}\n" for number in range(1, 5001))


@pytest.fixture
def stored(server):
    def store(*steps, state=State.SUCCEEDED):
        run = store_run(server, 1, [StoredJob("test", state, steps=steps)], state=state)
        return server.database.read(lambda tx: jobs.jobs_of(tx, run.id))[0]

    return store


async def asked(browser, job, what="", status=200, **query):
    answer = await browser.client.get(f"/jobs/{job.id}/log{what}", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_window_is_asked_for_by_line(stored, browser):
    job = stored(StoredStep("work", TEXT))
    found = await asked(browser, job, first=118, count=3)
    assert found == {
        "first": 118,
        "lines": ["line 118", "line 119", "line 120"],
        "total": 5000,
        "attempt": 1,
        "latest": 1,
        "over": True,
    }
    assert len((await asked(browser, job, first=1, count=999_999))["lines"]) == 2000
    assert (await asked(browser, job, first=4999, count=50))["lines"] == ["line 4999", "line 5000"]
    assert (await asked(browser, job, first=9999))["lines"] == []
    assert (await asked(browser, job, first="x", count="-1"))["first"] == 1


async def test_whoever_asks_from_the_last_line_they_have_gets_its_end_and_what_follows(
    server, stored, browser
):
    job = stored(StoredStep("work", "one\nhal", State.RUNNING), state=State.RUNNING)
    first = await asked(browser, job)
    assert (first["lines"], first["total"], first["over"]) == (["one", "hal"], 2, False)
    with server.tools.log(job, 1).open("ab") as log:
        log.write(b"f a line\nthree\n")
    more = await asked(browser, job, first=first["total"])
    assert (more["lines"], more["total"]) == (["half a line", "three"], 3)


async def test_colours_are_classes_and_go_on_from_before_the_window(stored, browser):
    job = stored(StoredStep("work", "\x1b[33mwarm\n<b>still</b>\n\x1b[0mcold\n"))
    assert (await asked(browser, job, first=2))["lines"] == [[["a-yellow", "<b>still</b>"]], "cold"]


async def test_steps_know_their_lines_and_where_it_broke(server, browser):
    run = store_run(server, 1, failed_run(), state=State.FAILED)
    job = server.database.read(lambda tx: jobs.jobs_of(tx, run.id))[0]
    found = await asked(browser, job, "/steps")
    assert [(step["name"], step["first"], step["end"], step["state"]) for step in found["steps"]] == [
        ("checkout", 1, 3, "succeeded"),
        ("uv sync", 3, 27, "succeeded"),
        ("pytest", 27, 81, "failed"),
        ("upload coverage", 81, 81, "skipped"),
    ]
    broke = await asked(browser, job, first=found["broke"], count=1)
    assert broke["lines"] == [[["a-red a-bold", "E       assert Decimal('2.50') == Decimal('2.52')"]]]


async def test_search_answers_with_lines_and_where_to_go_on(stored, browser):
    job = stored(StoredStep("work", TEXT))
    assert (await asked(browser, job, "/search", q="LINE 499"))["lines"] == [499, *range(4990, 5000)]
    assert (await asked(browser, job, "/search", q="line 49", first=4999))["lines"] == [4999]
    many = await asked(browser, job, "/search", q="line")
    assert (len(many["lines"]), many["next"]) == (2000, 2001)
    for nothing in ("", "not there", "a\nb"):
        assert (await asked(browser, job, "/search", q=nothing))["lines"] == []


async def test_the_raw_log_is_all_of_it_and_runs_nothing(stored, browser):
    data = b"<script>\xff\x00\n" * 100_000
    job = stored(StoredStep("work", data))
    answer = await browser.client.get(f"/jobs/{job.id}/log/raw")
    assert answer.content == data
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_is_not_there_and_who_is_not_signed_in(stored, browser):
    job = stored(StoredStep("work", TEXT))
    assert "no such job" in (await asked(browser, job, attempt=2, status=404))["error"]
    await asked(browser, type(job)(**{**vars_of(job), "id": "job-none"}), status=404)
    browser.client.cookies.clear()
    assert "signed out" in (await asked(browser, job, status=401))["error"]


def vars_of(job):
    return {name: getattr(job, name) for name in job.__slots__}


async def test_a_log_that_is_not_there_yet_is_an_empty_one(stored, browser):
    job = stored(StoredStep("work", "", State.RUNNING), state=State.RUNNING)
    found = await asked(browser, job)
    assert (found["lines"], found["total"], found["over"]) == ([], 0, False)
    assert (await asked(browser, job, "/steps"))["broke"] is None


def test_a_step_that_ends_within_a_line_keeps_that_line(tmp_path, stored):
    job = stored()
    steps, text = lay_steps(job, [StoredStep("a", "one\ntwo"), StoredStep("b", " more\nthree\n")], NOON)
    path = tmp_path / "log"
    path.write_bytes(text)
    with LogFile.open(path) as log:
        found = [(one.first, one.end) for one in lines_of_steps(log, steps)]
    assert found == [(1, 3), (3, 4)]


def test_a_long_step_is_looked_through_at_both_ends(tmp_path, stored):
    job = stored()
    noise = "nothing to see\n" * 1000
    for text, expected in ((f"{noise}error: late\n{noise[:150]}", 1001), (noise, 1000)):
        steps, data = lay_steps(job, [StoredStep("a", text, State.FAILED)], NOON)
        path = tmp_path / f"log{expected}"
        path.write_bytes(data)
        with LogFile.open(path) as log:
            assert where_it_broke(log, lines_of_steps(log, steps), most=1000) == expected


def test_an_attempt_that_was_followed_by_another_one_is_over(server):
    run = store_run(server, 1, [StoredJob("test", State.RUNNING, attempt=2)], state=State.RUNNING)
    job = server.database.read(lambda tx: jobs.jobs_of(tx, run.id))[0]

    def read(attempt):
        return server.database.read(lambda tx: job_log(tx, job.id, attempt))

    assert read(1).is_over
    assert not read(2).is_over
    assert read(3) is None
