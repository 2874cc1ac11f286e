"""What people do with runs on a server: begin one by hand, repeat it, stop it, let it start.

RunControlError       2
├── RunEnded          2   there is nothing to stop
├── RunNotHeld        2   nothing holds it
├── RunGoesOn         2   it has not ended: there is nothing to repeat yet
├── NothingToRepeat   2   no job of it failed
├── UnknownService    2   no repository declares it
└── UnknownBranch     2   the repository has none of this name
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from headway.base.errors import WrongUse
from headway.base.ids import new_id
from headway.domain.contract import Contract, ParameterSpec
from headway.domain.intake import Repository
from headway.domain.people import Actor
from headway.domain.run import Job, Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.drivers.git.bare import Bare
from headway.drivers.git.process import UnknownCommit
from headway.engine.audit import record
from headway.engine.permissions import Action, require
from headway.engine.repositories.commits import CommitFile, Reader, read_file
from headway.engine.runs.context import RunsContext
from headway.engine.runs.order import Order, Prepared, by_hand, group_of, prepare, reason_of, store_order
from headway.engine.runs.plan import to_json
from headway.engine.runs.wishes import check_given, check_jobs
from headway.pipeline.run_actions import run_actions
from headway.pipeline.strangers import as_stranger
from headway.store import jobs, repositories, runs
from headway.store.arrivals import arrival_of_run
from headway.store.database import Transaction


class RunControlError(WrongUse):
    pass


class RunEnded(RunControlError):
    http_status = 409


class RunNotHeld(RunControlError):
    http_status = 409


class RunGoesOn(RunControlError):
    http_status = 409


class NothingToRepeat(RunControlError):
    http_status = 409


class UnknownService(RunControlError):
    http_status = 404


class UnknownBranch(RunControlError):
    http_status = 404


async def team_of(context: RunsContext, service: str) -> str | None:
    """The team whose people may do things with this service."""
    found = await context.database.fetch(lambda tx: repositories.repository_of_service(tx, service))
    return None if found is None else found.team


async def cancel_run(context: RunsContext, actor: Actor, run: Run) -> Run:
    """Its jobs are ended; one that nobody has begun ends at once. Raises NotAllowed, RunEnded."""
    require(actor, Action.RUN_CANCEL, team=await team_of(context, run.service))
    now, reason = context.now(), f"cancelled by {actor.name}"

    def work(tx: Transaction) -> Run:
        fresh = runs.run_by_id(tx, run.id)
        if fresh is None or not run_actions(fresh, ()).cancel:
            raise RunEnded(f"run {run.number} of {run.service} has ended already")
        record(tx, actor, "run.cancel", f"{run.service} {run.number}", None, None, now)
        if runs.end_undriven(tx, run.id, state=State.CANCELLED, reason=reason, now=now):
            fresh = replace(fresh, state=State.CANCELLED, reason=reason, finished_at=now, due_at=None)
            context.observer.changed(tx, fresh, tuple(jobs.jobs_of(tx, run.id)), now, run_changed=True)
        else:
            runs.ask_to_cancel(tx, run.id, reason)
        return fresh

    answer = await context.database.perform(work)
    context.cancel(run.id, reason)
    return answer


async def approve_run(context: RunsContext, actor: Actor, run: Run, comment: str = "") -> Run:
    """A stranger's pull request may see a builder. Raises NotAllowed, RunNotHeld."""
    require(actor, Action.RUN_APPROVE, team=await team_of(context, run.service))
    prepared, now = await _planned_late(context, run), context.now()

    def work(tx: Transaction) -> Run:
        held = run.trigger.held_for if run.trigger else ""
        if not runs.let_start(tx, run.id, actor.name):
            raise RunNotHeld(f"nothing holds run {run.number} of {run.service}")
        after = {"held_for": held, "comment": comment[:1000]}
        record(tx, actor, "run.approve", f"{run.service} {run.number}", None, after, now)
        rows = _let_in(tx, run, prepared, now) if prepared else ()
        fresh = runs.run_by_id(tx, run.id)
        assert fresh is not None
        context.observer.changed(tx, fresh, rows, now, run_changed=True)
        return fresh

    answer = await context.database.perform(work)
    context.wake()
    return answer


async def _planned_late(context: RunsContext, run: Run) -> Prepared | None:
    """What a held run would do: nothing of a stranger's file is held against anything before somebody lets it in.

    None where it was planned already. Raises UnknownService, UnknownBranch where it cannot be read any more.
    """
    trigger = run.trigger
    if trigger is None or not run.is_held:
        return None
    planned, stored = await context.database.fetch(
        lambda tx: (bool(jobs.jobs_of(tx, run.id)), arrival_of_run(tx, run.id))
    )
    if planned:
        return None
    repository = await _repository_of(context, run)
    bare = await context.bare(repository)
    reader = Reader(
        context.repositories.folder,
        context.repositories.fetch,
        context.org,
        context.environment,
    )

    def work() -> Prepared:
        file = _own_file(context, repository, bare, run)
        changed = None
        if file.contract is not None and stored is not None:
            changed = reader.changed(repository, stored.arrival, file.contract)
        let_in = replace(trigger, held_for="", faults=file.faults)
        return prepare(replace(_order_of(run, file, let_in), changed=changed))

    return await asyncio.to_thread(work)


