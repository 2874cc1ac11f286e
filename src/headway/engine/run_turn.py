"""What one turn of a run's loop stores: collected while it decides, written in one transaction, acted on afterwards."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from headway.domain.release import Release
from headway.domain.run import Job, Run
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactStore
from headway.engine.releases import store_release
from headway.engine.run_job import Outcome
from headway.engine.runs import KIND
from headway.store import job_results, jobs, owners, runs
from headway.store.database import Transaction
from headway.store.errors import ReleaseDiffers

Write = Callable[[Transaction], bool]


class Turn:
    """The rows of one run that change at `now`, written by the holder of `token`."""

    def __init__(self, run: Run, token: int, now: datetime) -> None:
        self._run_id = run.id
        self._token = token
        self.now = now
        self._writes: list[Write] = []
        self._end: tuple[State, str, str | None] | None = None

    @property
    def is_empty(self) -> bool:
        return not self._writes

    def store(self, tx: Transaction) -> bool:
        """False: the run is not ours any more; then the caller has to see that nothing of this stays."""
        return all(write(tx) for write in self._writes)

    def as_stored(self, run: Run) -> Run:
        """The run as this turn has stored it: only there was known which release it made."""
        if self._end is None:
            return run
        state, reason, release = self._end
        return replace(run, state=state, reason=reason, release=release)

    def ask_to_cancel(self, reason: str) -> None:
        self._also(lambda tx: runs.ask_to_cancel(tx, self._run_id, reason))

    def begin_run(self) -> None:
        self._also(lambda tx: runs.begin_run(tx, self._run_id, self._token, self.now))

    def start_job(self, job: Job, reason: str, directory: Path) -> None:
        self._writes.append(
            lambda tx: jobs.start_job(
                tx, job.id, self._token, reason=reason, directory=str(directory), now=self.now
            )
        )

    def leave_out(self, job: Job, state: State, reason: str) -> None:
        """A job that never starts."""
        self._writes.append(
            lambda tx: jobs.end_job(tx, job.id, self._token, state=state, reason=reason, now=self.now)
        )

    def retry_job(self, job: Job, outcome: Outcome, reason: str, ended_at: datetime) -> None:
        self._take(job, outcome)
        self._writes.append(
            lambda tx: jobs.retry_job(
                tx,
                job,
                self._token,
                ended=outcome.state,
                why=outcome.reason,
                reason=reason,
                now=ended_at,
            )
        )

    def end_job(self, job: Job, outcome: Outcome, reason: str, ended_at: datetime) -> None:
        self._take(job, outcome)
        self._writes.append(
            lambda tx: jobs.end_job(
                tx,
                job.id,
                self._token,
                state=outcome.state,
                reason=reason,
                now=ended_at,
                outputs=outcome.outputs,
                tests=outcome.tests,
            )
        )
        if outcome.artifacts:
            self._also(lambda tx: job_results.put_artifacts(tx, job.id, outcome.artifacts))
        if outcome.cases:
            self._also(lambda tx: job_results.put_test_cases(tx, job.id, outcome.cases))

    def _take(self, job: Job, outcome: Outcome) -> None:
        self._writes.append(
            lambda tx: jobs.keep_offsets(tx, job.id, self._token, taken=outcome.taken, kept=outcome.kept)
        )
        self._also(lambda tx: job_results.put_steps(tx, outcome.steps))

    def note_unreleased(self) -> None:
        """It is as good as a release of a service that makes none."""
        self._also(lambda tx: runs.note_unreleased(tx, self._run_id))

    def finish(self, state: State, reason: str, release: Release | None, store: ArtifactStore) -> None:
        """The run's end, its release, and our claim given back: all or nothing.

        A release whose id stands for another content is no release of this run, and the run has failed.
        """

        def end(tx: Transaction) -> bool:
            self._end = (state, reason, None)
            if release is not None:
                try:
                    made = store_release(tx, store, release, now=self.now)
                except ReleaseDiffers as error:
                    self._end = (State.FAILED, f"no release: {error.message}", None)
                else:
                    runs.note_release(tx, self._run_id, made.id)
                    self._end = (state, reason, made.id)
            ended, why, _ = self._end
            return runs.finish_run(tx, self._run_id, self._token, state=ended, reason=why, now=self.now)

        self._writes.append(end)
        self._also(lambda tx: owners.release(tx, KIND, self._run_id, self._token))

    def _also(self, write: Callable[[Transaction], object]) -> None:
        """A write whose answer does not tell whether the run is ours."""

        def work(tx: Transaction) -> bool:
            write(tx)
            return True

        self._writes.append(work)
