"""Runs, jobs and what they leave behind, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headway.domain.commit import Commit
from headway.domain.release import Artifact
from headway.domain.run import Job, Run, SkippedBy, Step, TestCase, TestSummary
from headway.domain.states import State
from headway.store import commits, job_results, jobs, runs
from headway.store.migrate import FOLDER, statements

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
COMMIT = Commit(
    sha="c" * 40,
    tree="t" * 40,
    parents=("p" * 40,),
    author="Ana <ana@example.org>",
    authored_at=NOON - timedelta(days=1),
    committer="Bo <bo@example.org>",
    committed_at=NOON - timedelta(hours=1),
    subject="Say “hello” – \N{PILE OF POO}",
)
RUN = Run(
    id="run-1",
    number=1,
    service="shop",
    repository="/home/ana/shop",
    commit=COMMIT.sha,
    tree=COMMIT.tree,
    dirty=False,
    branch="main",
    state=State.QUEUED,
    reason="",
    created_at=NOON,
    due_at=NOON,
    requested_by="ana@laptop",
)
JOB = Job(
    id="job-1",
    run="run-1",
    name="test (python=3.12)",
    definition="test",
    matrix={"python": "3.12"},
    needs=("lint",),
    state=State.QUEUED,
    reason="",
    attempt=1,
    allow_failure=False,
    queued_at=NOON,
)


@pytest.fixture
def stored(database):
    """A database with the run and its one job."""

    def work(tx):
        assert runs.add_run(tx, RUN, plan="{}", token=1)
        jobs.add_jobs(tx, [JOB])

    database.transact(work)
    return database


def test_a_commit_comes_back_as_it_went_and_only_once(database):
    for _ in range(2):
        database.transact(lambda tx: commits.add_commit(tx, "/home/ana/shop", COMMIT))
    assert database.read(lambda tx: commits.commit_by_sha(tx, "/home/ana/shop", COMMIT.sha)) == COMMIT
    assert database.read(lambda tx: commits.commit_by_sha(tx, "/elsewhere", COMMIT.sha)) is None


def test_a_run_and_its_jobs_come_back_as_they_went(stored):
    assert stored.read(lambda tx: runs.run_by_id(tx, "run-1")) == RUN
    assert stored.read(lambda tx: runs.run_by_number(tx, "shop", 1)) == RUN
    assert stored.read(lambda tx: runs.run_by_number(tx, "other", 1)) is None
    assert stored.read(runs.latest_runs) == [RUN]
    assert stored.read(lambda tx: runs.latest_runs(tx, "other")) == []
    assert stored.read(lambda tx: jobs.jobs_of(tx, "run-1")) == [JOB]


def test_a_thousand_jobs_keep_their_order(database):
    many = [replace(JOB, id=f"job-{number}", name=f"job {number}") for number in range(1000)]

    def work(tx):
        runs.add_run(tx, RUN, plan="{}", token=1)
        jobs.add_jobs(tx, many)

    database.transact(work)
    assert database.read(lambda tx: jobs.jobs_of(tx, "run-1")) == many


def test_the_same_content_is_not_run_twice_at_the_same_time(stored):
    again = replace(RUN, id="run-2", number=2)
    assert not stored.transact(lambda tx: runs.add_run(tx, again, plan="{}", token=1))
    for other in (replace(again, tree="other"), replace(again, selection=("test",))):
        assert stored.transact(
            lambda tx, other=other: runs.add_run(
                tx,
                replace(other, id=other.tree + str(other.selection), number=2 + len(other.selection)),
                plan="{}",
                token=1,
            )
        )
    ended = stored.transact(
        lambda tx: runs.finish_run(tx, "run-1", 1, state=State.SUCCEEDED, reason="done", now=NOON)
    )
    assert ended
    assert stored.transact(lambda tx: runs.add_run(tx, replace(again, number=9), plan="{}", token=1))


def test_the_unfinished_run_is_found_by_content_and_selection(stored):
    def find(**changes):
        key = {
            "service": "shop",
            "repository": RUN.repository,
            "commit": RUN.commit,
            "tree": RUN.tree,
            "selection": (),
            "parameters": {},
        }
        return stored.read(lambda tx: runs.unfinished_run(tx, **(key | changes)))

    assert find() == RUN
    assert find(tree="other") is None
    assert find(selection=("test",)) is None
    assert find(parameters={"level": "full"}) is None
    assert stored.read(lambda tx: runs.unfinished_runs(tx, service="shop")) == [RUN]
    stored.transact(lambda tx: runs.finish_run(tx, "run-1", 1, state=State.FAILED, reason="no", now=NOON))
    assert find() is None
    assert stored.read(runs.unfinished_runs) == []


def test_who_was_taken_over_writes_nothing(stored):
    stored.transact(lambda tx: runs.hand_over(tx, "run-1", 2))
    old, new = 1, 2

    running = replace(JOB, state=State.RUNNING, directory="/d", started_at=NOON, taken=3, kept=3)

    def start(token):
        return stored.transact(lambda tx: jobs.save(tx, running, token))

    def end(token):
        over = replace(running, state=State.SUCCEEDED, finished_at=NOON)
        return stored.transact(lambda tx: jobs.save(tx, over, token))

    def keep(token):
        return stored.transact(lambda tx: jobs.keep_offsets(tx, "job-1", token, taken=3, kept=3))

    def finish(token):
        return stored.transact(
            lambda tx: runs.finish_run(tx, "run-1", token, state=State.SUCCEEDED, reason="", now=NOON)
        )

    for write in (start, keep, end, finish):
        assert not write(old)
        assert write(new)
    assert not start(new), "a job that has ended does not start again"
    assert not end(new)
    assert not finish(new)


def test_a_retry_remembers_the_attempt_before(stored):
    running = replace(JOB, state=State.RUNNING, directory="/d/job-1.1", started_at=NOON, taken=9, kept=7)
    again = replace(JOB, attempt=2, reason="attempt 1 errored")

    def retry(tx):
        jobs.add_attempt(tx, running, state=State.ERRORED, reason="runner lost", kept=7, now=NOON)
        return jobs.save(tx, again, 1)

    assert stored.transact(lambda tx: jobs.save(tx, running, 1))
    assert stored.transact(retry)
    assert stored.read(lambda tx: jobs.jobs_of(tx, "run-1")) == [again]
    assert not stored.transact(lambda tx: jobs.save(tx, running, 1)), (
        "an attempt that is over is written no more"
    )
    assert stored.read(lambda tx: jobs.jobs_of(tx, "run-1")) == [again]
    rows = stored.read(lambda tx: tx.all("SELECT * FROM attempts"))
    assert [(row["attempt"], row["state"], row["reason"], row["kept"]) for row in rows] == [
        (1, "errored", "runner lost", 7)
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {
            "state": State.FAILED,
            "reason": "exit 1",
            "outputs": {"VERSION": "1.2"},
            "tests": TestSummary(total=5, failed=1, errored=0, skipped=2),
        },
        {"state": State.SKIPPED, "reason": "needs 'a', which failed", "skipped_by": SkippedBy.NEED},
    ],
)
def test_a_job_comes_back_as_it_was_saved(stored, fields):
    over = replace(JOB, finished_at=NOON, **fields)
    assert stored.transact(lambda tx: jobs.save(tx, over, 1))
    assert stored.read(lambda tx: jobs.jobs_of(tx, "run-1")) == [over]


@pytest.mark.parametrize(
    ("reason", "by"),
    [
        ("needs 'build', which failed", SkippedBy.NEED),
        ('when branch == "needs-review": the branch is main', SkippedBy.WHEN),
        ("the secret TOKEN is not set", None),
    ],
)
def test_of_jobs_that_were_skipped_before_it_is_read_from_their_reason_once(database, reason, by):
    skipped = replace(JOB, state=State.SKIPPED, reason=reason, finished_at=NOON)

    def work(tx):
        runs.add_run(tx, RUN, plan="{}", token=1)
        jobs.add_jobs(tx, [skipped])
        for statement in statements((FOLDER / "0031_skipped_by.sql").read_text())[1:]:
            tx.execute(statement)

    database.transact(work)
    assert database.read(lambda tx: jobs.jobs_of(tx, "run-1")) == [replace(skipped, skipped_by=by)]


def test_steps_are_brought_up_to_date(stored):
    running = Step("job-1", 1, 0, "pytest", State.RUNNING, None, NOON, None, 12.5, 0, None)
    ended = replace(running, state=State.FAILED, exit_code=1, finished_at=NOON, log_end=40)
    after = Step("job-1", 1, 1, "upload", State.SKIPPED, None, None, None)
    stored.transact(lambda tx: job_results.put_steps(tx, [running]))
    stored.transact(lambda tx: job_results.put_steps(tx, [ended, after]))
    assert stored.read(lambda tx: job_results.steps_of(tx, "job-1", 1)) == [ended, after]
    assert stored.read(lambda tx: job_results.steps_of(tx, "job-1", 2)) == []


def test_artifacts_and_cases_replace_what_an_earlier_look_stored(stored):
    artifacts = [
        Artifact("dist/a.tar.gz", "ab" * 32, 10),
        Artifact("dist/run", "cd" * 32, 2**33, executable=True),
    ]
    cases = [
        TestCase("suite", "one", State.SUCCEEDED, 0.25),
        TestCase("suite", "two", State.FAILED, 1.0, "expected 3", "tests/test_two.py", 12),
    ]
    for _ in range(2):
        stored.transact(lambda tx: job_results.put_artifacts(tx, "job-1", artifacts))
        stored.transact(lambda tx: job_results.put_test_cases(tx, "job-1", cases))
    assert stored.read(lambda tx: job_results.artifacts_of_run(tx, "run-1")) == [
        ("job-1", artifact) for artifact in artifacts
    ]
    assert stored.read(lambda tx: tx.one("SELECT COUNT(*) AS cases FROM test_cases"))["cases"] == 2
    assert stored.read(lambda tx: job_results.bad_test_cases(tx, "run-1")) == [(JOB.name, cases[1])]


def test_a_wish_to_cancel_is_stored_once(stored):
    assert stored.read(lambda tx: runs.cancel_reason(tx, "run-1")) is None
    assert stored.transact(lambda tx: runs.ask_to_cancel(tx, "run-1", "cancelled by ana"))
    assert not stored.transact(lambda tx: runs.ask_to_cancel(tx, "run-1", "cancelled by bo"))
    assert stored.read(lambda tx: runs.cancel_reason(tx, "run-1")) == "cancelled by ana"
