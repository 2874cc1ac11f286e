"""What requests, their gate and their deployments need of the world, put together once per server."""

from collections.abc import Callable
from dataclasses import dataclass

from headway.base.clock import Clock
from headway.domain.org import Org
from headway.drivers.git import Git
from headway.engine.release_projects import ReleaseProjects
from headway.engine.settings import Settings
from headway.store.database import Database


@dataclass(frozen=True, slots=True)
class RequestTools:
    database: Database
    settings: Settings
    clock: Clock
    git: Git
    projects: ReleaseProjects
    #: org.toml as it is in force now.
    org: Callable[[], Org] = Org
