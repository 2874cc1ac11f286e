"""What the commands of people, tokens and secrets share: whoever owns the data folder may do all of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headway.base.clock import SystemClock
from headway.domain.org import Org
from headway.domain.people import Actor, Role
from headway.engine.access.people import People
from headway.engine.data_folder import open_data_folder
from headway.engine.keeping.upgrade import copy_first
from headway.engine.settings import Settings
from headway.store.database import open_database

T = TypeVar("T")


def owner(settings: Settings, name: str | None = None) -> Actor:
    """Who calls a command on this machine, for the audit; `name`: the account they act for."""
    return Actor(
        name or settings.user, Role.ADMINISTRATOR, by="command", address=settings.user if name else ""
    )


def with_people(settings: Settings, work: Callable[[People], Awaitable[T]], *, create: bool = True) -> T:
    """Does it on the people of this data folder's database. Raises NoDatabase without `create`."""

    async def do() -> T:
        clock = SystemClock()
        if create or settings.data.exists():
            open_data_folder(settings.data)
        with open_database(settings.database_url, before=copy_first(settings), create=create) as database:
            org = _org(settings)
            return await work(People(database, clock, lambda: org))

    return asyncio.run(do())


def _org(settings: Settings) -> Org:
    """Of the org.toml beside the database. Raises what is wrong with it."""
    file = settings.data / "org.toml"
    if not file.exists():
        return Org()
    from headway.engine.repositories.org import read_org_file

    return read_org_file(file)
