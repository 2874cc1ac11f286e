"""What a server sends: commit statuses to forges, webhooks to whoever asked for them. Each kind has a duty of its own,
so that a slow receiver of the one holds nothing up for the other."""

import asyncio
from datetime import datetime

from headway.domain.outbox import EffectKind
from headway.domain.run import Run
from headway.domain.secrets import repository_scope
from headway.drivers.forge.calls import Repository as AtForge
from headway.drivers.forge.calls import forge_client
from headway.engine.outgoing.outbox import OutboxDuty
from headway.engine.outgoing.statuses import CommitStatusSender, at_forge, put_commit_status
from headway.engine.outgoing.webhooks import WebhookSender
from headway.engine.repositories.repositories import FORGE_TOKEN, Repositories
from headway.engine.secrets.vault import Vault
from headway.store.database import Database, Transaction
from headway.store.repositories import repository_by_id
from headway.store.secrets import find_secret


class Sending:
    def __init__(self, database: Database, vault: Vault, repositories: Repositories, url: str) -> None:
        self._repositories = repositories
        self._url = url
        self._client = forge_client()
        statuses = CommitStatusSender(self._client, self._find)
        webhooks = WebhookSender(self._client, database, vault, url)
        self.statuses = OutboxDuty(database, {EffectKind.COMMIT_STATUS: statuses})
        self.webhooks = OutboxDuty(database, {EffectKind.WEBHOOK: webhooks})

    def follow_run(self, tx: Transaction, run: Run, now: datetime) -> None:
        """In the transaction that changes the run, and last in it. Without a token nobody could be told."""
        if run.trigger is None:
            return
        scope = repository_scope(run.trigger.repository)
        if find_secret(tx, scope, FORGE_TOKEN) is not None:
            put_commit_status(tx, run, repository_by_id(tx, run.trigger.repository), self._url, now)

    async def _find(self, repository_id: str) -> AtForge | None:
        repository = await self._repositories.by_id(repository_id)
        token = await asyncio.to_thread(self._repositories.token, repository_id) if repository else None
        return at_forge(repository, token) if repository and token else None

    async def close(self) -> None:
        await self._client.aclose()
