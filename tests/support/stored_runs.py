"""Runs with jobs, steps, logs and tests, stored as the engine stores them: what pages are shown in tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from headway.domain.commit import Commit
from headway.domain.intake import ForgeKind, Repository
from headway.domain.release import Artifact
from headway.domain.run import Job, Run, Step, TestCase, TestSummary, Trigger, TriggerEvent
from headway.domain.states import State
from headway.store import commits, job_results, jobs, repositories, runs

NOON = datetime(2025, 6, 2, 11, 30, tzinfo=UTC)
REPOSITORY = Repository(
    id="rep-1",
    name="shop",
    forge=ForgeKind.HEADWAY,
    url="",
    service="shop",
    default_branch="main",
    created_at=NOON,
    created_by="ada",
    team="storefront",
)


@dataclass
class StoredStep:
    name: str
    text: str | bytes
    state: State = State.SUCCEEDED
    seconds: float = 2.0


@dataclass
class StoredJob:
    name: str
    state: State = State.SUCCEEDED
    reason: str = ""
    needs: Sequence[str] = ()
    steps: Sequence[StoredStep] = ()
    cases: Sequence[TestCase] = ()
    artifacts: Sequence[Artifact] = ()
    seconds: float = 60
    attempt: int = 1
    matrix: Mapping[str, str] = field(default_factory=dict)


def commit(sha: str, subject: str) -> Commit:
    return Commit(
        sha=sha,
        tree="t" * 40,
        parents=(),
        author="Grace Hopper <grace@example.org>",
        authored_at=NOON,
        committer="Grace Hopper <grace@example.org>",
        committed_at=NOON,
        subject=subject,
    )


def store_run(
    server: Any,
    number: int,
    made: Sequence[StoredJob] = (),
    *,
    state: State = State.SUCCEEDED,
    reason: str = "",
    service: str = "shop",
    branch: str | None = "main",
    sha: str | None = None,
    subject: str = "Round prices half-even",
    at: datetime | None = None,
    seconds: float = 180,
    parameters: Mapping[str, str] | None = None,
    **trigger: Any,
) -> Run:
    """The run with its jobs; logs stand as files where the engine writes them."""
    at = at or NOON + timedelta(minutes=number % 20)
    sha = sha or f"{number:040x}"
    run = Run(
        id=f"run-{service}{number}",
        number=number,
        service=service,
        repository="/repositories/rep-1.git",
        commit=sha,
        tree="t" * 40,
        dirty=False,
        branch=branch,
        state=state,
        reason=reason,
        created_at=at,
        started_at=None if state is State.QUEUED else at,
        finished_at=at + timedelta(seconds=seconds) if state.is_final else None,
        requested_by="grace",
        parameters=parameters or {},
        trigger=Trigger(
            event=trigger.pop("event", TriggerEvent.PUSH),
            key=f"key-{service}-{number}",
            repository="rep-1",
            ref=f"refs/heads/{branch}",
            **trigger,
        ),
    )
    stored = [_job(run, one, at) for one in made]

    def work(tx: Any) -> None:
        repositories.add_repository(tx, REPOSITORY)
        commits.add_commit(tx, run.repository, commit(sha, subject))
        assert runs.add_run(tx, run, plan="{}", token=1)
        jobs.add_jobs(tx, stored)
        for job, one in zip(stored, made, strict=True):
            _leave(tx, server, job, one, at)

    server.database.transact(work)
    return run


def _job(run: Run, one: StoredJob, at: datetime) -> Job:
    return Job(
        id=f"job-{run.service}{run.number}-{abs(hash(one.name)) % 10**9}",
        run=run.id,
        name=one.name,
        definition=one.name.split(" (", 1)[0],
        matrix=one.matrix,
        needs=tuple(one.needs),
        state=one.state,
        reason=one.reason,
        attempt=one.attempt,
        allow_failure=False,
        queued_at=at,
        finished_at=at + timedelta(seconds=one.seconds) if one.state.is_final else None,
    )


def _leave(tx: Any, server: Any, job: Job, one: StoredJob, at: datetime) -> None:
    """What `add_jobs` does not take: times, counts, steps, log."""
    began = None if one.state in (State.QUEUED, State.SKIPPED) else at
    summary = summary_of(one.cases) if one.cases else None
    tx.execute(
        """
        UPDATE jobs SET started_at = :started, tests_total = :total, tests_failed = :failed, tests_errored = 0,
            tests_skipped = 0 WHERE id = :id
        """
        if summary
        else "UPDATE jobs SET started_at = :started WHERE id = :id",
        id=job.id,
        started=None if began is None else int(began.timestamp() * 1000),
        **({"total": summary.total, "failed": summary.failed} if summary else {}),
    )
    job_results.put_test_cases(tx, job.id, list(one.cases))
    job_results.put_artifacts(tx, job.id, list(one.artifacts))
    steps, text = lay_steps(job, one.steps, at)
    job_results.put_steps(tx, steps)
    if text:
        path = server.tools.log(job, job.attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def lay_steps(job: Job, made: Sequence[StoredStep], at: datetime) -> tuple[list[Step], bytes]:
    text, steps = b"", []
    for index, one in enumerate(made, start=1):
        start = len(text)
        text += one.text.encode() if isinstance(one.text, str) else one.text
        ran = one.state not in (State.QUEUED, State.SKIPPED)
        steps.append(
            Step(
                job=job.id,
                attempt=job.attempt,
                index=index,
                name=one.name,
                state=one.state,
                exit_code=None if not one.state.is_final or not ran else int(one.state is State.FAILED),
                started_at=at if ran else None,
                finished_at=at + timedelta(seconds=one.seconds) if ran and one.state.is_final else None,
                log_start=start if ran else None,
                log_end=len(text) if ran and one.state.is_final else None,
            )
        )
        at += timedelta(seconds=one.seconds)
    return steps, text


def summary_of(cases: Sequence[TestCase]) -> TestSummary:
    bad = sum(case.state is State.FAILED for case in cases)
    return TestSummary(total=len(cases), failed=bad, errored=0, skipped=0)


def case(
    name: str, state: State = State.FAILED, message: str = "assert 1 == 2", suite: str = "tests.test_prices"
) -> TestCase:
    return TestCase(
        suite, name, state, 0.2, message if state is State.FAILED else "", "tests/test_prices.py", 12
    )


PYTEST = "\n".join(
    [
        "============================= test session starts ==============================",
        "collected 214 items",
        "\x1b[32mtests/test_cart.py .......................\x1b[0m                            [ 12%]",
        *[f"tests/test_{number}.py \x1b[32m.....\x1b[0m" for number in range(40)],
        "=================================== FAILURES ===================================",
        "\x1b[31m\x1b[1m_______________________________ test_half_even ________________________________\x1b[0m",
        "",
        "    def test_half_even():",
        ">       assert rounded(Decimal('2.505')) == Decimal('2.50')",
        "\x1b[1m\x1b[31mE       assert Decimal('2.50') == Decimal('2.52')\x1b[0m",
        "\x1b[1m\x1b[31mE        +  where Decimal('2.50') = rounded(Decimal('2.505'))\x1b[0m",
        "",
        "\x1b[1m\x1b[31mtests/test_prices.py\x1b[0m:12: AssertionError",
        "FAILED tests/test_prices.py::test_half_even - assert Decimal('2.50') == Decimal('2.52')",
        "\x1b[31m2 failed\x1b[0m, \x1b[32m212 passed\x1b[0m in 55.03s",
        "",
    ]
)
CHECKOUT = "Cloning a1b2c3d\nHEAD is now at a1b2c3d Round prices half-even\n"
SYNC = "".join(f"Downloaded package-{number} (1.{number}.0)\n" for number in range(24))


def failed_run() -> list[StoredJob]:
    """The run of the picture: two tests failed, the rest never began."""
    steps = [
        StoredStep("checkout", CHECKOUT, seconds=0.4),
        StoredStep("uv sync", SYNC, seconds=6.1),
        StoredStep("pytest", PYTEST, State.FAILED, seconds=55),
        StoredStep("upload coverage", "", State.SKIPPED),
    ]
    cases = [
        case(
            "test_half_even",
            message="AssertionError: assert Decimal('2.50') == Decimal('2.52')\n  where it was",
        ),
        case("test_timeout", message="TimeoutError: no answer in 5 s", suite="tests.test_cart"),
    ]
    cases += [case(f"test_{number}", State.SUCCEEDED) for number in range(212)]
    return [
        StoredJob(
            "test (python=3.11)", State.FAILED, "exit 1 in 'pytest'", steps=steps, cases=cases, seconds=62
        ),
        StoredJob(
            "test (python=3.12)", State.FAILED, "exit 1 in 'pytest'", steps=steps, cases=cases[:1], seconds=65
        ),
        StoredJob("lint", steps=[StoredStep("ruff", "All checks passed!\n")], seconds=9),
        StoredJob("build", State.SKIPPED, "needs 'test (python=3.11)', which failed", needs=["test", "lint"]),
        StoredJob("release", State.SKIPPED, "needs 'build', which was skipped", needs=["build"]),
    ]


def past_case(name: str, failed: bool) -> list[StoredJob]:
    made = case(name, State.FAILED if failed else State.SUCCEEDED, suite="tests.test_cart")
    return [
        StoredJob(
            "test (python=3.11)",
            State.FAILED if failed else State.SUCCEEDED,
            cases=[made, case("test_half_even", State.SUCCEEDED)],
        )
    ]


def with_state(run: Run, state: State) -> Run:
    return replace(run, state=state)