def _let_in(tx: Transaction, run: Run, prepared: Prepared, now: datetime) -> tuple[Job, ...]:
    """The jobs that it has from now on; a plan with faults ends it."""
    if faults := prepared.order.trigger.faults:
        runs.put_faults(tx, run.id, faults)
        runs.end_undriven(tx, run.id, state=State.FAILED, reason=reason_of(faults), now=now)
        return ()
    runs.put_plan(tx, run.id, to_json(prepared.plan))
    rows = prepared.rows(run, now)
    jobs.add_jobs(tx, rows)
    return rows


async def rerun(
    context: RunsContext, actor: Actor, run: Run, *, only_failed: bool, key: str | None = None
) -> Run:
    """A new run of the same commit, of all jobs or of those that failed (with what they need).

    Raises NotAllowed, RunGoesOn, NothingToRepeat, UnknownCommit.
    """
    require(actor, Action.RUN_START, team=await team_of(context, run.service))
    name = f"rerun:{key or new_id('again', context.now())}"
    if key and (known := await _begun(context, name)) is not None:
        return known
    repository = await _repository_of(context, run)
    run, run_jobs = await context.database.fetch(
        lambda tx: (runs.run_by_id(tx, run.id) or run, jobs.jobs_of(tx, run.id))
    )
    only = what_is_repeated(run, run_jobs, only_failed=only_failed)
    bare = await context.bare(repository)
    file = await asyncio.to_thread(_own_file, context, repository, bare, run)
    before = run.trigger
    # Somebody's working tree stays that, else repeating it would make a release of what was never pushed.
    is_try = before is not None and before.event is TriggerEvent.TRY
    trigger = Trigger(
        event=TriggerEvent.TRY if is_try else TriggerEvent.RERUN,
        key=name,
        repository=repository.id,
        ref=before.ref if before else "",
        priority=by_hand(file.contract),
        fork=before.fork if before else False,
        # What a stranger wrote stays a stranger's: each of its runs was let in by somebody.
        approved_by=actor.name if before and before.fork else None,
        pull_request=before.pull_request if before else None,
        rerun_of=run.id,
        faults=file.faults,
    )
    order = replace(
        _order_of(run, file, _grouped(trigger, file.contract)), requested_by=actor.name, only=only
    )
    what = {"of": run.number, "jobs": list(only) or "all"}
    return await _store(context, actor, order, "run.rerun", what)


def what_is_repeated(run: Run, run_jobs: Sequence[Job], *, only_failed: bool) -> tuple[str, ...]:
    """The jobs that a new run of it is asked for, by name; none for all. Raises RunGoesOn, NothingToRepeat."""
    actions, name = run_actions(run, run_jobs), f"run {run.number} of {run.service}"
    if not actions.repeat:
        raise RunGoesOn(f"{name} has not ended", hint="wait for its end, or cancel it first")
    if not only_failed:
        return run.selection
    if not actions.repeat_failed:
        raise NothingToRepeat(f"no job of {name} failed", hint="repeat all of it instead")
    return actions.repeat_failed


@dataclass(frozen=True, slots=True)
class Startable:
    """What a run by hand would be made of: for the form and its preview."""

    repository: Repository
    branch: str
    file: CommitFile

    @property
    def parameters(self) -> Mapping[str, ParameterSpec]:
        return self.file.contract.parameters if self.file.contract else {}


async def startable(
    context: RunsContext, service: str, branch: str | None, commit: str | None = None
) -> Startable:
    """The head of this branch (None: the default one), or a commit of it, and its headway.toml.

    What no branch holds, as a stranger's pull request, is none: it would run as ours. Raises UnknownService,
    UnknownBranch.
    """
    repository = await context.database.fetch(lambda tx: repositories.repository_of_service(tx, service))
    if repository is None:
        raise UnknownService(
            f"no repository declares the service '{service}'", hint="headway repository list"
        )
    bare = await context.bare(repository)

    def look() -> Startable:
        wanted = branch or repository.default_branch or bare.default_branch
        sha = bare.refs(f"refs/heads/{wanted}").get(f"refs/heads/{wanted}")
        if sha is None:
            raise UnknownBranch(f"{repository.name} has no branch '{wanted}'", hint="push it first")
        if commit is not None and commit != sha:
            if not (bare.has_commit(commit) and bare.is_ancestor(commit, sha)):
                raise UnknownBranch(
                    f"{wanted} of {repository.name} has no commit {commit[:12]}", hint="push it"
                )
            sha = commit
        return Startable(repository, wanted, _file_at(context, repository, bare, sha))

    return await asyncio.to_thread(look)


