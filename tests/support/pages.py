"""A server's pages for tests, without its loops: real database and templates, asked over ASGI."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from headway.domain.people import Person, Role
from headway.engine.access.people import People
from headway.engine.access.sessions import begin_session
from headway.engine.duties import Duties
from headway.engine.keeping.disk import DiskWatch
from headway.engine.outgoing.hub import Hub
from headway.engine.releases.projects import ReleaseProjects
from headway.engine.repositories.org import OrgKeeper
from headway.engine.repositories.repositories import Repositories
from headway.engine.requests.deployments_duty import DeploymentsDuty
from headway.engine.requests.tools import RequestTools
from headway.engine.runs.runs import open_tools
from headway.engine.runs.slots import Slots
from headway.engine.secrets.keys import new_key
from headway.engine.secrets.vault import Vault
from headway.engine.server.server import Server
from headway.engine.settings import Settings
from headway.engine.troubles import Troubles
from headway.engine.work_faults import WorkFaults
from headway.store.database import Transaction
from headway.store.people import add_person
from headway.web.app import create_web

NOW = datetime(2025, 6, 2, 12, 0, tzinfo=UTC)


class StoppedClock:
    def __init__(self, now: datetime = NOW) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.instant.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


class _Parts(SimpleNamespace):
    """What of a server the pages use, without its loops."""

    runs_context = Server.runs_context


def make_server(
    data: Path, *, database_url: str = "", base_url: str = "http://headway.test", clock: Any = None
) -> Any:
    settings = Settings(data, database_url or f"sqlite:///{data}/headway.db", "ada@test", {})
    tools = open_tools(settings, clock=clock or StoppedClock())
    database, vault, org = tools.database, Vault([new_key()]), OrgKeeper(data / "org.toml", tools.clock)
    wishes = RequestTools(
        database,
        settings,
        tools.clock,
        tools.git,
        ReleaseProjects(settings.environment, lambda service: None),
        lambda: org.current,
    )
    return _Parts(
        tools=tools,
        database=database,
        settings=settings,
        hub=Hub(database),
        duties=(duties := Duties(tools.clock)),
        troubles=Troubles(duties.troubles),
        org=org,
        people=People(database, tools.clock, lambda: org.current),
        vault=vault,
        repositories=Repositories(database, vault, tools.clock, settings),
        deployments=DeploymentsDuty(wishes),
        slots=Slots(2, tools.clock),
        runs=SimpleNamespace(explain=dict, faults=WorkFaults("a run cannot be driven")),
        disk=DiskWatch(settings),
        base_url=base_url,
        started_at=NOW,
        warnings={},
        now=tools.clock.now,
    )


@dataclass
class Browser:
    """A person with a browser: gets pages, and sends the forms that stand on them."""

    client: httpx.AsyncClient

    async def get(self, path: str, status: int = 200, **more: Any) -> str:
        answer = await self.client.get(path, **more)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:2000]}"
        return answer.text

    async def send(self, path: str, *, page: str = "/", **fields: str) -> httpx.Response:
        """POST with the hidden word of a form that stands on `page`."""
        word = re.search(r'name="csrf" value="([^"]+)"', await self.get(page))
        assert word is not None
        return await self.client.post(
            path, data={"csrf": word[1], **fields}, headers={"origin": str(self.client.base_url).rstrip("/")}
        )


def sign_in(server: Any, name: str = "ada", role: Role = Role.ADMINISTRATOR) -> str:
    """An account, and what its browser's cookie holds."""

    def work(tx: Transaction) -> str:
        person = Person(name, name.title(), f"{name}@example.org", role, server.now())
        add_person(tx, person)
        return begin_session(
            tx, person, address="127.0.0.1", user_agent="test", now=server.now(), how="link"
        ).value

    value: str = server.database.transact(work)
    return value


@asynccontextmanager
async def browsing(server: Any, session: str | None = None) -> AsyncIterator[Browser]:
    transport = httpx.ASGITransport(app=create_web(server))
    cookies = {"headway_session": session} if session else {}
    async with httpx.AsyncClient(transport=transport, base_url=server.base_url, cookies=cookies) as client:
        yield Browser(client)
