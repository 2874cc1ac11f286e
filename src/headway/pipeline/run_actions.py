"""What may be done with a run as it is now: one rule for the button, its sentence, the API and the engine.

Whether this person may do it is another question, for `engine.permissions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headway.domain.run import Job, Run, SkippedBy
from headway.domain.states import State

_BROKE = (State.FAILED, State.ERRORED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class RunActions:
    cancel: bool
    #: It waits for somebody to say that it may start.
    approve: bool
    #: A new run of all of it.
    repeat: bool
    #: The jobs that a new run of what failed is of, by name, without what they need; empty: nothing failed.
    repeat_failed: tuple[str, ...]


def run_actions(run: Run, jobs: Sequence[Job]) -> RunActions:
    """What a run with these jobs allows."""
    is_over = run.state.is_final
    has_faults = run.trigger is not None and bool(run.trigger.faults)
    broke = run.state in _BROKE and not has_faults
    return RunActions(
        cancel=not is_over,
        approve=run.is_held,
        repeat=is_over,
        repeat_failed=jobs_to_repeat(jobs) if broke else (),
    )


def jobs_to_repeat(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Those that did not succeed, and those that were skipped because they needed one of these; chains too.

    One that its own condition skipped is not among them, nor what was skipped for its sake alone.
    """
    repeated = {job.name for job in jobs if job.state in _BROKE}
    broke = {job.definition for job in jobs if job.state in _BROKE}
    waited = [job for job in jobs if job.state is State.SKIPPED and job.skipped_by is SkippedBy.NEED]
    more = True
    while more:
        found = [job for job in waited if job.name not in repeated and not broke.isdisjoint(job.needs)]
        repeated.update(job.name for job in found)
        broke.update(job.definition for job in found)
        more = bool(found)
    return tuple(job.name for job in jobs if job.name in repeated)
