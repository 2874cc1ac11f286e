"""Runs: begin one, or find the one that goes on; who may drive it; how it is stopped from elsewhere.

Everything is stored before it is acted on, so whoever comes after a killed process finds in the rows what was meant
and in the jobs' directories what was done. `engine.runs.drive` does the driving.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from headway.base.clock import Clock, SystemClock, from_milliseconds, to_milliseconds
from headway.base.errors import WrongUse
from headway.base.ids import new_id
from headway.domain.commit import Source
from headway.domain.contract import Contract, JobDefinition
from headway.domain.run import Job, Run, SkippedBy
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactStore
from headway.drivers.git import Git, OutOfBounds, ShallowClone
from headway.engine import ownership
from headway.engine.data_folder import open_data_folder
from headway.engine.runs.plan import RunPlan, from_json, to_json
from headway.engine.runs.watch import Look
from headway.engine.runs.wishes import check_given
from headway.engine.secrets.by_name import load_secrets
from headway.engine.settings import Settings
from headway.pipeline.plan import Fault, PlannedJob, plan
from headway.pipeline.when import WhenFacts
from headway.store import commits, jobs, owners, runs
from headway.store.counters import next_number
from headway.store.database import Database, Transaction
from headway.store.migrate import BeforeMigration

#: How long an owner on another machine may be silent; on this machine a dead process is dead at once.
LEASE = timedelta(seconds=30)
KIND = "run"


class NothingToRun(WrongUse):
    """The plan has faults; `faults` are all of them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        lines = [f"{fault.place}: {fault.message}" for fault in faults]
        message = lines[0] if len(lines) == 1 else "this run cannot be planned:\n  " + "\n  ".join(lines)
        hint = "headway check shows all of headway.toml"
        if all(fault.place == "--job" for fault in faults):
            hint = "headway run --help; without --job all jobs run"
        elif any(fault.message == "there is no job to run" for fault in faults):
            hint = "write a [jobs.NAME] section, or let headway init write one"
        super().__init__(message, hint=hint)
        self.faults = tuple(faults)


class UnknownRun(WrongUse):
    """No run is called so."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What runs need of the world, put together once per process."""

    settings: Settings
    database: Database
    git: Git
    artifacts: ArtifactStore
    clock: Clock
    owner: owners.Owner
    is_alive: Callable[[owners.Owner], bool | None] = ownership.is_alive

    def directory(self, job: Job) -> Path:
        """Where the job's latest attempt runs; the directory is the key by which the runner knows it."""
        return self.settings.jobs / f"{job.id}.{job.attempt}"

    def log(self, job: Job, attempt: int) -> Path:
        """The masked log of one attempt."""
        return self.settings.logs / job.run / f"{job.id}.{attempt}.log"


