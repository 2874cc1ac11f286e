"""Who pushes to, and looks at, a server that runs in a process of its own: an account, stored before it starts."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from headway.base.clock import SystemClock
from headway.domain.org import Org
from headway.domain.people import Actor, Person, Role, Scope
from headway.engine.access.people import People
from headway.engine.access.sessions import begin_session
from headway.store.database import Database, Transaction, open_database
from headway.store.people import add_person


@dataclass(frozen=True, slots=True)
class Account:
    #: For git and the API.
    token: str
    #: For a browser's cookie `headway_session`.
    session: str


def make_account(data: Path, database_url: str | None, name: str = "ada") -> Account:
    """An administrator's. `database_url` None: the SQLite file in the data folder."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open_database(database_url or f"sqlite:///{data / 'headway.db'}") as database:
        return asyncio.run(_make(database, name))


async def _make(database: Database, name: str) -> Account:
    clock = SystemClock()
    now = clock.now()
    person = Person(name, name.title(), f"{name}@example.org", Role.ADMINISTRATOR, now)

    def work(tx: Transaction) -> str:
        add_person(tx, person)
        return begin_session(tx, person, address="127.0.0.1", user_agent="test", now=now, how="link").value

    session = await database.perform(work)
    people = People(database, clock, Org)
    made = await people.create_token(Actor(name, Role.ADMINISTRATOR, by="socket"), "test", set(Scope), None)
    return Account(made.text, session)
