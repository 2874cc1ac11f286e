"""Drives one deployment to its end: decide, store, act, and again. Everything it knows stands in rows and on the hosts,
so whoever comes after a kill drives on from there."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from headway.base.clock import Clock
from headway.base.errors import DiskFull, HeadwayError
from headway.deploy.host_states import UNTOUCHED, Outcome, begin, finish, leave_out
from headway.deploy.rollout import Action, Asked, Decision, Facts, next_actions, watch_of
from headway.domain.deployment import (
    Deployment,
    DeploymentKind,
    DeploymentState,
    DeploymentStep,
    HostRow,
    Wishes,
)
from headway.engine.deployments.books import Books
from headway.engine.hosts.lock import BEAT, HostsLock, TakenOver
from headway.engine.hosts.work import HostWork
from headway.store.errors import DatabaseDamaged, DatabaseUnavailable

log = logging.getLogger("headway.deployments")

#: Seconds between two tries to store something while the database is away.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0


class Watcher:
    """What a face is told while a deployment goes on; every method may be left as it is."""

    def deployment(self, deployment: Deployment) -> None:
        """Its state or reason changed."""

    def host(self, row: HostRow) -> None:
        """A host's state changed."""

    def steps(self, steps: Sequence[DeploymentStep]) -> None:
        """Steps began or ended."""

    def note(self, text: str) -> None:
        """One line for a person."""


@dataclass
class Interruption:
    """Ctrl-C, as the drive sees it: `asked` is set by the face, then the face is put the question.

    `changed` wakes the drive.
    """

    asked: Asked | None = None
    #: A deployment goes on that can be asked; before, there is nothing to finish.
    armed: bool = False
    #: Called when nothing is under way; answers BACK, STAY, or None to go on. It may also leave the process.
    question: Callable[[], Awaitable[Asked | None]] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    #: What the row said last: people who are not here ask through it.
    told: str | None = None
    #: Hosts that it says are not to be tried any more.
    without: frozenset[str] = frozenset()

    def ask(self, asked: Asked | None) -> None:
        self.asked = asked
        self.changed.set()

    def heed(self, wishes: Wishes) -> None:
        """What the row says now; only a new word counts, so that it does not undo what was asked here."""
        if wishes.asked != self.told:
            self.told = wishes.asked
            self.ask(Asked(self.told) if self.told else None)
        if not self.without.issuperset(wishes.without):
            self.without |= frozenset(wishes.without)
            self.changed.set()

    def forget(self) -> None:
        """What was asked is over with the deployment of which it was asked."""
        self.asked = self.told = None

    async def until_told(self) -> Asked | None:
        """A `question` for where nobody sits at a terminal: stands still until the row says something else."""
        while self.told == Asked.PAUSE:
            self.changed.clear()
            await self.changed.wait()
        return Asked(self.told) if self.told else None


