"""Failed tests of a run as a person wants them: what it printed, since when it fails, whether it does so by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from headway.domain.run import Job, Run, TestCase
from headway.domain.run_history import Outcome, Verdict
from headway.pipeline.flaky import judge
from headway.store import job_results, run_history
from headway.store.database import Transaction

#: Failed tests that a run's own page shows; all of them have a page of their own.
SHOWN = 40
MOST = 1000
#: Runs that are remembered of a test.
RUNS = 50


@dataclass(frozen=True, slots=True)
class FailedTest:
    job: str
    case: TestCase
    #: None where no history was asked for.
    verdict: Verdict | None

    @property
    def title(self) -> str:
        """The suite's last part and the name: what one looks for."""
        suite = self.case.suite.rpartition(".")[2]
        return f"{suite}::{self.case.name}" if suite else self.case.name


@dataclass(frozen=True, slots=True)
class FailedTests:
    """The failed and errored tests of a run, those that are new first, flaky ones last."""

    shown: tuple[FailedTest, ...]
    #: Of how many; counted by the jobs.
    total: int
    #: Tests that ran, in all jobs.
    ran: int


def failed_tests(
    tx: Transaction, run: Run, run_jobs: Sequence[Job], branches: Sequence[str], *, limit: int = SHOWN
) -> FailedTests:
    """`branches` are those whose history counts: the run's own, and the default one."""
    counts = [job.tests for job in run_jobs if job.tests is not None]
    total = sum(count.failed + count.errored for count in counts)
    bad = job_results.bad_test_cases(tx, run.id, limit=limit) if total else []
    keys = [(job, case.suite, case.name) for job, case in bad]
    history = run_history.outcomes_of_cases(tx, run.service, branches, keys, before=run.created_at, runs=RUNS)
    found = [
        FailedTest(job, case, judge(Outcome(run.number, run.commit, case.state), history.get(key, [])))
        for key, (job, case) in zip(keys, bad, strict=True)
    ]
    # What this commit broke first; what has long been broken after it; what breaks by itself last.
    found.sort(key=_urgency)
    return FailedTests(tuple(found), max(total, len(found)), sum(count.total for count in counts))


def _urgency(test: FailedTest) -> int:
    assert test.verdict is not None
    if test.verdict.flaky:
        return 2
    return 0 if test.verdict.since is None else 1
