"""A group of commands on a host, as one job of the runner there: started once, followed by whoever comes.

The job's directory lies in the owner's epoch, so a late owner cannot even make it. What is found on the host
decides: a job that is there is followed, never started again; only a runner that was lost gets a further attempt,
in which the frame of each step leaves out what the journal says is done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from headway.base.clock import Clock
from headway.base.durations import format_duration
from headway.base.secret import Secret
from headway.deploy.hostside import STEP_SCRIPT_PATH, framed_script, journal_key, journal_more
from headway.deploy.layout import epoch_directory, step_directory
from headway.deploy.plan import Plan
from headway.domain.deployment import Command, DeploymentStep
from headway.domain.job import JobResult, JobSpec, LogCut, Piece, StepMark, StepSpec
from headway.domain.states import State
from headway.drivers.runner.masking import LastWords, mask_text
from headway.drivers.ssh.errors import CommandTimedOut, SshError
from headway.engine.hosts.link import HostLink

T = TypeVar("T")
#: How long one question for news waits. Short, because several names may share one session.
_WAIT = 1.0
#: Seconds for a step without a job; it may throw away large old releases.
_QUICK_TIMEOUT = 300.0
#: A runner that is lost this often is not lost by chance.
ATTEMPTS = 3
_OUTPUT_KEPT = 4 * 2**10

#: Told when steps begin and end; stores and shows them.
OnSteps = Callable[[Sequence[DeploymentStep]], object]


@dataclass(frozen=True, slots=True)
class JobEnd:
    """What came of a group. `done` are the steps that ended well, in this attempt."""

    state: State
    reason: str
    done: frozenset[str]


@dataclass
class HostJobs:
    link: HostLink
    plan: Plan
    token: int
    clock: Clock
    #: Masks what is kept of outputs.
    secrets: Sequence[Secret]
    on_steps: OnSteps

    async def run(self, group: str, commands: Sequence[Command], *, again: bool = False) -> JobEnd:
        """The group's end: of the job that is there already, else of one that is started now. `again`: of one that
        failed before what did not succeed is run once more."""
        if not commands:
            return JobEnd(State.SUCCEEDED, "", frozenset())
        attempt, directory = self._last_attempt(group)
        may_repeat = again and directory is not None
        first: Piece | None = None
        if directory is None:
            attempt = 1
            directory, first = await self._start(group, commands, attempt)
        while True:
            end = await self._follow(directory, commands, attempt, first)
            if end.state is State.ERRORED:
                await _end_lost(self.link, directory)
            is_lost = end.state is State.ERRORED and attempt < ATTEMPTS
            if end.state is State.SUCCEEDED or not (is_lost or may_repeat):
                return end
            attempt, may_repeat = attempt + 1, False
            directory, first = await self._start(group, commands, attempt)

    async def quick(self, command: Command, extra: Mapping[str, object] | None = None) -> JobEnd:
        """A step of Headway's own without a job: milliseconds, harmless when done twice, in the same frame.

        A job costs the host about thirty processes; this, a handful. `extra` goes into the journal's lines.
        """
        more = journal_more(self.plan.release, self.token, 1, extra)
        key = journal_key(self.plan.deployment, command.host, command.step)
        began = self.clock.now()
        script = framed_script(self.link.root, self.token, key, more, command.script)
        try:
            reply = await self.link.call(script, timeout=_QUICK_TIMEOUT)
        except CommandTimedOut:
            limit = timedelta(seconds=_QUICK_TIMEOUT)
            return JobEnd(State.FAILED, _overdue(command.step, limit), frozenset())
        good = reply.exit_code == 0
        said = mask_text(reply.text, self.secrets).strip()
        row = DeploymentStep(
            self.plan.deployment,
            command.host,
            command.step,
            1,
            State.SUCCEEDED if good else State.FAILED,
            reply.exit_code,
            began,
            self.clock.now(),
            said[-_OUTPUT_KEPT:],
        )
        self.on_steps([row])
        if good:
            return JobEnd(State.SUCCEEDED, "", frozenset({command.step}))
        reason = f"exit {reply.exit_code} in {command.step}: {said[-200:]}".rstrip(": ")
        return JobEnd(State.FAILED, reason, frozenset())

    def note(self, step: str, state: State, began: datetime, output: str) -> None:
        """A row for what is no command of a plan: a health check, the log of what failed. Masked here."""
        text = mask_text(output, self.secrets)[-_OUTPUT_KEPT:]
        self.on_steps(
            [
                DeploymentStep(
                    self.plan.deployment, self.link.name, step, 1, state, None, began, self.clock.now(), text
                )
            ]
        )

    def _last_attempt(self, group: str) -> tuple[int, str | None]:
        jobs = [
            job for job in self.link.record.jobs(self.plan.deployment, self.link.name) if job.group == group
        ]
        return (jobs[-1].attempt, f"{self.link.root}/{jobs[-1].directory}") if jobs else (0, None)

    async def _start(self, group: str, commands: Sequence[Command], attempt: int) -> tuple[str, Piece]:
        """Starts it and waits a moment: most jobs here take milliseconds, and so one round trip."""
        root, deployment = self.link.root, self.plan.deployment
        directory = f"{root}/{step_directory(self.token, deployment, self.link.name, group, attempt)}"
        spec = job_spec(
            self.plan, commands, root=root, directory=directory, token=self.token, attempt=attempt
        )

        async def start() -> Piece:
            return await (await self.link.runner()).begin(spec, wait=_WAIT)

        return directory, await _ask(self.link, start)

    async def _news(self, directory: str, offset: int) -> Piece:
        return await _news(self.link, directory, offset)

    async def _follow(
        self, directory: str, commands: Sequence[Command], attempt: int, first: Piece | None
    ) -> JobEnd:
        row = DeploymentStep(
            self.plan.deployment, self.link.name, "", attempt, State.RUNNING, None, self.clock.now(), None
        )
        taker = _Taker(row, commands, self.secrets, self.clock)
        asked_at = self.clock.monotonic()
        piece = first or await self._news(directory, 0)
        ended_by_us = ""
        while True:
            if changed := taker.take(piece.items, piece.result):
                self.on_steps(changed)
            if piece.result is not None:
                end = taker.end(piece.result)
                # What it came to by itself counts, if it was faster than we.
                late = ended_by_us and end.state is State.CANCELLED
                return JobEnd(State.FAILED, ended_by_us, end.done) if late else end
            if not ended_by_us and (ended_by_us := taker.overdue(asked_at)):
                await self._end(directory, ended_by_us)
            asked_at = self.clock.monotonic()
            piece = await self._news(directory, piece.offset)

    async def _end(self, directory: str, reason: str) -> None:
        async def cancel() -> None:
            await (await self.link.runner()).cancel(directory, reason)

        await _ask(self.link, cancel)


async def settle_all(
    links: Sequence[HostLink], clock: Clock, note: Callable[[str], None], patience: float | None
) -> None:
    """Whatever still runs on the hosts, whosoever it was, ends before anything is decided; then they are looked at anew."""
    busy = [link for link in links if link.record.unended()]
    if not busy:
        return
    note(f"following the step at hand on {', '.join(link.name for link in busy)}")

    async def end(link: HostLink) -> None:
        await settle(link, clock, patience)
        await link.look()

    await asyncio.gather(*(end(link) for link in busy))


async def settle(link: HostLink, clock: Clock, patience: float | None = None) -> None:
    """Follows whatever runs on this host to its end, whosoever it is; after `patience` seconds it is ended."""
    paths = [f"{link.root}/{path}" for path in link.record.unended()]
    await asyncio.gather(*(_settle(link, clock, path, patience) for path in paths))


async def _settle(link: HostLink, clock: Clock, directory: str, patience: float | None) -> None:
    offset, since, cancelled = 0, clock.monotonic(), False
    while True:
        asked_at = clock.monotonic()
        piece = await _news(link, directory, offset)
        if piece.result is not None:
            if piece.result.state is State.ERRORED:
                await _end_lost(link, directory)
            return
        offset = piece.offset
        if patience is not None and not cancelled and asked_at - since > patience:
            cancelled = True
            await (await link.runner()).cancel(directory, "another deployment goes before it")


async def _end_lost(link: HostLink, directory: str) -> None:
    """It has no result and never will: noted there, so that nobody waits for it again."""

    async def end() -> None:
        await (await link.runner()).end_lost(directory)

    await _ask(link, end)


async def _news(link: HostLink, directory: str, offset: int) -> Piece:
    async def ask() -> Piece:
        return await (await link.runner()).follow(directory, offset, wait=_WAIT, patient=True)

    return await _ask(link, ask)


async def _ask(link: HostLink, question: Callable[[], Awaitable[T]]) -> T:
    """About a job: what does not answer in time is asked again, since the job goes on whoever follows it."""
    try:
        return await link.persist(question, once_more=True)
    except CommandTimedOut as error:
        raise SshError(
            link.name, f"{link.name} does not answer what came of the step at hand, which goes on there"
        ) from error


class _Taker:
    """Turns what a job prints into rows of steps: their output masked, its end kept."""

    def __init__(
        self, row: DeploymentStep, commands: Sequence[Command], secrets: Sequence[Secret], clock: Clock
    ) -> None:
        """`row` is what all rows have in common."""
        self._row = row
        self._commands = commands
        self._clock = clock
        self._open: DeploymentStep | None = None
        #: By the monotonic clock: when the open step was seen to begin.
        self._open_since = 0.0
        self._output = LastWords(secrets, _OUTPUT_KEPT)
        self._now, self._last = clock.now(), 0.0
        self._done: set[str] = set()
        #: The step that was under way when the job ended.
        self._cut_off = ""
        self._last_words = ""

    def take(
        self, items: Sequence[bytes | StepMark | LogCut], result: JobResult | None
    ) -> list[DeploymentStep]:
        changed: dict[str, DeploymentStep] = {}
        self._place(items)
        for item in items:
            if isinstance(item, bytes):
                self._output.feed(item)
            elif isinstance(item, LogCut):
                self._output.drop()
            elif item.exit_code is None:
                self._open, self._open_since = self._begin(item), self._clock.monotonic()
                changed[self._open.step] = self._open
            elif self._open is not None:
                ended = self._end(self._open, item)
                changed[ended.step] = ended
                self._open = None
        if result is not None and result.output_truncated:
            self._output.drop()
        if result is not None and self._open is not None:
            self._cut_off = self._open.step
            ended = replace(self._close(self._open, self._now), state=result.state)
            changed[ended.step] = ended
            self._open = None
        return list(changed.values())

    def overdue(self, asked_at: float) -> str:
        """Which step had taken longer than its own limit when the last news was asked for; empty while none had. What
        came while we stood still ourselves is older than now."""
        if self._open is None:
            return ""
        limit = next((one.limit for one in self._commands if one.step == self._open.step), None)
        if limit is None or asked_at - self._open_since <= limit.total_seconds():
            return ""
        return _overdue(self._open.step, limit)

    def end(self, result: JobResult) -> JobEnd:
        reason = f"{result.reason} in {self._cut_off}" if self._cut_off else result.reason
        if result.state is State.FAILED and self._last_words:
            reason = f"{reason}: {self._last_words}"
        return JobEnd(result.state, self._named(reason), frozenset(self._done))

    def _place(self, items: Sequence[bytes | StepMark | LogCut]) -> None:
        """Marks tell the host's uptime: the last of a piece is taken for now, the others count back from it."""
        self._now = self._clock.now()
        self._last = max((item.uptime for item in items if isinstance(item, StepMark)), default=0.0)

    def _at(self, mark: StepMark) -> datetime:
        return self._now - timedelta(seconds=self._last - mark.uptime)

    def _begin(self, mark: StepMark) -> DeploymentStep:
        self._output.finish()
        known = mark.index <= len(self._commands)
        step = self._commands[mark.index - 1].step if known else f"step {mark.index}"
        return replace(self._row, step=step, started_at=self._at(mark))

    def _end(self, row: DeploymentStep, mark: StepMark) -> DeploymentStep:
        good = mark.exit_code == 0
        if good:
            self._done.add(row.step)
        closed = self._close(row, self._at(mark))
        return replace(closed, state=State.SUCCEEDED if good else State.FAILED, exit_code=mark.exit_code)

    def _close(self, row: DeploymentStep, at: datetime) -> DeploymentStep:
        text = self._output.finish()
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        self._last_words = lines[-1][-200:] if lines else ""
        return replace(row, finished_at=at, output=text)

    def _named(self, reason: str) -> str:
        """The runner counts steps; people know them by name."""
        for index, command in enumerate(self._commands, 1):
            reason = reason.replace(f"in step {index}", f"in {command.step}")
        return reason


def _overdue(step: str, limit: timedelta) -> str:
    return f"{step} took longer than its limit of {format_duration(limit)} and was ended"


def job_spec(
    plan: Plan, commands: Sequence[Command], *, root: str, directory: str, token: int, attempt: int
) -> JobSpec:
    """The runner's job of these commands: each in Headway's frame, in its directory, with its settings."""
    return JobSpec(
        directory=directory,
        working_directory=root,
        steps=tuple(_step(plan, command, root, token, attempt) for command in commands),
        timeout=sum((command.limit for command in commands), timedelta()),
        stop_within=max(command.stop_within for command in commands),
        keep_background=True,
    )


def _step(plan: Plan, command: Command, root: str, token: int, attempt: int) -> StepSpec:
    frame = (
        "sh",
        f"{root}/{STEP_SCRIPT_PATH}",
        root,
        f"{root}/{epoch_directory(token)}",
        command.settings or "",
        journal_key(plan.deployment, command.host, command.step),
        journal_more(plan.release, token, attempt),
    )
    return StepSpec(
        name=command.step,
        script=command.script,
        shell=frame,
        env=command.env,
        working_directory=f"{root}/{command.directory}" if command.directory != "." else None,
    )
