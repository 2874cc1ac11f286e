"""Driving one run from where it stands to its end.

Each turn of the loop takes what has come to an end, lets `pipeline.progress` decide, stores all of it in one
transaction, and only then acts. A process that is killed between any two lines leaves rows that say what was meant;
whoever drives the run next begins with the same loop.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.base.secret import Secret
from headway.domain.release import Artifact
from headway.domain.run import Job, Run, Step
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactError
from headway.drivers.runner.verbs import Runner
from headway.engine.run_job import Attempt, Outcome, disk_error
from headway.engine.run_plan import RunPlan
from headway.engine.run_release import release_of
from headway.engine.run_tenure import Tenure
from headway.engine.run_watch import Look
from headway.engine.runs import KIND, Begun, How, Tools, load_plan, look_at
from headway.engine.secrets import load_secrets
from headway.pipeline.progress import Drop, Finish, Skip, Start, Stop, decide, is_halted, settle
from headway.store import job_results, jobs, owners, runs
from headway.store.database import Transaction

Write = Callable[[Transaction], bool]

#: Milliseconds by which the wall clock may be ahead of the monotonic one, which stands still while a machine sleeps.
_ASLEEP = 5000


class Detached(Exception):
    """We were told to go. The run's jobs go on; whoever asks for the run next goes on with it."""


