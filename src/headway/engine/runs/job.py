"""One attempt of one job: its working copy, its start, its log, what it leaves behind. May be taken up half-way."""

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from headway.base.errors import DiskFull, Errored, HeadwayError, wants_room
from headway.base.secret import Secret
from headway.base.stopping import Stopped, StopSign
from headway.domain.contract import JobDefinition
from headway.domain.job import JobResult, Piece
from headway.domain.release import Artifact
from headway.domain.run import Job, Run, Step
from headway.domain.states import State
from headway.drivers.runner.masking import LogKeeper, beginning_of, mask_text
from headway.drivers.runner.verbs import Runner
from headway.engine.own_thread import in_own_thread
from headway.engine.runs.changes import Outcome
from headway.engine.runs.environment import (
    job_environment,
    job_spec,
    lay_out,
    passed_variables,
    withheld_note,
)
from headway.engine.runs.results import Yield, gather
from headway.engine.runs.runs import Tools
from headway.engine.runs.steps import StepLedger
from headway.pipeline.progress import AttemptEnd
from headway.store import job_results, jobs
from headway.store.database import Transaction

#: Seconds that one look at the runner waits for news.
_WAIT = 5.0
#: Seconds between commits of offsets while a job prints. Nothing is lost in between: the runner has it all.
_COMMIT_EVERY = 0.5
#: Seconds from the wish that a job stop until it has ended, whatever it does: TERM, after 10 s KILL, then nobody waits.
CANCELLED_WITHIN = 30.0
#: Seconds that laying out and collecting may take at least, and what collecting gets of a job that is to end.
_SHORTEST, _LAST_LOOK = 60.0, 3.0
_GO_ON = "then headway run again: it goes on with this run, and no job starts anew"


Result = TypeVar("Result")


def disk_error(error: OSError, what: str) -> Errored:
    """The failed write as an error of ours. The run stays unfinished: whoever mends the disk goes on with it."""
    if wants_room(error):
        return DiskFull(f"the disk is full: {what}", hint=f"free some space, {_GO_ON}")
    return Errored(f"{what}: {error.strerror}: {error.filename}", hint=f"see its owner and mode, {_GO_ON}")


