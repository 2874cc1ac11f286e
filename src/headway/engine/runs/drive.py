"""Driving one run from where it stands to its end.

Each turn of the loop takes what has come to an end, lets `pipeline.progress` decide, stores all of it in one
transaction, and only then acts. A process that is killed between any two lines leaves rows that say what was meant;
whoever drives the run next begins with the same loop.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.base.secret import Secret
from headway.domain.release import Artifact
from headway.domain.run import Job, Run, Step
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactError
from headway.drivers.runner.verbs import Runner
from headway.engine.runs.changes import Outcome, RunChanges, RunEnd
from headway.engine.runs.job import Attempt, disk_error
from headway.engine.runs.observer import Observer
from headway.engine.runs.plan import RunPlan
from headway.engine.runs.release import release_of, unfit
from headway.engine.runs.runs import Begun, How, Tools, load_plan, look_at
from headway.engine.runs.slots import Slots
from headway.engine.runs.tenure import Tenure
from headway.engine.runs.watch import Look
from headway.engine.secrets.by_name import secrets_for_run
from headway.pipeline.progress import (
    Drop,
    Finish,
    Skip,
    Start,
    Stop,
    decide,
    is_halted,
    left_out,
    settled,
    started,
)
from headway.store import job_results, runs
from headway.store.database import Transaction

#: Milliseconds by which the wall clock may be ahead of the monotonic one, which stands still while a machine sleeps.
_ASLEEP = 5000


class Detached(Exception):
    """We were told to go. The run's jobs go on; whoever asks for the run next goes on with it."""


@dataclass(slots=True)
class _Todo:
    """What is to be done once the turn is stored."""

    starts: list[str] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    is_finished: bool = False


