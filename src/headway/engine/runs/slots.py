"""The builder's slots and the groups of jobs: who may start now, and what each of the others waits for.

One a server process, in memory: what holds a slot is a job that runs, and after a restart the jobs that go on take
their slots before anybody else is asked. The order and its reasons are `pipeline.waiting`'s.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import Clock
from headway.domain.run import Job, Run
from headway.pipeline.waiting import Answer, Holder, Want, grant


@dataclass(frozen=True, slots=True)
class _Asked:
    want: Want
    run: Run
    job: Job
    wake: Callable[[], None]


class Slots:
    """For the event loop's thread only."""

    def __init__(self, capacity: int, clock: Clock) -> None:
        self.capacity = capacity
        self._clock = clock
        self._waiting: dict[str, _Asked] = {}
        #: Given out and not taken yet: its run was woken.
        self._granted: dict[str, Holder] = {}
        self._held: dict[str, Holder] = {}
        #: Repository -> when it was last given a slot.
        self._last: dict[str, datetime] = {}
        #: What `explain` said, until something changes: many look at one long queue.
        self._told: dict[str, str] | None = None

    @property
    def free(self) -> int:
        taken = sum(holder.slots for holder in (*self._held.values(), *self._granted.values()))
        return max(0, self.capacity - taken)

    @property
    def held(self) -> int:
        return len(self._held)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def ask(
        self, run: Run, jobs: Sequence[Job], priorities: Mapping[str, int], wake: Callable[[], None]
    ) -> set[str]:
        """Ids of those that may start now; they hold their slots from here. The others wait, and `wake` is called.

        `priorities` are of definitions; the run's own counts first.
        """
        is_new = False
        for job in jobs:
            if job.id in self._granted or job.id in self._waiting:
                continue
            is_new = True
            base = run.trigger.priority if run.trigger else 0
            want = Want(
                id=job.id,
                run=run.id,
                repository=run.takes_turn_of,
                label=f"{run.service} {run.number} {job.name}",
                slots=min(job.slots, self.capacity),
                group=job.group,
                group_limit=job.group_limit,
                priority=base + priorities.get(job.definition, 0),
                since=run.created_at,
            )
            self._waiting[job.id] = _Asked(want, run, job, wake)
        asked = {job.id for job in jobs}
        if is_new:
            self._give(silent=asked)
        ready = asked & self._granted.keys()
        for job_id in ready:
            self._held[job_id] = self._granted.pop(job_id)
        return ready

    def hold(self, run: Run, job: Job) -> None:
        """It runs already: it went on while nobody was here."""
        self._held[job.id] = _holder(run, job, self.capacity)
        self._told = None

    def release(self, job_ids: Iterable[str]) -> None:
        """They run no more, or want no slot any more."""
        changed = False
        for job_id in job_ids:
            changed |= self._held.pop(job_id, None) is not None
            changed |= self._granted.pop(job_id, None) is not None
            changed |= self._waiting.pop(job_id, None) is not None
        if changed:
            self._give()

    def leave(self, run_id: str) -> None:
        """The run ended, or is driven by somebody else."""
        everything = (*self._held.values(), *self._granted.values())
        mine = [holder.id for holder in everything if holder.run == run_id]
        mine += [asked.want.id for asked in self._waiting.values() if asked.run.id == run_id]
        self.release(mine)

    def explain(self) -> Mapping[str, str]:
        """Job id -> what it waits for, in the order in which they will be given slots."""
        if self._told is None:
            self._told = {answer.want.id: answer.reason or "its turn comes" for answer in self._answers()}
        return self._told

    def _answers(self) -> Iterator[Answer]:
        wants = [asked.want for asked in self._waiting.values()]
        return grant(wants, [*self._held.values(), *self._granted.values()], self.capacity, self._last)

    def _give(self, silent: set[str] | frozenset[str] = frozenset()) -> None:
        """However many wait: nothing is asked while no slot is free, and nobody after the first who lacks one."""
        self._told = None
        if not self._waiting or not self.free:
            return
        granted: list[_Asked] = []
        for answer in self._answers():
            if answer.keeps_free:
                break
            if not answer.reason:
                granted.append(self._waiting[answer.want.id])
        for asked in granted:
            del self._waiting[asked.want.id]
            self._granted[asked.want.id] = _holder(asked.run, asked.job, self.capacity)
            self._last[asked.want.repository] = self._clock.now()
            if asked.want.id not in silent:
                asked.wake()


def _holder(run: Run, job: Job, capacity: int) -> Holder:
    return Holder(
        id=job.id,
        run=run.id,
        repository=run.takes_turn_of,
        label=f"run {run.number} of {run.service}",
        slots=min(job.slots, capacity),
        group=job.group,
        group_limit=job.group_limit if job.group else None,
    )
