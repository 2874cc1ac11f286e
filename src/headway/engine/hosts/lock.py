"""The lock of an environment on its hosts: taken in name order, kept by a heartbeat, let go by a rename.

Nobody ever has to delete anything: an owner that died on this machine is known to be dead at once, one on another
machine when it has not changed its counter for 30 s of our own clock.
"""

import asyncio
import itertools
import logging
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from headway.base.awake import awake_for
from headway.base.clock import Clock
from headway.base.errors import Errored, Held
from headway.base.secret import last_lines
from headway.deploy.hostside import (
    LOST,
    TAKEN_BY_ANOTHER,
    beat_script,
    close_script,
    holds_script,
    take_script,
)
from headway.deploy.lock import Holder, LockOwner, holders, next_token, stale_on, told
from headway.deploy.strategy import has_majority
from headway.drivers.ssh.errors import SshError
from headway.engine.hosts.link import HostLink, HostRefused, look_at_all, require_all
from headway.engine.ownership import is_alive, is_stopped, this_process
from headway.store.owners import Owner

log = logging.getLogger("headway.deployments")

#: The owner changes its counter this often …
BEAT = 10.0
#: … and is given up when owner and counter were the same for this long.
SILENCE = 30.0
_LOOK_AGAIN = 2.0
#: Seconds for a host to be let go: one that is away holds up nobody who is done.
_LET_GO_WITHIN = 10.0
#: Ids of the owners that this very process drives. A taking whose drive has died here is dead, although we live.
_DRIVEN: set[str] = set()


class HostsHeld(Held):
    """Another owner has the hosts, and lives."""


class TakenOver(Errored):
    """Another owner has taken a host from us. We stop; what runs there is theirs to follow."""


def new_owner(user: str, reason: str, deployment: str, since: str) -> LockOwner:
    me = this_process(user)
    return LockOwner(
        id=secrets.token_hex(8),
        machine=me.machine,
        boot_id=me.boot_id,
        pid=me.pid,
        start_time=me.start_time,
        user=user,
        reason=reason,
        deployment=deployment,
        since=since,
    )


