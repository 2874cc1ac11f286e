"""The page of what waits: runs that wait for a person or a place, jobs that wait for a slot, and for what each does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from headway.domain.request import Request
from headway.store.database import Transaction
from headway.store.requests import waiting_requests
from headway.store.views.queue import OpenRun, WaitingJob, open_runs, waiting_jobs

#: Of what nobody has looked at yet.
SOON = "its turn; it was not looked at yet"

_MOST_RUNS = 200
_MOST_JOBS = 500


@dataclass(frozen=True, slots=True)
class QueuedJob:
    job: WaitingJob
    #: What it waits for, in words.
    reason: str


@dataclass(frozen=True, slots=True)
class Queue:
    #: Of all slots of this server's builder those in use; None where it runs no jobs.
    held: int
    capacity: int
    #: With a reason where one cannot go on.
    running: tuple[tuple[OpenRun, str], ...]
    #: Wait for a person, or for other runs of their group, with the reason.
    waiting: tuple[tuple[OpenRun, str], ...]
    jobs: tuple[QueuedJob, ...]
    requests: tuple[Request, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.running or self.waiting or self.jobs or self.requests)


def read_queue(
    tx: Transaction, *, explained: Mapping[str, str], held: int, capacity: int, now: datetime
) -> Queue:
    """`explained`: id of a run or of a job -> what it waits for, in the order of their turns, as `RunsDuty.explain` says.

    What is not in it comes after: it waits for a person, or for what it needs.
    """
    place = {id: index for index, id in enumerate(explained)}
    runs = sorted(open_runs(tx, limit=_MOST_RUNS), key=lambda run: place.get(run.id, len(place)))
    known = {run.id for run in runs}
    first = list(islice((id for id in explained if id not in known), _MOST_JOBS))
    running = [(run, explained.get(run.id, "")) for run in runs if run.state == "running"]
    waiting = [(run, _why(run, explained)) for run in runs if run.state == "queued"]
    jobs = [
        QueuedJob(job, _what_for(job, explained)) for job in waiting_jobs(tx, first=first, limit=_MOST_JOBS)
    ]
    return Queue(held, capacity, tuple(running), tuple(waiting), tuple(jobs), tuple(waiting_requests(tx)))


def _why(run: OpenRun, explained: Mapping[str, str]) -> str:
    if run.held_for and run.approved_by is None:
        return run.held_for
    return explained.get(run.id) or SOON


def _what_for(job: WaitingJob, explained: Mapping[str, str]) -> str:
    if job.needs:
        return f"the jobs that it needs: {', '.join(job.needs)}"
    return explained.get(job.id) or explained.get(job.run) or SOON