class Drive:
    """Drives the run that `begun` gave us the token for. Use once."""

    def __init__(
        self,
        tools: Tools,
        runner: Runner,
        begun: Begun,
        look: Look,
        plan: RunPlan,
        *,
        secrets: Sequence[Secret] = (),
        limit: int,
        on_change: Callable[[], None] = lambda: None,
        on_log: Callable[[Job, int], None] = lambda job, kept: None,
        slots: Slots | None = None,
        observer: Observer | None = None,
    ) -> None:
        """`on_change` is called, in the loop's thread, whenever `look` or a log may hold something new.

        `on_log` tells how many bytes of a job's masked log stand. With `slots` a job starts only when it has its own.
        """
        assert begun.token is not None
        self.look = look
        self._tools = tools
        self._runner = runner
        self._token = begun.token
        self._tenure = Tenure(tools, look.run, begun.token)
        self._is_new = begun.how is How.NEW
        self._plan = plan
        self._secrets = {secret.name: secret for secret in secrets}
        self._rules = plan.rules(limit)
        self._on_change = on_change
        self._on_log = on_log
        self._slots = slots
        self._observer = observer
        self._told: Run | None = None
        self._run = look.run
        self._jobs = {job.name: job for job in look.jobs}
        self._attempts: dict[str, Attempt] = {}
        self._tasks: dict[asyncio.Task[Outcome], str] = {}
        self._removals: set[asyncio.Task[None]] = set()
        self._artifacts: dict[str, tuple[Artifact, ...]] = {}
        self._cancel: str | None = None
        self._cancel_is_stored = False
        self._detached = False
        self._stopping: set[str] = set()
        self._wake = asyncio.Event()
        # Wall time that cannot jump while we drive: an instant, and from there on the monotonic clock.
        self._began_at = to_milliseconds(max(tools.clock.now(), look.run.created_at))
        self._began = tools.clock.monotonic()

    def now(self) -> datetime:
        """In whole milliseconds, as it is stored. Never goes back, and catches up after a sleep of the machine."""
        wall, monotonic = to_milliseconds(self._tools.clock.now()), self._tools.clock.monotonic()
        steady = self._began_at + round((monotonic - self._began) * 1000)
        if wall > steady + _ASLEEP:
            self._began_at, self._began, steady = wall, monotonic, wall
        return from_milliseconds(steady)

    def cancel(self, reason: str) -> None:
        """Stop the run, from within the loop's thread: its jobs are ended, then the run ends *cancelled*."""
        if self._cancel is None:
            self._cancel = reason
        self._wake.set()

    def _wished(self, reason: str) -> None:
        """Somebody else has stored that the run is to stop."""
        if self._cancel is None:
            self._cancel_is_stored = True
            self.cancel(reason)

    @property
    def is_cancelled(self) -> bool:
        """Whether the run is being stopped already."""
        return self._cancel is not None

    def detach(self) -> None:
        """Leave everything as it is: `run` raises Detached."""
        self._detached = True
        self._wake.set()

    async def run(self) -> Run:
        """To the end. Raises Detached, TakenOver, DiskFull and the store's errors; the jobs go on in each case."""
        wishes = asyncio.create_task(self._tenure.keep(self._wished))
        try:
            stored = await self._load()
            self._resume(stored)
            while not await self._turn():
                await self._something_happens(wishes)
            return self._run
        finally:
            await _end([wishes, *self._tasks])
            # Working copies of jobs that have ended; what is not removed now goes with `engine.janitor.retention`.
            await asyncio.gather(*self._removals, return_exceptions=True)
            if self._slots is not None:
                self._slots.leave(self._run.id)

    async def _load(self) -> dict[str, list[Step]]:
        """What an owner before us has stored beside the jobs themselves."""
        running = [job for job in self._jobs.values() if job.state is State.RUNNING]
        if self._is_new:
            return {}

        def work(tx: Transaction) -> tuple[str | None, list[tuple[str, Artifact]], dict[str, list[Step]]]:
            return (
                runs.cancel_reason(tx, self._run.id),
                job_results.artifacts_of_run(tx, self._run.id),
                {job.name: job_results.steps_of(tx, job.id, job.attempt) for job in running},
            )

        self._cancel, artifacts, steps = await self._tools.database.fetch(work)
        self._cancel_is_stored = self._cancel is not None
        names = {job.id: job.name for job in self._jobs.values()}
        for job_id, artifact in artifacts:
            name = names[job_id]
            self._artifacts[name] = (*self._artifacts.get(name, ()), artifact)
        return steps

    def _resume(self, steps: dict[str, list[Step]]) -> None:
        for job in list(self._jobs.values()):
            if job.state is State.RUNNING:
                if self._slots is not None:
                    self._slots.hold(self._run, job)
                self._follow(job, None, steps.get(job.name, []))

    async def _something_happens(self, wishes: "asyncio.Task[None]") -> None:
        waiting = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait({waiting, wishes, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self._wake.clear()
        if wishes.done():
            wishes.result()
        if self._detached:
            raise Detached

    async def _turn(self) -> bool:
        """Decide, store, act. True: the run has ended."""
        changes = RunChanges(self._run, self._token, self.now(), self._tools.artifacts)
        done = [(task, self._tasks[task]) for task in self._tasks if task.done()]
        over = [str(self._tools.directory(self._jobs[name])) for _, name in done]
        for task, name in done:
            del self._tasks[task]
            self._settle(changes, name, task.result())
        todo = self._decide(changes)
        self._run = changes.run
        # Working copies are laid out meanwhile; nothing starts before it is stored that it did.
        stored = asyncio.get_running_loop().create_future()
        for name in todo.starts:
            self._follow(self._jobs[name], stored)
        if not changes.is_empty:
            await self._store(changes)
        stored.set_result(None)
        for stop in todo.stops:
            if stop.job not in self._stopping:
                self._stopping.add(stop.job)
                await self._attempts[stop.job].stop(stop.reason)
        for directory in over:
            self._removals.add(asyncio.create_task(self._remove(directory)))
        self.look = Look(self._run, tuple(self._jobs.values()))
        self._on_change()
        return todo.is_finished

    def _settle(self, changes: RunChanges, name: str, outcome: Outcome) -> None:
        """An attempt has ended: for good, or for another one."""
        job = self._jobs[name]
        self._leave_slot(job)
        del self._attempts[name]
        self._stopping.discard(name)
        halted = is_halted(list(self._jobs.values()), self._rules, self._cancel)
        after = settled(job, outcome.end, self._rules, halted=halted, now=changes.now)
        if after.state.is_final:
            self._artifacts[name] = outcome.artifacts
        changes.end_attempt(job, outcome, after)
        self._jobs[name] = after

    def _decide(self, changes: RunChanges) -> _Todo:
        """All that is to be done now; what needs no doing (skip, drop) is decided on at once."""
        todo = _Todo()
        if self._cancel is not None and not self._cancel_is_stored:
            changes.ask_to_cancel(self._cancel)
            self._cancel_is_stored = True
        again = True
        while again:
            again = False
            todo.stops.clear()
            decisions = decide(list(self._jobs.values()), self._rules, self._cancel)
            admitted = self._admit([decision.job for decision in decisions if isinstance(decision, Start)])
            for decision in decisions:
                match decision:
                    case Start(name):
                        if name in admitted:
                            self._start(changes, decision)
                            todo.starts.append(name)
                    case Skip(name) | Drop(name):
                        self._leave_slot(self._jobs[name])
                        self._change(changes, left_out(self._jobs[name], decision, changes.now))
                        again = True
                    case Stop():
                        todo.stops.append(decision)
                    case Finish():
                        changes.end(self._run_end(decision, changes.now))
                        todo.is_finished = True
        return todo

    def _change(self, changes: RunChanges, job: Job) -> None:
        self._jobs[job.name] = job
        changes.change(job)

    def _leave_slot(self, job: Job) -> None:
        if self._slots is not None:
            self._slots.release([job.id])

    def _admit(self, names: Sequence[str]) -> set[str]:
        """Those of them that have a slot; the others wake us once they have."""
        if self._slots is None or not names:
            return set(names)
        asked = {self._jobs[name].id: name for name in names}
        priorities = {name: definition.priority for name, definition in self._plan.definitions.items()}
        jobs = [self._jobs[name] for name in names]
        return {asked[job_id] for job_id in self._slots.ask(self._run, jobs, priorities, self._wake.set)}

    def _start(self, changes: RunChanges, start: Start) -> None:
        job = self._jobs[start.job]
        directory = self._tools.directory(job)
        # The directory is there before the row says so: one that is missing afterwards was taken away.
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise disk_error(error, f"the directory of '{job.name}' could not be made") from error
        if changes.run.state is State.QUEUED:
            changes.begin()
        self._change(changes, started(job, start.reason, str(directory), changes.now))

    def _run_end(self, finish: Finish, now: datetime) -> RunEnd:
        """The end of the run with its release, whose artifacts are kept from now on."""
        if finish.state is not State.SUCCEEDED:
            return RunEnd(finish.state, finish.reason)
        made = [(name, artifact) for name in self._jobs for artifact in self._artifacts.get(name, ())]
        release, note = release_of(self._run, self._plan, made, by=self._tools.settings.user, now=now)
        reason = f"{finish.reason}; {note}" if note else finish.reason
        if release is not None:
            try:
                self._tools.artifacts.renew(release.artifacts)
            except ArtifactError as error:
                return RunEnd(State.ERRORED, f"{error.message}; {note}" if note else error.message)
        unreleased = self._run.trigger is not None and not self._plan.deployable and not unfit(self._run)
        return RunEnd(State.SUCCEEDED, reason, release, is_unreleased=unreleased)

    async def _store(self, changes: RunChanges) -> None:
        def work(tx: Transaction) -> None:
            # Raised within, so that nothing of this turn is stored.
            if not changes.store(tx):
                raise self._tenure.taken_over()
            if self._observer is not None:
                is_other = changes.run != self._told
                self._observer.changed(tx, changes.run, changes.jobs, changes.now, run_changed=is_other)

        await self._tools.database.perform(work)
        self._run = self._told = changes.run

    def _follow(self, job: Job, stored: "asyncio.Future[None] | None", steps: Sequence[Step] = ()) -> None:
        """Carry out the job's attempt; without `stored` it was begun by an owner before us."""
        definition = self._plan.definitions[job.definition]
        needed = [other for other in self._jobs.values() if other.definition in job.needs]
        attempt = Attempt(
            tools=self._tools,
            runner=self._runner,
            run=self._run,
            job=job,
            definition=definition,
            needed=needed,
            artifacts=[artifact for other in needed for artifact in self._artifacts.get(other.name, ())],
            # A stranger's run has been given none of those that it names.
            secrets=[self._secrets[name] for name in definition.secrets if name in self._secrets],
            all_secrets=list(self._secrets.values()),
            steps=steps,
            token=self._token,
            now=self.now,
            on_change=self._on_change,
            on_log=self._on_log,
            stored=stored,
            stop=self._cancel,
        )
        self._attempts[job.name] = attempt
        self._tasks[asyncio.create_task(attempt.carry_out())] = job.name

    async def _remove(self, directory: str) -> None:
        with contextlib.suppress(OSError):
            await self._runner.remove(directory)


def ready(
    tools: Tools,
    runner: Runner,
    begun: Begun,
    *,
    limit: int,
    on_change: Callable[[], None] = lambda: None,
    on_log: Callable[[Job, int], None] = lambda job, kept: None,
    slots: Slots | None = None,
    observer: Observer | None = None,
) -> Drive:
    """The drive of a run that `begun` gave us, with its plan as stored and its secrets as they are now.

    Raises SecretsMissing: a run is not gone on with where its output could not be masked.
    """
    look = Look(begun.run, begun.jobs) if begun.jobs else look_at(tools.database, begun.run.id)
    plan = begun.plan or load_plan(tools.database, begun.run.id)
    secrets = secrets_for_run(begun.run, plan.secrets(), tools.settings, team=plan.team)
    return Drive(
        tools,
        runner,
        begun,
        look,
        plan,
        secrets=secrets,
        limit=limit,
        on_change=on_change,
        on_log=on_log,
        slots=slots,
        observer=observer,
    )


async def _end(tasks: Sequence["asyncio.Task[Outcome] | asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