@dataclass
class _Turn:
    """What one turn of the loop stores, and what it does afterwards."""

    writes: list[Write] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)
    finish: Finish | None = None


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
    ) -> None:
        """`on_change` is called, in the loop's thread, whenever `look` or a log may hold something new."""
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
            while True:
                finish = await self._turn()
                if finish:
                    return self._run
                await self._something_happens(wishes)
        finally:
            await _end([wishes, *self._tasks])
            # Working copies of jobs that have ended; what is not removed now goes with `engine.retention`.
            await asyncio.gather(*self._removals, return_exceptions=True)

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

    async def _turn(self) -> Finish | None:
        turn = _Turn()
        now = self.now()
        for task in [task for task in self._tasks if task.done()]:
            self._settle(turn, self._tasks.pop(task), task.result(), now)
        self._decide(turn, now)
        # Working copies are laid out meanwhile; nothing starts before it is stored that it did.
        stored = asyncio.get_running_loop().create_future()
        for name in turn.starts:
            self._follow(self._jobs[name], stored)
        if turn.writes:
            await self._store(turn)
        stored.set_result(None)
        for stop in turn.stops:
            if stop.job not in self._stopping:
                self._stopping.add(stop.job)
                await self._attempts[stop.job].stop(stop.reason)
        for directory in turn.removals:
            self._removals.add(asyncio.create_task(self._remove(directory)))
        self.look = Look(self._run, tuple(self._jobs.values()))
        self._on_change()
        return turn.finish

    def _settle(self, turn: _Turn, name: str, outcome: Outcome, now: datetime) -> None:
        """An attempt has ended: for good, or for another one."""
        job = replace(self._jobs[name], taken=outcome.taken, kept=outcome.kept)
        del self._attempts[name]
        self._stopping.discard(name)
        halted = is_halted(list(self._jobs.values()), self._rules, self._cancel)
        settled = settle(job, outcome.state, outcome.reason, self._rules, halted=halted)
        ended_at = max(now, job.started_at or now)
        token = self._token
        turn.writes.append(
            lambda tx: jobs.keep_offsets(tx, job.id, token, taken=outcome.taken, kept=outcome.kept)
        )
        turn.writes.append(_always(lambda tx: job_results.put_steps(tx, outcome.steps)))
        if settled.state is State.QUEUED:
            turn.writes.append(
                lambda tx: jobs.retry_job(
                    tx,
                    job,
                    token,
                    ended=outcome.state,
                    why=outcome.reason,
                    reason=settled.reason,
                    now=ended_at,
                )
            )
            self._jobs[name] = replace(
                job,
                state=State.QUEUED,
                attempt=settled.attempt,
                reason=settled.reason,
                directory=None,
                started_at=None,
                taken=0,
                kept=0,
            )
        else:
            self._end(turn, job, outcome, settled.reason, ended_at)
        turn.removals.append(str(self._tools.directory(job)))

    def _end(self, turn: _Turn, job: Job, outcome: Outcome, reason: str, now: datetime) -> None:
        token = self._token
        turn.writes.append(
            lambda tx: jobs.end_job(
                tx,
                job.id,
                token,
                state=outcome.state,
                reason=reason,
                now=now,
                outputs=outcome.outputs,
                tests=outcome.tests,
            )
        )
        if outcome.artifacts:
            turn.writes.append(_always(lambda tx: job_results.put_artifacts(tx, job.id, outcome.artifacts)))
            self._artifacts[job.name] = outcome.artifacts
        if outcome.cases:
            turn.writes.append(_always(lambda tx: job_results.put_test_cases(tx, job.id, outcome.cases)))
        self._jobs[job.name] = replace(
            job,
            state=outcome.state,
            reason=reason,
            finished_at=now,
            outputs=outcome.outputs,
            tests=outcome.tests,
        )

    def _decide(self, turn: _Turn, now: datetime) -> None:
        """All that is to be done now; what needs no doing (skip, drop) is decided on at once."""
        if self._cancel is not None and not self._cancel_is_stored:
            reason = self._cancel
            turn.writes.append(_always(lambda tx: runs.ask_to_cancel(tx, self._run.id, reason)))
            self._cancel_is_stored = True
        while True:
            settled = False
            for decision in decide(list(self._jobs.values()), self._rules, self._cancel):
                match decision:
                    case Start():
                        self._start(turn, decision, now)
                    case Skip():
                        self._leave_out(turn, decision.job, State.SKIPPED, decision.reason, now)
                        settled = True
                    case Drop():
                        self._leave_out(turn, decision.job, State.CANCELLED, decision.reason, now)
                        settled = True
                    case Stop():
                        turn.stops.append(decision)
                    case Finish():
                        self._finish(turn, decision, now)
            if not settled:
                return
            turn.stops.clear()

    def _start(self, turn: _Turn, start: Start, now: datetime) -> None:
        job, token = self._jobs[start.job], self._token
        directory = self._tools.directory(job)
        # The directory is there before the row says so: one that is missing afterwards was taken away.
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise disk_error(error, f"the directory of '{job.name}' could not be made") from error
        if self._run.state is State.QUEUED:
            turn.writes.append(_always(lambda tx: runs.begin_run(tx, self._run.id, token, now)))
            self._run = replace(self._run, state=State.RUNNING, started_at=now)
        turn.writes.append(
            lambda tx: jobs.start_job(
                tx, job.id, token, reason=start.reason, directory=str(directory), now=now
            )
        )
        self._jobs[start.job] = replace(
            job, state=State.RUNNING, reason=start.reason, directory=str(directory), started_at=now
        )
        turn.starts.append(start.job)

    def _leave_out(self, turn: _Turn, name: str, state: State, reason: str, now: datetime) -> None:
        job, token = self._jobs[name], self._token
        turn.writes.append(lambda tx: jobs.end_job(tx, job.id, token, state=state, reason=reason, now=now))
        self._jobs[name] = replace(job, state=state, reason=reason, finished_at=now)

    def _finish(self, turn: _Turn, finish: Finish, now: datetime) -> None:
        run, token = self._run, self._token
        release, note = None, ""
        if finish.state is State.SUCCEEDED:
            made = [(name, artifact) for name in self._jobs for artifact in self._artifacts.get(name, ())]
            release, note = release_of(run, self._plan, made, by=self._tools.settings.user, now=now)
        if release is not None:
            try:
                self._tools.artifacts.renew(release.artifacts)
            except ArtifactError as error:
                release, finish = None, Finish(State.ERRORED, error.message)
        reason = f"{finish.reason}; {note}" if note else finish.reason
        if release is not None:
            from headway.engine.releases import store_release

            def keep(tx: Transaction) -> bool:
                stored = store_release(tx, self._tools.artifacts, release, now=now)
                runs.note_release(tx, run.id, stored.id)
                return True

            turn.writes.append(keep)
        turn.writes.append(
            lambda tx: runs.finish_run(tx, run.id, token, state=finish.state, reason=reason, now=now)
        )
        turn.writes.append(_always(lambda tx: owners.release(tx, KIND, run.id, token)))
        turn.finish = Finish(finish.state, reason)
        self._run = replace(
            run,
            state=finish.state,
            reason=reason,
            finished_at=now,
            due_at=None,
            release=release.id if release else None,
        )

    async def _store(self, turn: _Turn) -> None:
        writes = turn.writes

        def work(tx: Transaction) -> None:
            for write in writes:
                if not write(tx):
                    # Raised within, so that nothing of this turn is stored.
                    raise self._tenure.taken_over()

        await self._tools.database.perform(work)

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
            secrets=[self._secrets[name] for name in definition.secrets],
            all_secrets=list(self._secrets.values()),
            steps=steps,
            token=self._token,
            now=self.now,
            on_change=self._on_change,
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
) -> Drive:
    """The drive of a run that `begun` gave us, with its plan as stored and its secrets as they are now.

    Raises SecretsMissing: a run is not gone on with where its output could not be masked.
    """
    look = Look(begun.run, begun.jobs) if begun.jobs else look_at(tools.database, begun.run.id)
    plan = begun.plan or load_plan(tools.database, begun.run.id)
    secrets = load_secrets(plan.secrets(), begun.run.service, None, tools.settings)
    return Drive(tools, runner, begun, look, plan, secrets=secrets, limit=limit, on_change=on_change)


def _always(write: Callable[[Transaction], object]) -> Write:
    """A write whose answer does not tell whether the run is ours."""

    def work(tx: Transaction) -> bool:
        write(tx)
        return True

    return work


async def _end(tasks: Sequence["asyncio.Task[Outcome] | asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
