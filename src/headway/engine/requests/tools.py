"""What requests, their gate and their deployments need of the world, put together once per server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headway.base.clock import Clock
from headway.domain.contract import HostSpec
from headway.domain.org import Org
from headway.domain.places import require_reach
from headway.drivers.git import Git
from headway.engine.releases.projects import ReleaseProjects
from headway.engine.settings import Settings
from headway.store.database import Database
from headway.store.repositories import repository_of_service


@dataclass(frozen=True, slots=True)
class RequestTools:
    database: Database
    settings: Settings
    clock: Clock
    git: Git
    projects: ReleaseProjects
    #: org.toml as it is in force now.
    org: Callable[[], Org] = Org

    async def require_reach(self, service: str, hosts: Sequence[HostSpec]) -> None:
        """By the service's team and org.toml as they are now. Raises HostsOfOthers."""
        owner = await self.database.fetch(lambda tx: repository_of_service(tx, service))
        require_reach(self.org(), owner.team if owner is not None else None, hosts)
