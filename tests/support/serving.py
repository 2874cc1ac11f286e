"""The parts of a server without its loops: a test calls the ticks itself, on a database of its own and real git."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from headway.domain.intake import Arrival, ArrivalKind, ForgeKind, PullRequest, Repository
from headway.domain.people import Actor, Role
from headway.domain.run import Job, Run
from headway.engine.runs.runs import Tools, open_tools
from headway.engine.secrets.vault import Vault, open_vault, stored_secrets
from headway.engine.server.server import Server
from headway.engine.server_place import ServerPlace
from headway.engine.server_settings import ServerSettings
from headway.engine.settings import Settings
from headway.main.build import Parts
from headway.store import jobs, repositories, runs
from headway.store.arrivals import StoredArrival, latest_arrivals, repositories_with_news
from tests.support.repositories import ENVIRONMENT
from tests.support.repositories import Repository as Working

ADA = Actor("ada", Role.ADMINISTRATOR, by="socket")
HEAD = 'contract = 1\n[service]\nname = "{name}"\n'


class Serving:
    """One server process's parts. `again` is what the next start would be."""

    def __init__(self, folder: Path, database_url: str, **options: object) -> None:
        self.folder = folder
        self.settings = Settings(
            data=folder / "data",
            database_url=database_url,
            user="headway@here",
            environment=dict(ENVIRONMENT),
        )
        self.options = replace(ServerSettings(slots=2, org_file=folder / "org.toml"), **options)  # type: ignore[arg-type]
        self._open()

    def _open(self) -> None:
        vault = open_vault(self.settings, create=True)
        tools = open_tools(self.settings)
        settings = replace(self.settings, stored_secrets=stored_secrets(vault, tools.database))
        self.parts = self._parts(replace(tools, settings=settings), vault)

    def _parts(self, tools: Tools, vault: Vault) -> Parts:
        url = "http://headway.test"
        place = ServerPlace(tools.database, tools.clock, tools.owner, url, is_alive=tools.is_alive)
        return Parts(tools, self.options, url, vault, place)

    @property
    def server(self) -> Server:
        return self.parts.server

    def again(self) -> None:
        """As after a `kill -9`: nothing was stopped, everything is opened anew. The owner before counts as dead."""
        old = self.server.tools
        self._open()
        dead = old.owner
        tools = replace(
            self.server.tools,
            owner=replace(dead, pid=dead.pid, start_time=dead.start_time + "1"),
            is_alive=lambda owner: owner.start_time != dead.start_time,
        )
        self.parts = self._parts(tools, open_vault(tools.settings))
        old.database.close()

    def close(self) -> None:
        self.server.tools.database.close()

    # Repositories

    def working(self, name: str = "shop") -> Working:
        """A repository of somebody's, from which the server fetches."""
        return Working(self.folder / "elsewhere" / name)

    async def add(self, name: str = "shop", *, forge: ForgeKind = ForgeKind.GITHUB) -> Repository:
        """Known to the server, fetched from `working(name)`."""
        url = str(self.folder / "elsewhere" / name)
        added = await self.server.repositories.add(ADA, name=name, url=url, forge=forge)
        return added.repository

    async def tell(self, repository: Repository, *arrivals: Arrival, delivery: str = "") -> list[int]:
        return await self.server.arrivals.accept(repository.id, arrivals, delivery=delivery)

    async def take_in(self) -> None:
        """Until nothing is due any more."""
        while True:
            now = self.server.now()
            await self.parts.intake.tick(now)
            await self.parts.intake.settle()
            if not self.database.read(lambda tx, now=now: repositories_with_news(tx, now)):
                return

    async def look(self) -> None:
        """As if every repository were due."""
        now = self.server.now()
        for repository in await self.server.repositories.all():
            self.database.transact(lambda tx, id=repository.id: repositories.look_soon(tx, id, now))  # type: ignore[misc]
            self.server.repositories.forget(repository.id)
        await self.parts.looking.tick(now + timedelta(milliseconds=1))
        await self.parts.looking.settle()
        await self.take_in()

    async def drive(self, *, within: float = 60) -> None:
        """Until no run that may go on is unfinished."""
        clock = self.server.tools.clock
        end = clock.monotonic() + within
        while True:
            await self.parts.runs.tick(self.server.now())
            if not self.parts.runs.active:
                return
            assert clock.monotonic() < end, self.runs()
            await clock.sleep(0.01)

    # What there is

    @property
    def database(self):  # type: ignore[no-untyped-def]
        return self.server.tools.database

    def runs(self, service: str | None = None) -> list[Run]:
        """Oldest first."""
        return list(reversed(self.database.read(lambda tx: runs.latest_runs(tx, service, limit=100))))

    def states(self) -> list[tuple[int, str]]:
        return [(run.number, str(run.state)) for run in self.runs()]

    def jobs(self, run: Run) -> list[Job]:
        found: list[Job] = self.database.read(lambda tx: jobs.jobs_of(tx, run.id))
        return found

    def log(self, run: Run, name: str) -> bytes:
        [job] = [job for job in self.jobs(run) if job.name == name]
        return self.server.tools.log(job, job.attempt).read_bytes()

    def arrivals(self, repository: Repository) -> Sequence[StoredArrival]:
        """Oldest first."""
        found: list[StoredArrival] = self.database.read(
            lambda tx: latest_arrivals(tx, repository.id, limit=100)
        )
        return list(reversed(found))


def contract(
    text: str = '[jobs.test]\nrun = "true"\n', name: str = "shop"
) -> Mapping[str | bytes, str | bytes]:
    return {"headway.toml": HEAD.format(name=name) + text}


def pushed(before: str | None, after: str | None, branch: str = "main", **more: object) -> Arrival:
    kind = ArrivalKind.DELETE if after is None else ArrivalKind.PUSH
    return Arrival(kind, f"refs/heads/{branch}", before, after, "grace", **more)  # type: ignore[arg-type]


def asked(after: str, *, number: int = 7, fork: bool = False, head: str = "topic") -> Arrival:
    request = PullRequest(number, "Better prices", "main", head, "https://forge.test/x/shop", fork)
    return Arrival(
        ArrivalKind.PULL_REQUEST, f"refs/pull/{number}/head", None, after, "stranger", pull_request=request
    )
