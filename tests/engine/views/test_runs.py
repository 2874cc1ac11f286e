"""What the page of a run and the list of runs are made of, on both databases."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from headway.domain.run_history import RunFilter
from headway.domain.states import State
from headway.engine.views.faults import around
from headway.engine.views.runs import list_runs, run_view, waits
from tests.support.stored_runs import NOON, StoredJob, case, failed_run, past_case, store_run


@pytest.fixture
def shop(database, tmp_path):
    """Stores runs; `look(number)` is the view of one."""
    tools = SimpleNamespace(log=lambda job, attempt: tmp_path / job.run / f"{job.id}.{attempt}.log")
    server = SimpleNamespace(database=database, tools=tools)

    def look(number, **explained):
        return database.read(lambda tx: run_view(tx, "shop", number, explained=explained))

    return SimpleNamespace(
        put=lambda number, *jobs, **more: store_run(server, number, jobs, **more),
        look=look,
        database=database,
    )


def test_a_run_with_all_that_belongs_to_it(shop):
    first = shop.put(1, state=State.FAILED, at=NOON)
    for number in (2, 3, 4):
        took = 100 * number
        shop.put(
            number, *past_case("test_timeout", number == 3), at=NOON + timedelta(hours=number), seconds=took
        )
    shop.put(5, *failed_run(), state=State.FAILED, at=NOON + timedelta(hours=5), rerun_of=first.id)
    shop.put(6, at=NOON + timedelta(hours=6))
    view = shop.look(5)
    assert view.commit.subject == "Round prices half-even"
    assert [job.name for job in view.jobs] == [job.name for job in failed_run()]
    assert (view.usual.took, view.usual.count, view.usual.branch) == (timedelta(seconds=300), 3, "main")
    assert (view.previous, view.next, view.team) == (4, 6, "storefront")
    assert (view.rerun_of.number, view.superseded_by, view.supersedes) == (1, None, ())
    assert [line.number for line in shop.look(1).reruns] == [5]
    assert view.chosen().name == "test (python=3.11)"
    assert view.failed.total == 3
    found = {(test.job, test.case.name): test.verdict for test in view.failed.shown}
    assert found["test (python=3.11)", "test_half_even"].since is None
    assert (
        found["test (python=3.11)", "test_timeout"].failed,
        found["test (python=3.11)", "test_timeout"].seen,
    ) == (2, 4)
    assert found["test (python=3.12)", "test_half_even"].seen == 1
    assert shop.look(99) is None


def test_a_branch_without_a_past_is_compared_with_the_default_one(shop):
    for number in (1, 2, 3):
        shop.put(
            number,
            StoredJob("test", cases=[case("test_a", State.SUCCEEDED)]),
            at=NOON + timedelta(hours=number),
        )
    shop.put(
        4,
        StoredJob("test", State.FAILED, cases=[case("test_a")]),
        branch="topic",
        at=NOON + timedelta(hours=5),
    )
    view = shop.look(4)
    assert view.usual.branch == "main"
    assert (view.failed.shown[0].verdict.since, view.failed.shown[0].verdict.seen) == (None, 4)


def test_fewer_than_three_runs_say_nothing_of_what_is_usual(shop):
    for number in (1, 2, 3):
        shop.put(number, at=NOON + timedelta(hours=number))
    assert shop.look(3).usual is None


def test_the_list_goes_on_where_it_ended_even_when_new_runs_come(shop):
    for number in range(1, 8):
        shop.put(number, at=NOON + timedelta(seconds=number))

    def page(after):
        return shop.database.read(lambda tx: list_runs(tx, RunFilter(), after, limit=3))

    first = page(None)
    shop.put(8, at=NOON + timedelta(seconds=8))
    second = page(first.next)
    third = page(second.next)
    assert [line.number for line in (*first.lines, *second.lines, *third.lines)] == [7, 6, 5, 4, 3, 2, 1]
    assert third.next is None


def job(name, state, needs=()):
    from tests.store.test_runs import JOB

    return replace(JOB, id=name, name=name, definition=name.split(" ")[0], state=state, needs=tuple(needs))


def test_what_each_queued_job_waits_for():
    from tests.store.test_runs import RUN

    jobs = [
        job("test (1)", State.SUCCEEDED),
        job("test (2)", State.RUNNING),
        job("lint", State.QUEUED),
        job("docs", State.QUEUED),
        job("build", State.QUEUED, ["test", "lint"]),
    ]
    explained = {"lint": "a free slot, behind shop 17", RUN.id: "the disk is full"}
    assert waits(RUN, jobs, explained) == {
        "lint": "a free slot, behind shop 17",
        "docs": "the disk is full",
        "build": "test (1 of 2 done) and lint",
    }
    assert waits(replace(RUN, state=State.CANCELLED), jobs, {}) == {}


def test_the_lines_around_a_fault():
    text = "".join(f"line {number}\n" for number in range(1, 10))
    assert around(text, 1) == ((1, "line 1"), (2, "line 2"), (3, "line 3"))
    assert [number for number, _ in around(text, 5)] == [3, 4, 5, 6, 7]
    assert around("", 5) == ()
    assert around(text, 500) == ()
