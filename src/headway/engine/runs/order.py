"""A run as a server orders it: from what began it and the headway.toml of its commit to its rows, whole or not at all.

Nobody drives it yet; `engine.runs.duty` takes what is stored. Two orders of one key are one run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from headway.base.ids import new_id
from headway.domain.commit import Commit
from headway.domain.contract import Contract
from headway.domain.run import FileFault, Job, Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.engine.runs.observer import Observer
from headway.engine.runs.plan import RunPlan, to_json
from headway.engine.runs.runs import job_of, plan_of_run
from headway.pipeline.parameters import check_parameters
from headway.pipeline.plan import PlannedJob, plan
from headway.pipeline.when import WhenFacts
from headway.store import commits, jobs, runs
from headway.store.counters import next_number
from headway.store.database import Transaction

#: What people ask for goes before what arrives by itself (docs/triggers.md).
_BY_HAND = 10
#: Somebody was asked for parameters, or wrote them down. A repeated run has those of the first.
_ASKED = frozenset({TriggerEvent.MANUAL, TriggerEvent.TRY, TriggerEvent.CRON})


@dataclass(frozen=True, slots=True)
class Order:
    """All that a run is made of. Without a contract its `trigger.faults` say why, and it has failed already."""

    service: str
    #: Folder of the bare repository.
    repository: str
    #: None for a commit that is not here (an overtaken push that was forced away): then `sha` is all that is known.
    commit: Commit | None
    sha: str
    branch: str | None
    tag: str | None
    trigger: Trigger
    requested_by: str
    contract: Contract | None = None
    only: tuple[str, ...] = ()
    #: What was given; the file's defaults are added.
    parameters: Mapping[str, str] = field(default_factory=dict)
    fail_fast: bool = False
    #: Paths that changed, for `when`; None: unknown, which counts as changed.
    changed: tuple[str, ...] | None = None
    #: Ends it at once: superseded before it could begin.
    superseded: str = ""
    #: A tree that is not the commit's own: somebody's uncommitted changes.
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Ordered:
    run: Run
    #: False: it was ordered before.
    is_new: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order with its plan; the order's faults are those of the file and of the plan."""

    order: Order
    jobs: tuple[PlannedJob, ...] = ()
    plan: RunPlan = field(default_factory=RunPlan)

    def rows(self, run: Run, now: datetime) -> tuple[Job, ...]:
        contract = self.order.contract
        if contract is None:
            return ()
        return tuple(job_of(run, job, contract.jobs[job.definition], now) for job in self.jobs)


def prepare(order: Order) -> Prepared:
    """Plan it: outside of any transaction, for what a repository wrote is held against what it told.

    Faults of the plan make it a failed run that shows them. What a person has to let start is planned when they do.
    """
    contract = order.contract
    if contract is None:
        return Prepared(order)
    is_asked = order.trigger.event in _ASKED
    values, wrong = check_parameters(contract.parameters, order.parameters, is_asked=is_asked)
    faults = [FileFault("headway.toml", f"parameters.{one.name}", 0, 0, one.message) for one in wrong]
    order = replace(order, parameters=values, trigger=_with(order.trigger, faults))
    if order.superseded or order.trigger.held_for:
        return Prepared(order)
    facts = WhenFacts(branch=order.branch, tag=order.tag, dirty=order.dirty, changed=order.changed)
    made = plan(contract.jobs, facts, order.only)
    faults = [FileFault("headway.toml", fault.place, 0, 0, fault.message) for fault in made.faults]
    run_plan = plan_of_run(contract, made.jobs, fail_fast=order.fail_fast)
    return Prepared(replace(order, trigger=_with(order.trigger, faults)), made.jobs, run_plan)


def _with(trigger: Trigger, faults: Sequence[FileFault]) -> Trigger:
    return replace(trigger, faults=(*trigger.faults, *faults)) if faults else trigger


def store_order(tx: Transaction, prepared: Prepared, now: datetime, observer: Observer) -> Ordered:
    """The run's rows, and its first event."""
    order = prepared.order
    if (known := runs.run_by_trigger(tx, order.trigger.key)) is not None:
        return Ordered(known, is_new=False)
    run = _run(tx, order, now)
    # Nobody holds it: whoever claims it first gets a token above this one.
    if not runs.add_run(tx, run, plan=to_json(prepared.plan), token=0):
        other = runs.run_by_trigger(tx, order.trigger.key)
        assert other is not None
        return Ordered(other, is_new=False)
    if order.commit is not None:
        commits.add_commit(tx, order.repository, order.commit)
    rows = prepared.rows(run, now)
    jobs.add_jobs(tx, rows)
    observer.changed(tx, run, rows, now, run_changed=True)
    return Ordered(run, is_new=True)


def _run(tx: Transaction, order: Order, now: datetime) -> Run:
    state, reason = State.QUEUED, ""
    if order.superseded:
        state, reason = State.CANCELLED, order.superseded
    elif order.trigger.faults:
        state, reason = State.FAILED, reason_of(order.trigger.faults)
    return Run(
        id=new_id("run", now),
        number=next_number(tx, order.service, "run"),
        service=order.service,
        repository=order.repository,
        commit=order.sha,
        tree=order.commit.tree if order.commit else order.sha,
        dirty=order.dirty,
        branch=order.branch,
        tag=order.tag,
        state=state,
        reason=reason,
        created_at=now,
        finished_at=now if state.is_final else None,
        due_at=None if state.is_final else now,
        requested_by=order.requested_by,
        selection=tuple(sorted(set(order.only))),
        parameters=order.parameters,
        trigger=order.trigger,
    )


def reason_of(faults: Sequence[FileFault]) -> str:
    """Why a run with these faults failed."""
    first = faults[0]
    place = f"{first.file}:{first.line}: " if first.line else f"{first.key}: " if first.key else ""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{place}{first.message}{more}"


def by_hand(contract: Contract | None) -> int:
    """The priority of a run that somebody asked for."""
    return _BY_HAND + (contract.pipeline.priority if contract else 0)


def group_of(contract: Contract) -> Mapping[str, object]:
    """The group of its runs, as a trigger carries it."""
    concurrency = contract.pipeline.concurrency
    if concurrency is None:
        return {}
    return {"group": concurrency.group, "group_limit": concurrency.limit}
