"""What one server process is made of. Faces are handed this and nothing else; `main.serve` puts it together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from headway.engine.duties import Duties
from headway.engine.outgoing.hub import Hub
from headway.engine.runs.context import RunsContext
from headway.engine.runs.runs import Tools
from headway.engine.settings import Settings
from headway.engine.troubles import Troubles
from headway.store.database import Database

if TYPE_CHECKING:
    from headway.engine.access.people import People
    from headway.engine.intake.arrivals import Arrivals
    from headway.engine.intake.polling import LookDuty
    from headway.engine.keeping.disk import DiskWatch
    from headway.engine.repositories.org import OrgKeeper
    from headway.engine.repositories.repositories import Repositories
    from headway.engine.requests.deployments_duty import DeploymentsDuty
    from headway.engine.runs.duty import RunsDuty
    from headway.engine.runs.observer import Observer
    from headway.engine.runs.slots import Slots
    from headway.engine.secrets.vault import Vault
    from headway.engine.server_place import ServerPlace
    from headway.engine.standing.stalled import StalledWatch


@dataclass
class Server:
    tools: Tools
    hub: Hub
    duties: Duties
    #: What keeps it from its work; parts add theirs.
    troubles: Troubles
    org: "OrgKeeper"
    vault: "Vault"
    people: "People"
    repositories: "Repositories"
    arrivals: "Arrivals"
    slots: "Slots"
    runs: "RunsDuty"
    place: "ServerPlace"
    #: Writes along with every change of a run.
    observer: "Observer"
    looking: "LookDuty"
    disk: "DiskWatch"
    #: Takes requests in every process; drives them where this is its duty.
    deployments: "DeploymentsDuty"
    #: Knows which deployments stand still.
    stalled: "StalledWatch"
    #: How people reach it, without a slash at the end: `http://127.0.0.1:8080`.
    base_url: str
    started_at: datetime
    #: Begins nothing more and leaves what runs to the next start; called once, when the process is told to stop.
    stop: Callable[[], Awaitable[None]]
    #: Sentences that every page shows until they are no longer true, by their cause: `disk`, `org`.
    warnings: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.tools.database

    @property
    def settings(self) -> Settings:
        return self.tools.settings

    @property
    def runs_context(self) -> RunsContext:
        return RunsContext(
            self.database,
            self.tools.clock,
            self.repositories,
            lambda: self.org.current,
            self.settings.environment,
            self.observer,
            wake=lambda: self.duties.wake("runs"),
            cancel=self.runs.cancel,
        )

    def now(self) -> datetime:
        """Read once per request, at the rim."""
        return self.tools.clock.now()
