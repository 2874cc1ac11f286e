"""The end of a run that nobody drives: it cannot start, is not wanted any more, or is over before it began."""

from dataclasses import replace
from datetime import datetime

from headway.domain.run import Run
from headway.domain.states import State
from headway.engine.runs.observer import Observer
from headway.engine.runs.runs import KIND
from headway.store import jobs, owners, runs
from headway.store.database import Transaction


def end_unstarted(  # noqa: PLR0917  (which run, as whom, how and why, when: it reads like a sentence)
    tx: Transaction, run: Run, token: int, state: State, reason: str, now: datetime, observer: Observer
) -> Run | None:
    """Its jobs that have not ended are dropped with it. None: it was not ours (`token`), or had ended before."""
    left = State.CANCELLED if state is State.CANCELLED else State.SKIPPED
    ended_jobs = [
        replace(job, state=left, reason=reason, finished_at=now)
        for job in jobs.jobs_of(tx, run.id)
        if not job.state.is_final
    ]
    touched = [job for job in ended_jobs if jobs.save(tx, job, token)]
    if not runs.finish_run(tx, run.id, token, state=state, reason=reason, now=now):
        return None
    owners.release(tx, KIND, run.id, token)
    ended = replace(run, state=state, reason=reason, finished_at=now, due_at=None)
    observer.changed(tx, ended, touched, now, run_changed=True)
    return ended
