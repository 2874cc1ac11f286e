"""What people's acts on the runs of a server need of it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import Clock
from headway.domain.intake import Repository
from headway.domain.org import Org
from headway.drivers.git.bare import Bare, create_bare
from headway.engine.repositories.repositories import Repositories
from headway.engine.runs.observer import Observer
from headway.store.database import Database


@dataclass(frozen=True, slots=True)
class RunsContext:
    database: Database
    clock: Clock
    repositories: Repositories
    #: org.toml as it is in force now.
    org: Callable[[], Org]
    #: Of the server's process: for git.
    environment: Mapping[str, str]
    observer: Observer
    #: There are runs to be driven.
    wake: Callable[[], None]
    #: Ends a run that this process drives, for a reason.
    cancel: Callable[[str, str], None]

    def now(self) -> datetime:
        return self.clock.now()

    async def bare(self, repository: Repository) -> Bare:
        """Made where there is none yet."""
        folder = self.repositories.folder(repository.id)
        return await asyncio.to_thread(
            create_bare, folder, repository.default_branch or "main", self.environment
        )
