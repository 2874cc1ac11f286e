"""The webhook at a repository's forge, made by Headway itself where it has a token for it."""

import asyncio
from datetime import datetime

from headway.base.errors import WrongUse
from headway.domain.intake import Repository
from headway.domain.people import Actor
from headway.drivers.forge.calls import forge_client
from headway.drivers.forge.hooks import create_webhook
from headway.engine.audit import record
from headway.engine.outgoing.statuses import at_forge
from headway.engine.permissions import Action, require
from headway.engine.repositories.repositories import Repositories
from headway.store.database import Database


class NoForgeToken(WrongUse):
    """Headway cannot sign in at the forge, or the repository lies at none."""

    http_status = 409


async def create_at_forge(
    database: Database,
    repositories: Repositories,
    actor: Actor,
    repository: Repository,
    *,
    base_url: str,
    now: datetime,
) -> None:
    """Made, or put right where there is one of this address. Raises NotAllowed, NoForgeToken, ForgeError."""
    require(actor, Action.REPOSITORY_ADD, team=None)
    token = await asyncio.to_thread(repositories.token, repository.id)
    there = at_forge(repository, token) if token else None
    if there is None:
        raise NoForgeToken(
            f"Headway has no token for the forge of {repository.name}, or it lies at none that it knows",
            hint="add it with a token, or set the webhook at the forge by hand",
        )
    secrets = await repositories.hook_secrets(repository)
    async with forge_client() as client:
        url = f"{base_url}/hooks/{repository.id}"
        await create_webhook(client, there, hook_url=url, secret=secrets[0])
    await database.perform(
        lambda tx: record(tx, actor, "repository.webhook", repository.name, None, None, now)
    )