async def start_manual(
    context: RunsContext,
    actor: Actor,
    service: str,
    branch: str | None,
    parameters: Mapping[str, str],
    *,
    only: tuple[str, ...] = (),
    commit: str | None = None,
    key: str | None = None,
) -> Run:
    """A run by hand of the branch's head, or of this commit of it. Raises NotAllowed, UnknownService, UnknownBranch, ParametersWrong, JobsWrong."""
    require(actor, Action.RUN_START, team=await team_of(context, service))
    name = f"manual:{key or new_id('hand', context.now())}"
    if key and (known := await _begun(context, name)) is not None:
        return known
    found = await startable(context, service, branch, commit)
    contract, values = found.file.contract, dict(parameters)
    if contract is not None:
        values = check_given(contract, parameters)
        check_jobs(contract, only)
    trigger = Trigger(
        event=TriggerEvent.MANUAL,
        key=name,
        repository=found.repository.id,
        ref=f"refs/heads/{found.branch}",
        priority=by_hand(found.file.contract),
        faults=found.file.faults,
    )
    made_of = found.file.commit
    assert made_of is not None
    order = Order(
        service=service,
        repository=found.file.folder,
        commit=made_of,
        sha=made_of.sha,
        branch=found.branch,
        tag=None,
        trigger=_grouped(trigger, contract),
        requested_by=actor.name,
        contract=contract,
        only=only,
        parameters=values,
    )
    return await _store(context, actor, order, "run.start", {"branch": found.branch, "parameters": values})


async def _begun(context: RunsContext, key: str) -> Run | None:
    """By an earlier call with this key; asked before the state is, which may have moved on since."""
    return await context.database.fetch(lambda tx: runs.run_by_trigger(tx, key))


async def _store(
    context: RunsContext, actor: Actor, order: Order, action: str, what: Mapping[str, object]
) -> Run:
    prepared, now = await asyncio.to_thread(prepare, order), context.now()

    def work(tx: Transaction) -> Run:
        ordered = store_order(tx, prepared, now, context.observer)
        if ordered.is_new:
            record(tx, actor, action, f"{order.service} {ordered.run.number}", None, dict(what), now)
        return ordered.run

    run = await context.database.perform(work)
    context.wake()
    return run


async def _repository_of(context: RunsContext, run: Run) -> Repository:
    def work(tx: Transaction) -> Repository | None:
        if run.trigger is not None:
            return repositories.repository_by_id(tx, run.trigger.repository)
        return repositories.repository_of_service(tx, run.service)

    found = await context.database.fetch(work)
    if found is None:
        raise UnknownService(
            f"the repository of run {run.number} of {run.service} is not here any more",
            hint="headway repository add brings it back",
        )
    return found


def _file_at(context: RunsContext, repository: Repository, bare: Bare, sha: str) -> CommitFile:
    """Raises UnknownCommit, UnknownBranch for a commit without a file."""
    try:
        commit = bare.commit(sha)
    except UnknownCommit as error:
        raise UnknownBranch(
            f"{sha[:12]} is not in {repository.name} any more", hint="push it again"
        ) from error
    file = read_file(repository, bare, commit, elsewhere=context.org())
    if file.missing:
        raise UnknownBranch(f"{file.missing}: {sha[:12]}", hint="headway init writes one")
    return file


def _own_file(context: RunsContext, repository: Repository, bare: Bare, run: Run) -> CommitFile:
    """That of the run's commit, and what a stranger wrote as a stranger's. Raises as `_file_at` does."""
    file, trigger = _file_at(context, repository, bare, run.commit), run.trigger
    if file.contract is None or trigger is None or not trigger.fork:
        return file
    return replace(file, contract=as_stranger(file.contract, repository, trigger.pull_request))


def _order_of(run: Run, file: CommitFile, trigger: Trigger) -> Order:
    """What the run was asked for, by this file."""
    return Order(
        service=run.service,
        repository=file.folder,
        commit=file.commit,
        sha=run.commit,
        branch=run.branch,
        tag=run.tag,
        trigger=trigger,
        requested_by=run.requested_by,
        contract=file.contract,
        only=run.selection,
        parameters=run.parameters,
        dirty=run.dirty,
    )


def _grouped(trigger: Trigger, contract: Contract | None) -> Trigger:
    return trigger if contract is None else replace(trigger, **group_of(contract))  # type: ignore[arg-type]
