"""An environment in our hands: claimed in the database, its hosts locked, until it is let go."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from headway.base.clock import Clock
from headway.base.durations import format_duration
from headway.base.errors import HeadwayError, Held
from headway.deploy.plan import HostPlan, Plan
from headway.domain.contract import HostSpec
from headway.domain.deployment import Deployment, HostRow
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import SshError
from headway.engine.deployments.books import LEASE
from headway.engine.deployments.drive import Interruption, Watcher
from headway.engine.hosts.link import HostLink
from headway.engine.hosts.lock import HostsLock, new_owner
from headway.engine.ownership import is_alive, is_stopped, this_process
from headway.engine.settings import Settings
from headway.engine.standing.claims import KIND
from headway.store import owners
from headway.store.database import Database, Transaction

_ASK_AGAIN = 1.0


class EnvironmentHeld(Held):
    """Another process deploys to this environment, by the same database."""


async def _may_reach_all(service: str, hosts: Sequence[HostSpec]) -> None:
    pass


@dataclass
class World:
    """What deployments need of the outside."""

    settings: Settings
    clock: Clock
    connections: Connections
    watcher: Watcher = field(default_factory=Watcher)
    interruption: Interruption = field(default_factory=Interruption)
    #: Wait for whoever holds the environment, instead of saying so.
    wait: bool = False
    #: Hosts that were tried and did not answer: going back does not try them once more.
    given_up: dict[str, SshError] = field(default_factory=dict)
    #: Raises HostsOfOthers for hosts that a service may not reach now. A command on this machine is its owner's.
    require_reach: Callable[[str, Sequence[HostSpec]], Awaitable[None]] = _may_reach_all

    async def links(
        self, service: str, hosts: Sequence[HostPlan], *, untried: Collection[str] = ()
    ) -> list[HostLink]:
        """To what a plan names, however old it is. Raises HostsOfOthers, but not for those that are not tried."""
        await self.require_reach(service, [host.spec for host in hosts if host.spec.name not in untried])
        return [HostLink(host.spec.name, host.spec, host.root, self.connections) for host in hosts]


@dataclass(frozen=True, slots=True)
class Begun:
    """A deployment that can be driven: new, or found unfinished."""

    deployment: Deployment
    hosts: tuple[HostRow, ...]
    plan: Plan
    links: tuple[HostLink, ...]
    resumed: bool = False


@dataclass
class Hold:
    """`claim` first, then `lock`: the database tells at once what the hosts tell by a round trip each."""

    world: World
    service: str
    environment: str
    reason: str
    database: Database | None
    token: int = 0
    lock: HostsLock | None = None

    @property
    def claim_id(self) -> str:
        return f"{self.service}/{self.environment}"

    async def claim(self, *, wait: bool | None = None) -> None:
        """Raises EnvironmentHeld with who has it; with `world.wait` asks again until it is free."""
        if self.database is None:
            return
        while True:
            token, holder = await self.database.perform(self._claim)
            if token is not None:
                self.token = token
                return
            if holder is not None and not (self.world.wait if wait is None else wait):
                stopped = ", stopped" if is_stopped(holder.owner) else ""
                raise EnvironmentHeld(
                    f"{self.environment} is held by {holder.owner.user} (process {holder.owner.pid}{stopped}): "
                    f"{holder.reason}, since {holder.claimed_at:%Y-%m-%d %H:%M:%S} UTC",
                    hint=f"wait for it: --wait; headway status {self.environment} shows it",
                )
            await self.world.clock.sleep(_ASK_AGAIN if holder else 0.01)

    def _claim(self, tx: Transaction) -> tuple[int | None, owners.Claim | None]:
        token = owners.claim(
            tx,
            KIND,
            self.claim_id,
            this_process(self.world.settings.user),
            self.world.clock.now(),
            LEASE,
            reason=self.reason,
            is_alive=is_alive,
        )
        return token, None if token is not None else owners.holder(tx, KIND, self.claim_id)

    async def take_hosts(
        self,
        links: Sequence[HostLink],
        deployment: str,
        *,
        majority: bool = False,
        without: Collection[str] = (),
    ) -> HostsLock:
        """`without` are hosts that are not even tried."""
        world = self.world
        since = f"{world.clock.now():%Y-%m-%d %H:%M:%S} UTC"
        owner = new_owner(world.settings.user, self.reason, deployment, since)
        trying = [link for link in links if link.name not in without]
        self.lock = HostsLock(trying, owner, world.clock, world.watcher.note)
        self.lock.left_out = frozenset(link.name for link in links) & set(without)
        if majority:
            self.lock.unreachable = dict(world.given_up)
        await self.lock.acquire(majority=majority, wait=world.wait)
        return self.lock

    async def let_go(self) -> None:
        """Hosts first: whoever gets the claim then finds them free."""
        if self.lock is not None:
            await self.lock.release()
            self.lock = None
        await self.let_claim_go()

    async def let_claim_go(self) -> None:
        """What cannot be given back now, because the database is away, is free when its lease is over."""
        if self.database is not None and self.token:
            token, self.token = self.token, 0
            try:
                await self.database.perform(lambda tx: owners.release(tx, KIND, self.claim_id, token))
            except HeadwayError as error:
                self.world.watcher.note(
                    f"{self.environment} is free again within {format_duration(LEASE)}: {error.message}"
                )

    async def leave(self) -> None:
        """As a killed process leaves it: whoever comes next, in this process too, finds a dead owner and goes on."""
        if self.lock is not None:
            await self.lock.stop_beating()
        await self.let_claim_go()
