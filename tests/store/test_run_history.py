"""Runs as history, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headway.domain.run import TestCase, Trigger, TriggerEvent
from headway.domain.run_history import Outcome, RunFilter
from headway.domain.states import State
from headway.store import commits, job_results, jobs, run_history, runs
from tests.store.test_runs import COMMIT, JOB, NOON, RUN


def trigger(key, event=TriggerEvent.PUSH, **more):
    return Trigger(event=event, key=key, repository="rep-1", **more)


def run(number, *, state=State.SUCCEEDED, took=60, **more):
    began = NOON + timedelta(minutes=number)
    return replace(
        RUN,
        id=f"run-{number:03}",
        number=number,
        state=state,
        created_at=began,
        started_at=began + timedelta(seconds=5),
        finished_at=began + timedelta(seconds=5 + took) if state.is_final else None,
        trigger=trigger(f"key-{number}"),
        **more,
    )


@pytest.fixture
def store(database):
    def put(*stored):
        def work(tx):
            commits.add_commit(tx, RUN.repository, COMMIT)
            for one in stored:
                assert runs.add_run(tx, one, plan="{}", token=1)

        database.transact(work)
        return database

    return put


def listed(database, wanted):
    return database.read(lambda tx: run_history.list_runs(tx, wanted, place=None, limit=10))


def numbers(database, **wanted):
    return [line.number for line in listed(database, RunFilter(**wanted))]


def test_a_list_is_newest_first_and_filtered(store):
    database = store(
        run(1),
        run(2, state=State.FAILED),
        run(3, branch="topic"),
        run(4, service="billing"),
        replace(run(5), trigger=trigger("key-5", TriggerEvent.CRON)),
    )
    assert numbers(database) == [5, 4, 3, 2, 1]
    assert numbers(database, service="shop") == [5, 3, 2, 1]
    assert numbers(database, state=State.FAILED) == [2]
    assert numbers(database, branch="topic") == [3]
    assert numbers(database, event="cron") == [5]
    assert numbers(database, service="shop", branch="main", state=State.SUCCEEDED, event="push") == [1]


def test_a_line_knows_its_commit(store):
    database = store(run(1), run(2, commit="f" * 40))
    line = database.read(lambda tx: run_history.line_of(tx, "run-001"))
    assert (line.subject, line.author) == (COMMIT.subject, COMMIT.author)
    unknown = database.read(lambda tx: run_history.line_of(tx, "run-002"))
    assert (unknown.subject, unknown.author) == ("", "")
    assert database.read(lambda tx: run_history.line_of(tx, "nobody")) is None


def test_how_long_it_usually_takes_counts_succeeded_runs_of_the_branch_only(store):
    database = store(
        run(1, took=100),
        run(2, took=1, state=State.FAILED),
        run(3, took=120),
        run(4, took=7, branch="topic"),
        run(5, took=90),
    )
    took = database.read(lambda tx: run_history.usual_durations(tx, "shop", "main", before=run(5).created_at))
    assert took == [timedelta(seconds=120), timedelta(seconds=100)]


def test_ways_to_runs_that_repeat_or_replace(store):
    database = store(
        run(1),
        replace(run(2), trigger=trigger("key-2", superseded_by="run-003")),
        replace(run(3), trigger=trigger("key-3", TriggerEvent.RERUN, rerun_of="run-001")),
    )
    assert [line.number for line in database.read(lambda tx: run_history.reruns_of(tx, "run-001"))] == [3]
    assert [line.number for line in database.read(lambda tx: run_history.superseded_by(tx, "run-003"))] == [2]
    at = run(2).created_at

    def beside(*, earlier):
        return database.read(lambda tx: run_history.neighbour(tx, "shop", "main", at, 2, earlier=earlier))

    assert (beside(earlier=True), beside(earlier=False)) == (1, 3)


def test_the_neighbour_of_the_same_moment_is_the_next_by_number(store):
    same = NOON + timedelta(hours=1)
    database = store(*(replace(run(number), created_at=same) for number in (1, 2, 3)))
    for earlier, number in ((True, 1), (False, 3)):
        found = database.read(
            lambda tx, earlier=earlier: run_history.neighbour(tx, "shop", "main", same, 2, earlier=earlier)
        )
        assert found == number


def test_what_became_of_a_test_in_the_last_runs(store):
    database = store(
        run(1, commit="a" * 40), run(2, commit="b" * 40), run(3, branch="topic"), run(4, state=State.RUNNING)
    )

    def work(tx):
        for number, state in ((1, State.SUCCEEDED), (2, State.FAILED), (3, State.FAILED)):
            job = replace(JOB, id=f"job-{number}", run=f"run-{number:03}")
            jobs.add_jobs(tx, [job])
            case = TestCase("test_prices", "test_half_even", state, 0.1)
            other = TestCase("test_other", "test_half_even", State.ERRORED, 0.1)
            job_results.put_test_cases(tx, job.id, [case, other])

    database.transact(work)
    key = (JOB.name, "test_prices", "test_half_even")

    def asked(branches, runs=50):
        return database.read(
            lambda tx: run_history.outcomes_of_cases(
                tx, "shop", branches, [key], before=run(4).created_at, runs=runs
            )
        )

    assert asked(["main"]) == {
        key: [Outcome(2, "b" * 40, State.FAILED), Outcome(1, "a" * 40, State.SUCCEEDED)]
    }
    assert [outcome.run for outcome in asked(["topic", "main"])[key]] == [3, 2, 1]
    assert [outcome.run for outcome in asked(["main"], runs=1)[key]] == [2]
    assert asked([]) == {}
