"""The builder's slots and the groups of jobs: who may start now, and what each of the others waits for.

One a server process, in memory: what holds a slot is a job that runs, and after a restart the jobs that go on take
their slots before anybody else is asked. The order and its reasons are `pipeline.waiting`'s.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from headway.domain.run import Job, Run
from headway.pipeline.waiting import Holder, Want, grant

#: Of a longer queue only so many are considered at once, in its order: the others could not start anyway.
_MOST_CONSIDERED = 512


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that may start as far as its run goes, and what it waits for."""

    run: Run
    job: Job
    reason: str


@dataclass(slots=True)
class _Asked:
    want: Want
    run: Run
    job: Job
    wake: Callable[[], None]
    reason: str = ""


class Slots:
    """For the event loop's thread only."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._waiting: dict[str, _Asked] = {}
        #: Given out and not taken yet: its run was woken.
        self._granted: dict[str, Holder] = {}
        self._held: dict[str, Holder] = {}

    @property
    def free(self) -> int:
        taken = sum(holder.slots for holder in (*self._held.values(), *self._granted.values()))
        return max(0, self.capacity - taken)

    @property
    def held(self) -> int:
        return len(self._held)

    def ask(
        self, run: Run, jobs: Sequence[Job], priorities: Mapping[str, int], wake: Callable[[], None]
    ) -> set[str]:
        """Ids of those that may start now; they hold their slots from here. The others wait, and `wake` is called.

        `priorities` are of definitions; the run's own counts first.
        """
        for job in jobs:
            if job.id in self._granted or job.id in self._waiting:
                continue
            base = run.trigger.priority if run.trigger else 0
            want = Want(
                id=job.id,
                run=run.id,
                label=f"{run.service} {run.number} {job.name}",
                slots=min(job.slots, self.capacity),
                group=job.group,
                group_limit=job.group_limit,
                priority=base + priorities.get(job.definition, 0),
                since=run.created_at,
            )
            self._waiting[job.id] = _Asked(want, run, job, wake)
        asked = {job.id for job in jobs}
        self._give(silent=asked)
        ready = asked & self._granted.keys()
        for job_id in ready:
            self._held[job_id] = self._granted.pop(job_id)
        return ready

    def hold(self, run: Run, job: Job) -> None:
        """It runs already: it went on while nobody was here."""
        self._held[job.id] = _holder(run, job, self.capacity)

    def release(self, job_ids: Iterable[str]) -> None:
        """They run no more, or want no slot any more."""
        changed = False
        for job_id in job_ids:
            changed |= self._held.pop(job_id, None) is not None
            changed |= self._granted.pop(job_id, None) is not None
            self._waiting.pop(job_id, None)
        if changed:
            self._give()

    def leave(self, run_id: str) -> None:
        """The run ended, or is driven by somebody else."""
        everything = (*self._held.values(), *self._granted.values())
        mine = [holder.id for holder in everything if holder.run == run_id]
        mine += [asked.want.id for asked in self._waiting.values() if asked.run.id == run_id]
        self.release(mine)

    def resize(self, capacity: int) -> None:
        self.capacity = capacity
        self._give()

    def waiting(self) -> list[Waiting]:
        """In the order in which they will be given slots."""
        ordered = sorted(self._waiting.values(), key=lambda asked: asked.want.order)
        return [Waiting(asked.run, asked.job, asked.reason or "its turn comes") for asked in ordered]

    def explain(self) -> dict[str, str]:
        """Job id -> what it waits for."""
        return {waiting.job.id: waiting.reason for waiting in self.waiting()}

    def _give(self, silent: set[str] | frozenset[str] = frozenset()) -> None:
        if not self._waiting:
            return
        wants = [asked.want for asked in self._waiting.values()]
        if len(wants) > _MOST_CONSIDERED:
            wants = sorted(wants, key=lambda want: want.order)[:_MOST_CONSIDERED]
        answer = grant(wants, [*self._held.values(), *self._granted.values()], self.capacity)
        for job_id, reason in answer.reasons.items():
            self._waiting[job_id].reason = reason
        for job_id in answer.granted:
            asked = self._waiting.pop(job_id)
            self._granted[job_id] = _holder(asked.run, asked.job, self.capacity)
            if job_id not in silent:
                asked.wake()


def _holder(run: Run, job: Job, capacity: int) -> Holder:
    return Holder(
        id=job.id,
        run=run.id,
        label=f"run {run.number} of {run.service}",
        slots=min(job.slots, capacity),
        group=job.group,
        group_limit=job.group_limit if job.group else None,
    )
