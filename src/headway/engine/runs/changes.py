"""What one turn of a run's loop stores: collected while it decides, written in one transaction, acted on afterwards."""

from dataclasses import dataclass, replace
from datetime import datetime

from headway.domain.release import Artifact, Release
from headway.domain.run import Job, Run, Step, TestCase
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactStore
from headway.engine.releases.releases import store_release
from headway.engine.runs.runs import KIND
from headway.pipeline.progress import AttemptEnd, ended_at
from headway.store import job_results, jobs, owners, runs
from headway.store.database import Transaction
from headway.store.errors import ReleaseDiffers


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: how it ended, its steps, and what it has left in files."""

    end: AttemptEnd
    steps: tuple[Step, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    cases: tuple[TestCase, ...] = ()


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How the run ends, and the release that it makes."""

    state: State
    reason: str
    release: Release | None = None
    #: It is as good as a release of a service that makes none.
    is_unreleased: bool = False


class RunChanges:
    """The rows of one run that change at `now`, written by the holder of `token`."""

    def __init__(self, run: Run, token: int, now: datetime, artifacts: ArtifactStore) -> None:
        self.run = run
        self.now = now
        self._token = token
        self._artifacts = artifacts
        self._cancel: str | None = None
        self._begins = False
        self._jobs: dict[str, Job] = {}
        self._outcomes: list[tuple[Job, Outcome, bool]] = []
        self._end: RunEnd | None = None

    @property
    def is_empty(self) -> bool:
        return not (self._cancel or self._begins or self._jobs or self._end)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Those that change, as they are after it."""
        return tuple(self._jobs[name] for name in sorted(self._jobs))

    def ask_to_cancel(self, reason: str) -> None:
        self._cancel = reason

    def begin(self) -> None:
        self._begins = True
        self.run = replace(self.run, state=State.RUNNING, started_at=self.now)

    def change(self, job: Job) -> None:
        self._jobs[job.name] = job

    def end_attempt(self, before: Job, outcome: Outcome, after: Job) -> None:
        """The attempt of the running job `before` ended, and that made `after` of it."""
        self._outcomes.append((before, outcome, after.state.is_final))
        self.change(after)

    def end(self, end: RunEnd) -> None:
        self._end = end
        self.run = replace(self.run, state=end.state, reason=end.reason, finished_at=self.now, due_at=None)

    def store(self, tx: Transaction) -> bool:
        """Write all of it. False: the run is not ours any more; then the caller sees that nothing of this stays."""
        if self._cancel is not None:
            runs.ask_to_cancel(tx, self.run.id, self._cancel)
        for before, outcome, is_final in self._outcomes:
            self._store_outcome(tx, before, outcome, is_final=is_final)
        if self._begins:
            runs.begin_run(tx, self.run.id, self._token, self.now)
        are_ours = all(jobs.save(tx, job, self._token) for job in self._jobs.values())
        return are_ours and (self._end is None or self._store_end(tx, self._end))

    def _store_outcome(self, tx: Transaction, before: Job, outcome: Outcome, *, is_final: bool) -> None:
        job_results.put_steps(tx, outcome.steps)
        if is_final:
            if outcome.artifacts:
                job_results.put_artifacts(tx, before.id, outcome.artifacts)
            if outcome.cases:
                job_results.put_test_cases(tx, before.id, outcome.cases)
            return
        end, at = outcome.end, ended_at(before, self.now)
        jobs.add_attempt(tx, before, state=end.state, reason=end.reason, kept=end.kept, now=at)

    def _store_end(self, tx: Transaction, end: RunEnd) -> bool:
        """The run's end, its release, and our claim given back: all or nothing.

        A release whose id stands for another content is no release of this run, and the run has failed. Only here is
        known which release it made: `self.run` has it afterwards.
        """
        run = replace(self.run, state=end.state, reason=end.reason)
        if end.is_unreleased:
            runs.note_unreleased(tx, run.id)
        if end.release is not None:
            try:
                made = store_release(tx, self._artifacts, end.release, now=self.now)
            except ReleaseDiffers as error:
                run = replace(run, state=State.FAILED, reason=f"no release: {error.message}")
            else:
                runs.note_release(tx, run.id, made.id)
                run = replace(run, release=made.id)
        self.run = run
        owners.release(tx, KIND, run.id, self._token)
        return runs.finish_run(tx, run.id, self._token, state=run.state, reason=run.reason, now=self.now)