def open_tools(
    settings: Settings,
    *,
    clock: Clock | None = None,
    before: BeforeMigration | None = None,
    create: bool = True,
) -> Tools:
    """Opens the database of these settings, creating the data folder as needed. Close `database` in the end.

    `before` is called before its tables change; a copy of it is made, if not said. Raises NoDatabase without `create`.
    """
    from headway.engine.keeping.upgrade import copy_first
    from headway.store.database import open_database

    if create or settings.data.exists():
        open_data_folder(settings.data)
    return Tools(
        settings=settings,
        database=open_database(settings.database_url, before=before or copy_first(settings), create=create),
        git=Git(settings.environment, settings.mirrors),
        artifacts=ArtifactStore(settings.artifacts),
        clock=clock or SystemClock(),
        owner=ownership.this_process(settings.user),
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    #: Names of definitions or of single jobs; empty for all.
    only: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    fail_fast: bool = False


class How(StrEnum):
    #: A new run.
    NEW = "new"
    #: Its owner is dead: we go on with what it began.
    ATTACHED = "attached"
    #: Its owner lives: we may only look on.
    WATCHING = "watching"


@dataclass(frozen=True, slots=True)
class Begun:
    run: Run
    how: How
    #: With which its writes are done; None when we only look on.
    token: int | None
    #: Who drives it, when that is not us.
    owner: owners.Owner | None = None
    #: The jobs and the plan of a new run, so that nobody has to read what was written a moment ago.
    jobs: tuple[Job, ...] = ()
    plan: RunPlan | None = None


def begin(tools: Tools, contract: Contract, source: Source, wish: Wish) -> Begun:
    """The run of this content with this selection: the unfinished one where there is one, else a new one.

    Everything of a new run is stored in one transaction. Raises NothingToRun, ParametersWrong, the errors of secrets and of the store.
    """
    planned = plan(contract.jobs, _facts(tools.git, contract.jobs.values(), source), wish.only)
    if planned.faults:
        raise NothingToRun(planned.faults)
    values = check_given(contract, wish.parameters)
    run_plan = plan_of_run(contract, planned.jobs, fail_fast=wish.fail_fast)
    # A secret that is missing is told before anything is stored; the values are read again by whoever drives.
    load_secrets(run_plan.secrets(), contract.service.name, None, tools.settings, team=run_plan.team)
    draft = _Draft(
        tools, contract.service.name, source, replace(wish, parameters=values), run_plan, planned.jobs
    )
    while True:
        now = in_milliseconds(tools.clock.now())
        try:
            return tools.database.transact(functools.partial(draft.begin, now=now))
        except _Overtaken:
            # On PostgreSQL another process may store the same run between our look and our insert.
            continue


def plan_of_run(contract: Contract, jobs: Sequence[PlannedJob], *, fail_fast: bool) -> RunPlan:
    """What of the contract whoever drives the run needs to know."""
    used = {job.definition for job in jobs}
    return RunPlan(
        definitions={name: contract.jobs[name] for name in contract.jobs if name in used},
        fail_fast=fail_fast,
        release_artifact=contract.deploy.artifact if contract.deploy else None,
        deployable=contract.deploy is not None,
        team=contract.service.team,
    )


def in_milliseconds(instant: datetime) -> datetime:
    """As it is stored."""
    return from_milliseconds(to_milliseconds(instant))


class _Overtaken(Exception):
    """Nothing was stored: look again."""


def _facts(git: Git, definitions: Iterable[JobDefinition], source: Source) -> WhenFacts:
    changed = None
    if any(definition.when and "changed" in definition.when for definition in definitions):
        try:
            changed = git.changed_paths(source.repository, git.change_base(source), source.tree)
        except (ShallowClone, OutOfBounds):
            # What cannot be known counts as changed: a job too many is better than one too few.
            changed = None
    return WhenFacts(branch=source.branch, tag=source.tag, dirty=source.dirty, changed=changed)


@dataclass(frozen=True, slots=True)
class _Draft:
    """All that a new run is made of."""

    tools: Tools
    service: str
    source: Source
    wish: Wish
    plan: RunPlan
    jobs: tuple[PlannedJob, ...]

    def begin(self, tx: Transaction, *, now: datetime) -> Begun:
        source, tools = self.source, self.tools
        found = runs.unfinished_run(
            tx,
            service=self.service,
            repository=source.repository,
            commit=source.commit.sha,
            tree=source.tree,
            selection=self.wish.only,
            parameters=self.wish.parameters,
        )
        if found is not None:
            return take(tx, tools, found, now)
        run = Run(
            id=new_id("run", now),
            number=next_number(tx, self.service, "run"),
            service=self.service,
            repository=source.repository,
            commit=source.commit.sha,
            tree=source.tree,
            dirty=source.dirty,
            branch=source.branch,
            tag=source.tag,
            state=State.QUEUED,
            reason="",
            created_at=now,
            due_at=now,
            requested_by=tools.settings.user,
            selection=tuple(sorted(set(self.wish.only))),
            parameters=self.wish.parameters,
        )
        token = owners.claim(tx, KIND, run.id, tools.owner, now, LEASE, reason=_reason(run))
        assert token is not None
        if not runs.add_run(tx, run, plan=to_json(self.plan), token=token):
            raise _Overtaken
        commits.add_commit(tx, source.repository, source.commit)
        made = tuple(job_of(run, job, self.plan.definitions[job.definition], now) for job in self.jobs)
        jobs.add_jobs(tx, made)
        return Begun(run, How.NEW, token, jobs=made, plan=self.plan)


def _reason(run: Run) -> str:
    return f"run {run.number} of {run.service}"


def job_of(run: Run, planned: PlannedJob, definition: JobDefinition, now: datetime) -> Job:
    """The row of a planned job as it begins."""
    group = definition.concurrency
    return Job(
        id=new_id("job", now),
        run=run.id,
        name=planned.name,
        definition=planned.definition,
        matrix=planned.matrix,
        needs=planned.needs,
        state=State.QUEUED if planned.skipped is None else State.SKIPPED,
        reason=planned.skipped or "",
        attempt=1,
        allow_failure=planned.allow_failure,
        queued_at=now,
        finished_at=None if planned.skipped is None else now,
        skipped_by=None if planned.skipped is None else SkippedBy.WHEN,
        slots=definition.slots,
        group=group.group if group else None,
        group_limit=group.limit if group else 1,
    )


def take(tx: Transaction, tools: Tools, run: Run, now: datetime) -> Begun:
    """Drive it if its owner is dead, else look on."""
    token = owners.claim(
        tx,
        KIND,
        run.id,
        tools.owner,
        now,
        LEASE,
        reason=_reason(run),
        is_alive=tools.is_alive,
    )
    if token is None:
        held = owners.holder(tx, KIND, run.id)
        return Begun(run, How.WATCHING, None, held.owner if held else None)
    runs.hand_over(tx, run.id, token)
    return Begun(run, How.ATTACHED, token)


def attach(tools: Tools, run: Run) -> Begun:
    """Drive this unfinished run if nobody alive does, else look on."""
    now = tools.clock.now()
    return tools.database.transact(lambda tx: take(tx, tools, run, now))


def request_cancel(tools: Tools, run: Run) -> Begun:
    """Store that the run is to stop, and who can do it: its owner, or (when that is dead) now we."""
    now = tools.clock.now()

    def work(tx: Transaction) -> Begun:
        runs.ask_to_cancel(tx, run.id, f"cancelled by {tools.settings.user}")
        return take(tx, tools, run, now)

    return tools.database.transact(work)


def give_back(tools: Tools, run: Run, token: int) -> None:
    """We go; whoever comes next may drive the run at once."""
    tools.database.transact(lambda tx: owners.release(tx, KIND, run.id, token))


def orphans(tools: Tools, service: str, *, but: str = "") -> list[Run]:
    """Unfinished runs of the service that nobody alive drives, except the one with the id `but`."""

    def work(tx: Transaction) -> list[Run]:
        found = []
        for run in runs.unfinished_runs(tx, service=service):
            held = owners.holder(tx, KIND, run.id)
            if run.id != but and (held is None or tools.is_alive(held.owner) is False):
                found.append(run)
        return found

    return tools.database.read(work)


def nobody_drives(tools: Tools, run: Run) -> bool:
    """Whether it is unfinished and its process is gone, as far as one can tell without claiming the run."""

    def work(tx: Transaction) -> tuple[Run | None, owners.Claim | None]:
        return runs.run_by_id(tx, run.id), owners.holder(tx, KIND, run.id)

    stored, held = tools.database.read(work)
    if stored is None or stored.state.is_final:
        return False
    if held is None or tools.is_alive(held.owner) is False:
        return True
    return held.lease_until + LEASE < tools.clock.now()


def find_run(database: Database, text: str, service: str | None) -> Run:
    """The run that a person means: a number, an id, or `last`. Raises UnknownRun.

    Without a service (outside of a repository) a number must be clear among all services.
    """
    run = database.read(lambda tx: _find(tx, text, service))
    if run is None:
        whose = f" of {service}" if service else ""
        said = f"there is no run{whose} yet" if text == "last" else f"there is no run '{text}'{whose}"
        newest = "" if text == "last" else "headway logs last shows the newest; "
        raise UnknownRun(said, hint=f"{newest}headway run makes one")
    return run


def _find(tx: Transaction, text: str, service: str | None) -> Run | None:
    if text == "last":
        return next(iter(runs.latest_runs(tx, service, limit=1)), None)
    # A number beyond what the database holds is no run's, not its error.
    if text.isdecimal() and len(text) < 18:
        if service is not None:
            return runs.run_by_number(tx, service, int(text))
        found = runs.runs_with_number(tx, int(text))
        if len(found) > 1:
            listed = ", ".join(f"{run.service} ({run.id})" for run in found[:5])
            raise UnknownRun(f"several services have a run {text}: {listed}", hint="name it by its id")
        return found[0] if found else None
    return runs.run_by_id(tx, text)


def look_at(database: Database, run_id: str) -> Look:
    """The run and its jobs as the database has them now."""

    def work(tx: Transaction) -> Look:
        run = runs.run_by_id(tx, run_id)
        assert run is not None
        return Look(run, tuple(jobs.jobs_of(tx, run_id)))

    return database.read(work)


def load_plan(database: Database, run_id: str) -> RunPlan:
    return from_json(database.read(lambda tx: runs.plan_of(tx, run_id)))