@dataclass
class Drive:
    deployment: Deployment
    #: In the order of their switch.
    rows: dict[str, HostRow]
    work: Mapping[str, HostWork]
    lock: HostsLock
    books: Books
    clock: Clock
    facts: Facts
    watcher: Watcher
    interruption: Interruption
    _active: dict[str, tuple[Action, "asyncio.Task[Outcome]"]] = field(default_factory=dict)
    _steps: list[DeploymentStep] = field(default_factory=list)
    #: Hosts that did not answer when something was to be done there.
    _away: set[str] = field(default_factory=set)

    async def run(self) -> Deployment:
        """To a final state. Raises TakenOver when another owner has come; then nothing more is written."""
        renewal = asyncio.create_task(self._renew())
        self.interruption.armed = True
        try:
            while True:
                await self._leave_out()
                before, decision = self.deployment, self._decide()
                await self._begin(decision)
                if self.deployment.state.is_final:
                    return self.deployment
                if decision.ask and self.interruption.question is not None:
                    self.interruption.asked = await self.interruption.question()
                elif self._active:
                    await self._wait()
                else:
                    assert self.deployment != before, f"nothing to do, nothing to wait for: {decision.reason}"
        finally:
            self.interruption.armed = False
            renewal.cancel()
            for _, task in self._active.values():
                task.cancel()
            await asyncio.gather(
                renewal, *(task for _, task in self._active.values()), return_exceptions=True
            )

    def on_steps(self, steps: Sequence[DeploymentStep]) -> None:
        """Steps of a job on a host began or ended."""
        self._steps.extend(steps)
        self.watcher.steps(steps)
        self.interruption.changed.set()

    def _now(self) -> datetime:
        """Never before what is written already: a clock that jumps back would make times of recovery negative."""
        deployment = self.deployment
        known = [deployment.started_at, deployment.first_switched_at, deployment.verified_at]
        for row in self.rows.values():
            known += [row.switched_at, row.verified_at, row.reverted_at]
        return max(self.clock.now(), *(instant for instant in known if instant is not None))

    def _decide(self) -> Decision:
        away = self._away.union(host for host in self.work if self.lock.out_of_reach(host))
        facts = replace(
            self.facts, active=frozenset(self._active), asked=self.interruption.asked, away=frozenset(away)
        )
        return next_actions(self.deployment, list(self.rows.values()), facts)

    async def _leave_out(self) -> None:
        """Hosts that a person wants left alone: what is under way there is no longer waited for.

        A rollback goes on without them, and without those out of reach, where it has switched nothing there.
        """
        fresh = (self.interruption.without & self.work.keys()) - self.lock.left_out
        self.lock.left_out |= fresh
        for host in fresh & self._active.keys():
            self._active[host][1].cancel()
        if self.deployment.kind is not DeploymentKind.ROLLBACK:
            return
        idle = [row for row in self.rows.values() if row.state in UNTOUCHED and row.host not in self._active]
        await self._store(
            self.deployment,
            [leave_out(row, why) for row in idle if (why := self.lock.out_of_reach(row.host))],
        )

    async def _begin(self, decision: Decision) -> None:
        """Stores the decision, and only then acts on it."""
        now = self._now()
        changed = []
        for action in decision.actions:
            row = self.rows[action.host]
            if (begun := begin(row, action.kind)) != row:
                changed.append(begun)
        await self._store(self._decided(decision, now), changed)
        for host in decision.stop:
            self._active[host][1].cancel()
        for action in decision.actions:
            work = self.work[action.host]
            task = asyncio.create_task(work.act(action.kind, due_at=self.rows[action.host].due_at))
            self._active[action.host] = (action, task)

    def _decided(self, decision: Decision, now: datetime) -> Deployment:
        deployment = self.deployment
        reason = (
            deployment.reason
            if decision.state is deployment.state is DeploymentState.ROLLING_BACK
            else decision.reason
        )
        return replace(
            deployment,
            state=decision.state,
            reason=reason,
            rolled_back_automatically=deployment.rolled_back_automatically or decision.automatic,
            verified_at=deployment.verified_at or (now if decision.verified else None),
            finished_at=now if decision.state.is_final else None,
        )

    async def _wait(self) -> None:
        """Until something under way ends, or somebody asks, or we are taken over."""
        tasks = {task for _, task in self._active.values()}
        lost = asyncio.create_task(self.lock.lost.wait())
        asked = asyncio.create_task(self.interruption.changed.wait())
        try:
            await asyncio.wait({*tasks, lost, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            asked.cancel()
        self.interruption.changed.clear()
        self._require_ours()
        await self._take_in([(host, *entry) for host, entry in self._active.items() if entry[1].done()])

    async def _take_in(self, ended: Sequence[tuple[str, Action, "asyncio.Task[Outcome]"]]) -> None:
        now, changed = self._now(), []
        for host, action, task in ended:
            del self._active[host]
            if task.cancelled():
                # Broken off: it only asked. The row stays, and the next decision says what comes.
                continue
            row = self.rows[host]
            outcome = task.result()
            if outcome.away:
                self._away.add(host)
            changed.append(finish(row, action.kind, outcome, watch=watch_of(row, self.facts), now=now))
        deployment = self.deployment
        if deployment.first_switched_at is None and any(row.switched_at for row in changed):
            deployment = replace(deployment, first_switched_at=now)
        await self._store(deployment, changed)

    async def _store(self, deployment: Deployment, changed: Sequence[HostRow]) -> None:
        steps, self._steps = self._steps, []
        if deployment == self.deployment and not changed and not steps:
            return
        told = deployment != self.deployment
        if not await self._save(deployment if told else None, changed, steps):
            raise TakenOver(
                f"deployment {deployment.number} has another owner by now; this process stops here",
                hint=f"headway status {deployment.environment} shows who goes on",
            )
        self.deployment = deployment
        for row in changed:
            self.rows[row.host] = row
            self.watcher.host(row)
        if told:
            self.watcher.deployment(deployment)

    async def _save(
        self, deployment: Deployment | None, changed: Sequence[HostRow], steps: Sequence[DeploymentStep]
    ) -> bool:
        """As the books say; a database that is away is waited for. Nothing new is begun on a host meanwhile, what is
        under way there goes on, and the hosts stay ours."""
        pause, told = _FIRST_PAUSE, ""
        while True:
            try:
                saved = await self.books.save(deployment, changed, steps)
            except DatabaseDamaged:
                raise
            except (DatabaseUnavailable, DiskFull) as error:
                if error.message != told:
                    self.watcher.note(f"{error.message}; waiting until it can be stored")
                    told = error.message
                await self._unless_lost(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if told:
                    self.watcher.note("the database answers again")
                return saved

    async def _unless_lost(self, pause: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self.lock.lost.wait()
        self._require_ours()

    def _require_ours(self) -> None:
        if self.lock.lost.is_set():
            raise TakenOver(
                f"{self.lock.lost_because}; this process stops here",
                hint=f"headway status {self.deployment.environment} shows who goes on",
            )

    async def _renew(self) -> None:
        while True:
            await self.clock.sleep(BEAT)
            try:
                renewed = await self.books.renew()
                self.interruption.heed(await self.books.wishes(self.deployment.id))
            except Exception as error:
                # The hosts' lock is what counts; whoever writes rows waits for the database, and says so.
                if not isinstance(error, HeadwayError):
                    log.exception("the claim of %s could not be renewed", self.deployment.environment)
                continue
            if not renewed:
                self.lock.lost_because = "another owner has taken the environment in the database"
                self.lock.lost.set()
                return
