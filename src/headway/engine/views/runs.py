"""What the page of a run and the list of runs show, read in one look at the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from headway.domain.commit import Commit
from headway.domain.intake import Repository
from headway.domain.release import Artifact, Release
from headway.domain.run import Job, Run
from headway.domain.run_history import PastAttempt, RunFilter, RunLine
from headway.domain.states import State
from headway.engine.views.queue import SOON
from headway.engine.views.tests import FailedTests, failed_tests
from headway.store import commits, job_results, jobs, releases, repositories, run_history, runs
from headway.store.database import Transaction
from headway.store.pages import cut, read_cursor

#: Rows of one page of the list.
PAGE = 50
#: Succeeded runs from which the usual duration is taken, and the fewest that say something.
_USUAL_OF, _USUAL_FROM = 20, 3


@dataclass(frozen=True, slots=True)
class Usual:
    """How long such a run takes: the median of the last succeeded ones of the branch."""

    took: timedelta
    count: int
    branch: str


@dataclass(frozen=True, slots=True)
class RunView:
    run: Run
    #: None where the commit was never stored (a headway.toml that could not be read, an old run).
    commit: Commit | None
    jobs: tuple[Job, ...]
    #: Attempts before the latest, by the job's id.
    attempts: Mapping[str, tuple[PastAttempt, ...]]
    usual: Usual | None
    failed: FailedTests
    #: (job's id, artifact).
    artifacts: tuple[tuple[str, Artifact], ...]
    release: Release | None
    #: None for a run of a command on this machine.
    repository: Repository | None
    rerun_of: RunLine | None
    reruns: tuple[RunLine, ...]
    superseded_by: RunLine | None
    supersedes: tuple[RunLine, ...]
    #: Numbers of the branch's run before this one and after it.
    previous: int | None
    next: int | None
    #: Somebody asked for its end, and why; None: nobody did, or it has ended.
    cancelling: str | None
    #: What each queued job waits for, by its id.
    waits: Mapping[str, str]

    @property
    def team(self) -> str | None:
        return self.repository.team if self.repository else None

    @property
    def is_pull_request_of_stranger(self) -> bool:
        return self.run.trigger is not None and self.run.trigger.fork

    def job(self, name: str) -> Job | None:
        return next((job for job in self.jobs if job.name == name), None)

    def chosen(self) -> Job | None:
        """The job whose log is shown when nobody chose: what failed first, what runs, else the last one that ran."""
        for states in ((State.FAILED, State.ERRORED), (State.RUNNING,)):
            found = [job for job in self.jobs if job.state in states]
            blamed = [job for job in found if not job.allow_failure]
            if found:
                return (blamed or found)[0]
        began = [job for job in self.jobs if job.started_at is not None]
        return began[-1] if began else next(iter(self.jobs), None)


def run_view(tx: Transaction, service: str, number: int, *, explained: Mapping[str, str]) -> RunView | None:
    """The run as it stands. `explained` says by job's id what those wait for that only lack a place to run."""
    run = runs.run_by_number(tx, service, number)
    if run is None:
        return None
    trigger = run.trigger
    run_jobs = tuple(jobs.jobs_of(tx, run.id))
    repository = repositories.repository_by_id(tx, trigger.repository) if trigger else None
    branches = [branch for branch in (run.branch, repository and repository.default_branch) if branch]
    attempts: dict[str, tuple[PastAttempt, ...]] = {}
    if any(job.attempt > 1 for job in run_jobs):
        for past in run_history.past_attempts(tx, run.id):
            attempts[past.job] = (*attempts.get(past.job, ()), past)
    beside = {
        earlier: run_history.neighbour(tx, service, run.branch, run.created_at, run.number, earlier=earlier)
        if run.branch
        else None
        for earlier in (True, False)
    }
    return RunView(
        run=run,
        commit=commits.commit_by_sha(tx, run.repository, run.commit),
        jobs=run_jobs,
        attempts=attempts,
        usual=_usual(tx, run, branches),
        failed=failed_tests(tx, run, run_jobs, branches),
        artifacts=tuple(job_results.artifacts_of_run(tx, run.id)),
        release=releases.get_release(tx, run.release) if run.release else None,
        repository=repository,
        rerun_of=_line(tx, trigger.rerun_of if trigger else None),
        reruns=tuple(run_history.reruns_of(tx, run.id)),
        superseded_by=_line(tx, trigger.superseded_by if trigger else None),
        supersedes=tuple(run_history.superseded_by(tx, run.id)) if trigger else (),
        previous=beside[True],
        next=beside[False],
        cancelling=None if run.state.is_final else runs.cancel_reason(tx, run.id),
        waits=waits(run, run_jobs, explained),
    )


def _line(tx: Transaction, run_id: str | None) -> RunLine | None:
    return run_history.line_of(tx, run_id) if run_id else None


def _usual(tx: Transaction, run: Run, branches: Sequence[str]) -> Usual | None:
    for branch in dict.fromkeys(branches):
        took = run_history.usual_durations(tx, run.service, branch, before=run.created_at, limit=_USUAL_OF)
        if len(took) >= _USUAL_FROM:
            middle = median(one.total_seconds() for one in took)
            return Usual(timedelta(seconds=middle), len(took), branch)
    return None


def waits(run: Run, run_jobs: Sequence[Job], explained: Mapping[str, str]) -> dict[str, str]:
    """Id of each queued job -> what it waits for, in words."""
    found: dict[str, str] = {}
    for job in run_jobs:
        if job.state is not State.QUEUED or run.state.is_final:
            continue
        needed = [other for other in run_jobs if other.definition in job.needs]
        open_needs = [other for other in needed if not other.state.is_final]
        if run.is_held:
            found[job.id] = "somebody's approval"
        elif open_needs:
            found[job.id] = _for_needs(needed, open_needs)
        else:
            found[job.id] = explained.get(job.id) or explained.get(run.id) or SOON
    return found


def _for_needs(needed: Sequence[Job], open_needs: Sequence[Job]) -> str:
    said = []
    for definition in dict.fromkeys(job.definition for job in open_needs):
        of_it = [job for job in needed if job.definition == definition]
        done = sum(job.state.is_final for job in of_it)
        said.append(definition if len(of_it) == 1 else f"{definition} ({done} of {len(of_it)} done)")
    return " and ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else said[0]


@dataclass(frozen=True, slots=True)
class RunList:
    lines: tuple[RunLine, ...]
    #: For the next page; None on the last one.
    next: str | None


def list_runs(tx: Transaction, wanted: RunFilter, after: str | None, *, limit: int = PAGE) -> RunList:
    """A page of the list. A cursor that is none of ours begins at the newest."""
    found = run_history.list_runs(tx, wanted, place=read_cursor(after), limit=limit + 1)
    shown, older = cut(found, limit, lambda line: (line.created_at, line.id))
    return RunList(tuple(shown), older)
