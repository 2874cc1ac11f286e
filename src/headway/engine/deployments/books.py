"""Where a deployment's rows are kept: the database, or nowhere when it is gone (`rollback --direct`)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from headway.base.clock import Clock
from headway.domain.deployment import Deployment, DeploymentStep, HostRow, Wishes
from headway.engine.deployments.news import tell_deployment, tell_hosts
from headway.engine.standing.claims import KIND
from headway.engine.standing.what_runs import note_hosts
from headway.store import deployments as rows
from headway.store import owners
from headway.store.database import Database, Transaction

#: Of the claim in the database; renewed with the hosts' heartbeat.
LEASE = timedelta(seconds=30)


class Books(Protocol):
    async def save(
        self, deployment: Deployment | None, hosts: Sequence[HostRow], steps: Sequence[DeploymentStep]
    ) -> bool:
        """Stores what changed, all of it or nothing. False: another owner has it, stop."""
        ...

    async def renew(self) -> bool:
        """The owner lives. False: another owner has it, stop."""
        ...

    async def wishes(self, deployment: str) -> Wishes:
        """What somebody asks of it through its row."""
        ...


class NoBooks:
    """The hosts' own journals are the only record."""

    async def save(
        self, deployment: Deployment | None, hosts: Sequence[HostRow], steps: Sequence[DeploymentStep]
    ) -> bool:
        return True

    async def renew(self) -> bool:
        return True

    async def wishes(self, deployment: str) -> Wishes:
        return Wishes()


class DatabaseBooks:
    """Rows in the database, guarded by the token of the environment's claim."""

    def __init__(self, database: Database, service: str, claim_id: str, token: int, clock: Clock) -> None:
        self._database = database
        self._service = service
        self._claim_id = claim_id
        self.token = token
        self._clock = clock

    async def save(
        self, deployment: Deployment | None, hosts: Sequence[HostRow], steps: Sequence[DeploymentStep]
    ) -> bool:
        now = self._clock.now()

        def work(tx: Transaction) -> bool:
            if deployment is not None and not rows.save_deployment(tx, deployment, self.token):
                return False
            for row in hosts:
                if not rows.save_host(tx, row, self.token):
                    return False
            for step in steps:
                rows.save_step(tx, step)
            touched = {*(row.deployment for row in hosts), *(step.deployment for step in steps)}
            for id in touched | ({deployment.id} if deployment is not None else set()):
                rows.moved(tx, id, now)
            for id in {row.deployment for row in hosts}:
                stored = rows.get_deployment(tx, id)
                assert stored is not None
                note_hosts(tx, stored, [row for row in hosts if row.deployment == id], now)
            tell_hosts(tx, self._service, hosts, steps, now)
            if deployment is not None:
                tell_deployment(tx, deployment, now)
            return True

        return await self._database.perform(work)

    async def renew(self) -> bool:
        now = self._clock.now()
        return await self._database.perform(
            lambda tx: owners.renew(tx, KIND, self._claim_id, self.token, now, LEASE)
        )

    async def wishes(self, deployment: str) -> Wishes:
        return await self._database.fetch(lambda tx: rows.wishes_of(tx, deployment))
