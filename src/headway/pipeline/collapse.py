"""Which runs a newer one of the same branch overtakes.

Runs overtake one another when they are of one service and one ref and were all begun by pushes, or all by the same pull
request, and run the whole pipeline. The newest stays. Of the others those that are still queued are superseded, unless
the pipeline says `superseded = "keep"`; those that run are cancelled only if it says `cancel_running = true`. Tags, cron,
runs by hand, re-runs and tries overtake nothing and are never overtaken: each was asked for on its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headway.domain.contract import PipelineSpec, Superseded
from headway.domain.run import Run, TriggerEvent
from headway.domain.states import State

_OVERTAKEN = (TriggerEvent.PUSH, TriggerEvent.PULL_REQUEST)


@dataclass(frozen=True, slots=True)
class Collapse:
    """Id -> id of the run that came in its place, oldest first."""

    superseded: Mapping[str, str] = field(default_factory=dict)
    cancelled: Mapping[str, str] = field(default_factory=dict)


def collapse(runs: Sequence[Run], pipeline: PipelineSpec) -> Collapse:
    """What to do about these runs, the new one among them; asked again it says the same of those that are left.

    `pipeline` is the newest run's: a branch decides by its latest word.
    """
    newest: dict[tuple[str, str, str], Run] = {}
    ordered = sorted((run for run in runs if _stream(run)), key=_age)
    for run in ordered:
        if stream := _stream(run):
            newest[stream] = run
    superseded: dict[str, str] = {}
    cancelled: dict[str, str] = {}
    for run in ordered:
        stream = _stream(run)
        if stream is None or newest[stream].id == run.id:
            continue
        if _gives_way(run, pipeline):
            into = superseded if run.state is State.QUEUED else cancelled
            into[run.id] = newest[stream].id
    return Collapse(superseded, cancelled)


def swallowed(
    runs: Sequence[Run],
    pipeline: PipelineSpec,
    *,
    service: str,
    repository: str,
    ref: str,
    event: TriggerEvent,
) -> list[Run]:
    """Those of these runs in whose place a new one would come, oldest first: what they were to look at is its to do."""
    stream = (f"{repository} {service}", ref, event.value)
    return [
        run
        for run in sorted(runs, key=_age)
        if _stream(run) == stream and event in _OVERTAKEN and _gives_way(run, pipeline)
    ]


def _gives_way(run: Run, pipeline: PipelineSpec) -> bool:
    if run.state is State.QUEUED:
        return pipeline.superseded is Superseded.COLLAPSE
    return run.state is State.RUNNING and pipeline.cancel_running


def _age(run: Run) -> tuple[object, int, str]:
    return (run.created_at, run.number, run.id)


def _stream(run: Run) -> tuple[str, str, str] | None:
    """What runs must share to overtake one another; None for one that never takes part."""
    trigger = run.trigger
    if trigger is None or trigger.event not in _OVERTAKEN or not trigger.ref or run.selection:
        return None
    return (f"{trigger.repository} {run.service}", trigger.ref, trigger.event.value)