@dataclass
class HostsLock:
    """One taking. After `acquire`, `taken` are the hosts that are ours and each link's record was read under the lock."""

    links: Sequence[HostLink]
    owner: LockOwner
    clock: Clock
    tell: Callable[[str], None] = lambda _: None
    token: int = 0
    taken: list[HostLink] = field(default_factory=list)
    unreachable: dict[str, SshError] = field(default_factory=dict)
    #: Hosts that a person does not want tried.
    left_out: frozenset[str] = frozenset()
    #: Set with the reason when a host was taken from us.
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    lost_because: str = ""
    _told: str = ""
    #: One task a host: a host that does not answer holds up no other one's beat.
    _hearts: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)

    async def acquire(self, *, majority: bool, wait: bool) -> None:
        """Takes every host, or with `majority` those that can be reached, if they are more than half.

        `majority` is for going back. Raises HostsHeld (with `wait` only asks again), SshError for a host that is
        needed and out of reach, HostRefused.
        """
        _DRIVEN.add(self.owner.id)
        try:
            await self._acquire(majority=majority, wait=wait)
        except BaseException:
            await self.stop_beating()
            raise

    async def _acquire(self, *, majority: bool, wait: bool) -> None:
        watched: dict[tuple[Holder, ...], float] = {}
        for attempt in itertools.count(1):
            asked_at = self.clock.monotonic()
            await self._look(majority)
            found = holders({link.name: link.record for link in self._reachable()})
            stale = await self._judge(found, watched, asked_at=asked_at, wait=wait)
            if stale is None:
                continue
            if await self._take(stale):
                return
            # Somebody was faster. Spread by chance, so that two who meet do not meet again.
            pause = random.uniform(0.05, 0.2) * min(attempt, 10)  # noqa: S311
            await self.clock.sleep(pause)

    async def release(self) -> None:
        """Lets all hosts go, as far as they can be reached."""
        await self.stop_beating()
        taken, self.taken = self.taken, []
        await asyncio.gather(
            *(self._quietly(link, close_script(link.root, self.token)) for link in taken),
            return_exceptions=True,
        )

    async def stop_beating(self) -> None:
        """Nobody drives it any more: whoever comes next, in this process too, finds a dead owner."""
        _DRIVEN.discard(self.owner.id)
        await self._still()

    async def _still(self) -> None:
        hearts, self._hearts = self._hearts, {}
        for heart in hearts.values():
            heart.cancel()
        await asyncio.gather(*hearts.values(), return_exceptions=True)
        for link in self.links:
            link.end_aside()

    async def _look(self, majority: bool) -> None:
        """With `majority`, a host that was given up stays so: each further look would wait for it anew."""
        if not majority:
            self.unreachable = await look_at_all(self.links, self.tell)
            require_all(self.unreachable, len(self.links))
            return
        total = len(self.links)
        self.unreachable |= await look_at_all(
            self._reachable(), self.tell, enough=lambda answered: has_majority(answered, total)
        )
        why = "; ".join(error.message for error in self.unreachable.values())
        if not has_majority(len(self._reachable()), total):
            raise Errored(
                f"only {len(self._reachable())} of {total} hosts can be reached, more than half are needed: {why}",
                hint="leave those out by name that are gone for good: --without HOST",
            )
        if why and why != self._told:
            self._told = why
            self.tell(f"goes on without {', '.join(self.unreachable)}: {why}")

    def _reachable(self) -> list[HostLink]:
        return [link for link in self.links if link.name not in self.unreachable]

    async def _judge(
        self,
        found: tuple[Holder, ...],
        watched: dict[tuple[Holder, ...], float],
        *,
        asked_at: float,
        wait: bool,
    ) -> frozenset[Holder] | None:
        """The holders that are dead. None: not known yet, or alive and we wait; look again.

        The silence is counted from the first time that exactly these owners and counters were seen to when this look
        was asked for: of what came while we stood still ourselves, nobody knows how old it is. It tells of a process of
        this machine, too, which lives and may hang or be stopped.
        """
        lives = {holder: _lives(holder) for holder in found}
        silent = tuple(holder for holder in found if lives[holder] is not False)
        if not silent:
            return frozenset(found)
        if asked_at - watched.get(silent, asked_at) >= SILENCE:
            return frozenset(found)
        alive = [holder for holder in silent if lives[holder]]
        if not alive and watched and silent not in watched:
            # Another picture than before: somebody moved, so somebody lives.
            alive = list(silent)
        if alive and not wait:
            raise HostsHeld(
                f"the hosts are held by {told(alive[0])}",
                hint="wait for it: --wait; if its machine is gone for good, the lock frees itself within 60 s",
            )
        if not watched:
            who = next((holder for holder in silent if _is_stopped(holder)), silent[0])
            stopped = f"; its process {who.owner.pid} is stopped" if who.owner and _is_stopped(who) else ""
            self.tell(f"held by {told(who)}{stopped}; watching for {SILENCE:g}s whether it lives")
        watched.setdefault(silent, self.clock.monotonic())
        await self.clock.sleep(_LOOK_AGAIN if not alive else _LOOK_AGAIN / 2)
        return None

    async def _take(self, stale: frozenset[Holder]) -> bool:
        """Host after host in the order of their names; all, or none."""
        self.lost.clear()
        self.token = next_token({link.name: link.record for link in self._reachable()})
        for link in sorted(self._reachable(), key=lambda link: link.name):
            script = take_script(
                link.configured_root, self.token, stale_on(link.record, stale, link.name), self.owner.line()
            )
            try:
                reply = await link.call(script)
            except SshError:
                await self._give_back()
                raise
            # Asked twice over a broken connection, the second answer finds what the first has taken.
            if reply.exit_code == TAKEN_BY_ANOTHER:
                link.keep(reply)
                ours = link.record.owners.get(self.token, {}).get("id") == self.owner.id
                if not ours:
                    await self._give_back()
                    return False
            elif reply.exit_code != 0:
                await self._give_back()
                # The tools say it once for each folder; the last is as good as all of them.
                said = reply.output.decode("utf-8", "replace").strip().rpartition("\n")[2]
                raise HostRefused(
                    f"{link.name} cannot be prepared in {link.root}: {last_lines(said, 300) or f'exit {reply.exit_code}'}",
                    hint="headway check --hosts shows what is missing there",
                )
            else:
                link.keep(reply)
            self.taken.append(link)
            self._hearts[link.name] = asyncio.create_task(self._beat(link), name=f"beat on {link.name}")
        return True

    async def _give_back(self) -> None:
        await self._still()
        taken, self.taken = self.taken, []
        for link in taken:
            await self._quietly(link, close_script(link.root, self.token))

    async def _quietly(self, link: HostLink, script: str) -> None:
        try:
            async with awake_for(_LET_GO_WITHIN):
                await link.call(script)
        except (SshError, TimeoutError) as error:
            why = error.message if isinstance(error, SshError) else "it does not answer"
            self.tell(f"{link.name} could not be let go: {why}; the next one takes it over")

    async def _beat(self, link: HostLink) -> None:
        """Until it is ended, or the host is another owner's. By a session of its own: a step that takes long does not
        hold it up."""
        for count in itertools.count(1):
            await self.clock.sleep(BEAT)
            try:
                reply = await link.call_aside(beat_script(link.root, self.token, count))
            except Exception as error:
                # The host may come back, and then has to hear from us.
                if not isinstance(error, SshError):
                    log.exception("the beat on %s failed", link.name)
                continue
            if reply.exit_code == LOST:
                self._lose(link)
                return

    def out_of_reach(self, host: str) -> str:
        """Why nothing can be done on this host under this lock; empty where something can."""
        if host in self.left_out:
            return "left out"
        error = self.unreachable.get(host)
        return error.message if error is not None else ""

    async def is_ours(self, link: HostLink) -> bool:
        """Asked after a failure: is it the host's, or has another owner closed our epoch? Unknown counts as ours."""
        try:
            reply = await link.call(holds_script(link.root, self.token))
        except SshError:
            return True
        if reply.exit_code == LOST:
            self._lose(link)
        return reply.exit_code != LOST

    def _lose(self, link: HostLink) -> None:
        self.lost_because = f"another owner has taken {link.name}"
        self.lost.set()


def _lives(holder: Holder) -> bool | None:
    """None where only its silence can tell: of another machine, or stopped on this one."""
    owner = _process(holder)
    if owner is None or holder.owner is None:
        return None
    if owner == this_process(owner.user):
        return holder.owner.id in _DRIVEN
    alive = is_alive(owner)
    return None if alive and is_stopped(owner) else alive


def _is_stopped(holder: Holder) -> bool:
    owner = _process(holder)
    return owner is not None and is_stopped(owner)


def _process(holder: Holder) -> Owner | None:
    owner = holder.owner
    if owner is None:
        return None
    return Owner(owner.machine, owner.boot_id, owner.pid, owner.start_time, owner.user)