class Attempt:
    def __init__(
        self,
        *,
        tools: Tools,
        runner: Runner,
        run: Run,
        job: Job,
        definition: JobDefinition,
        needed: Sequence[Job],
        artifacts: Sequence[Artifact],
        secrets: Sequence[Secret],
        all_secrets: Sequence[Secret],
        steps: Sequence[Step],
        token: int,
        now: Callable[[], datetime],
        on_change: Callable[[], None],
        on_log: Callable[[Job, int], None],
        stored: "asyncio.Future[None] | None",
        stop: str | None,
    ) -> None:
        """`artifacts` and `needed` are what the jobs that it needs have left; `steps` what an owner before us stored.

        `stored` is done when the database says that the job runs; None when an owner before us has seen to that.
        `stop` is why it is to end at once, None when it may go on.

        `all_secrets` are those of the whole run: an output of one job may carry its secret into another's log.
        """
        self._tools = tools
        self._runner = runner
        self._run = run
        self._job = job
        self._definition = definition
        self._needed = needed
        self._artifacts = artifacts
        self._secrets = secrets
        self._all_secrets = all_secrets
        self._ledger = StepLedger(job, definition, steps)
        self._token = token
        self._now = now
        self._on_change = on_change
        self._on_log = on_log
        self._stored = stored
        self._directory = tools.directory(job)
        self._stop = stop
        #: Of what is being done for it in a thread of its own.
        self._sign = StopSign()
        self._is_started = False

    async def stop(self, reason: str) -> None:
        """Have it end within `CANCELLED_WITHIN`, whatever it does; what it then came to is its outcome."""
        self._stop = reason
        self._sign.stop(reason)
        if self._is_started:
            await self._runner.cancel(str(self._directory), reason)

    async def carry_out(self) -> Outcome:
        """To the attempt's end. Raises DiskFull and the store's errors: then the attempt may be taken up again."""
        try:
            early = await self._begin()
        except DiskFull:
            raise
        except HeadwayError as error:
            early = self._without_start(State.ERRORED, error.message)
        except OSError as error:
            raise disk_error(error, f"the working copy of '{self._job.name}' could not be made") from error
        if early is not None:
            return early
        try:
            return await self._follow()
        except OSError as error:
            raise disk_error(error, f"the log of '{self._job.name}' could not be written") from error

    async def _begin(self) -> Outcome | None:
        """Get it going. An outcome: there is nothing to follow."""
        directory = self._directory
        if self._stored is None:
            if not directory.exists():
                return self._without_start(State.ERRORED, f"its directory {directory} is gone")
            if self._stop is not None and not (directory / "work").exists():
                return self._without_start(State.CANCELLED, self._stop)
        try:
            await self._apart(functools.partial(lay_out, self._tools, self._run, directory, self._artifacts))
        except Stopped as stopped:
            if self._stop is not None:
                return self._without_start(State.CANCELLED, self._stop)
            return self._without_start(State.ERRORED, f"its working copy could not be made: {stopped}")
        if self._stored is not None:
            await self._stored
            if self._stop is not None:
                return self._without_start(State.CANCELLED, self._stop)
        passed = passed_variables(self._definition, self._tools.settings)
        environment = job_environment(self._run, self._job, self._definition, self._needed, passed)
        spec = job_spec(directory, self._definition, environment, self._secrets)
        await self._runner.start(spec)
        self._is_started = True
        if self._stop is not None:
            await self._runner.cancel(str(directory), self._stop)
        return None

    async def _apart(self, work: "Callable[[StopSign], Result]") -> Result:
        """In a thread of its own, for as long as the job itself may take. Raises Stopped."""
        self._sign = sign = StopSign()
        within = max(self._definition.timeout.total_seconds(), _SHORTEST)
        if self._stop is not None:
            # It is to end: what can be had at once is taken.
            within = _LAST_LOOK
        clock, name = self._tools.clock, f"headway {self._job.name}"
        return await in_own_thread(lambda: work(sign), sign, clock, within=within, name=name)

    def _without_start(self, state: State, reason: str) -> Outcome:
        return Outcome(AttemptEnd(state, reason, self._job.taken, self._job.kept))

    async def _follow(self) -> Outcome:
        log = self._tools.log(self._job, self._job.attempt)
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with LogKeeper(log, self._all_secrets, taken=self._job.taken, kept=self._job.kept) as keeper:
            keeper.begin_with(withheld_note(self._definition, self._tools.settings).encode())
            clock = self._tools.clock
            offset, committed_at, stopped_at = keeper.taken, clock.monotonic(), None
            while True:
                # What is judged by how old it is was asked for then: we may have stood still since.
                asked_at = clock.monotonic()
                piece = await self._runner.follow(str(self._directory), offset, wait=_WAIT)
                offset = piece.offset
                self._keep(keeper, piece)
                if piece.result is not None:
                    return await self._ended(piece.result, keeper.taken, keeper.kept)
                now = clock.monotonic()
                if self._stop is not None:
                    stopped_at = now if stopped_at is None else stopped_at
                    if asked_at - stopped_at > CANCELLED_WITHIN:
                        return self._left_behind(self._stop, keeper.taken, keeper.kept)
                if now - committed_at >= _COMMIT_EVERY:
                    await self._commit(keeper.taken, keeper.kept)
                    committed_at = clock.monotonic()

    def _left_behind(self, reason: str, taken: int, kept: int) -> Outcome:
        """Its processes do not end, not even by KILL: they hang in the kernel, say. The run does not wait for them."""
        result = JobResult(State.CANCELLED, f"{reason}; its processes have not ended", (), None)
        self._ledger.end(result, place=kept, now=self._now())
        return Outcome(AttemptEnd(result.state, result.reason, taken, kept), self._ledger.changed())

    def _keep(self, keeper: LogKeeper, piece: Piece) -> None:
        """Append what came to the masked log, and note where steps begin and end in it."""
        if not piece.items and piece.result is None:
            return
        for mark, place in keeper.keep(piece):
            self._ledger.mark(mark, place=place, now=self._now())
        self._on_change()
        self._on_log(self._job, keeper.kept)

    async def _commit(self, taken: int, kept: int) -> None:
        steps, job, token = self._ledger.changed(), self._job, self._token

        def work(tx: Transaction) -> None:
            # A lost token is noticed by the run's loop, whose writes count.
            if jobs.keep_offsets(tx, job.id, token, taken=taken, kept=kept):
                job_results.put_steps(tx, steps)

        await self._tools.database.perform(work)

    async def _ended(self, result: JobResult, taken: int, kept: int) -> Outcome:
        self._ledger.end(result, place=kept, now=self._now())
        found = await self._gather(result)
        end = AttemptEnd(
            state=found.state,
            reason=self._masked(found.reason),
            taken=taken,
            kept=kept,
            outputs=await asyncio.to_thread(self._masked_values, result.outputs),
            tests=found.tests,
        )
        return Outcome(end, self._ledger.changed(), found.artifacts, found.cases)

    async def _gather(self, result: JobResult) -> Yield:
        reason = self._ledger.reason(result)
        if not self._definition.junit and not self._definition.artifacts:
            return Yield(result.state, reason)
        try:
            return await self._apart(
                lambda sign: gather(
                    self._tools.artifacts,
                    Path(self._directory, "work"),
                    self._definition,
                    state=result.state,
                    reason=reason,
                    masked=self._masked_part,
                    sign=sign,
                )
            )
        except Stopped as stopped:
            if result.state is State.CANCELLED:
                return Yield(State.CANCELLED, reason)
            if self._stop is not None:
                return Yield(State.CANCELLED, self._stop)
            return Yield(State.ERRORED, f"what it left could not be collected: {stopped}")
        except DiskFull:
            raise
        except HeadwayError as error:
            return Yield(State.ERRORED, error.message)

    def _masked_values(self, values: Mapping[str, str]) -> dict[str, str]:
        """In a thread: 64 KiB of outputs may be ten thousand values, which take a tenth of a second."""
        return {key: self._masked(value) for key, value in values.items()}

    def _masked_part(self, text: str, is_whole: bool) -> str:
        """For what is cut after this, and may have been cut before."""
        if not self._all_secrets:
            return text
        data = text.encode("utf-8", "surrogateescape")
        return beginning_of(data, self._all_secrets, is_whole=is_whole).decode("utf-8", "replace")

    def _masked(self, text: str) -> str:
        return mask_text(text, self._all_secrets) if self._all_secrets else text
