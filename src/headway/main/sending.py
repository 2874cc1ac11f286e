"""What a server sends: commit statuses to forges, webhooks to whoever asked for them."""

from datetime import datetime

from headway.domain.run import Run
from headway.engine.repositories import Repositories
from headway.engine.runs import Tools
from headway.engine.vault import Vault
from headway.store.database import Transaction


class Sending:
    def __init__(self, tools: Tools, vault: Vault, repositories: Repositories, url: str) -> None:
        self._tools = tools

    def follow_run(self, tx: Transaction, run: Run, now: datetime) -> None:
        return None

    async def tick(self, now: datetime) -> datetime | None:
        return None

    async def close(self) -> None:
        return None
