"""Deployments that stand still, for /readyz, /metrics and the bar: whatever the cause, somebody has to look."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headway.base.durations import format_duration
from headway.deploy.plan import from_json
from headway.deploy.stalled import patience, stands_still
from headway.domain.deployment import Deployment
from headway.engine.troubles import Trouble
from headway.store import deployments as rows
from headway.store.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Stalled:
    deployment: Deployment
    #: For how long nothing of it has changed, and how long that may take.
    silent: timedelta
    patience: timedelta


def find_stalled(tx: Transaction, now: datetime) -> tuple[Stalled, ...]:
    found = []
    for deployment, moved_at in rows.last_moves(tx):
        if not deployment.has_plan:
            continue
        plan = from_json(deployment.plan)
        if (silent := stands_still(deployment, plan, moved_at, now)) is not None:
            found.append(Stalled(deployment, silent, patience(plan)))
    return tuple(found)


class StalledWatch:
    """Looks from time to time, and tells what it saw last: whoever asks is not kept waiting by the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.found: tuple[Stalled, ...] = ()

    async def tick(self, now: datetime) -> datetime | None:
        self.found = await self._database.fetch(lambda tx: find_stalled(tx, now))
        return None

    def troubles(self, now: datetime) -> list[Trouble]:
        return [
            Trouble(
                f"{one.deployment.service}: deployment {one.deployment.number} to {one.deployment.environment} has not "
                f"moved for {_minutes(one.silent)} ({_minutes(one.patience)} is the most that one of its steps may take)",
                public="a deployment has not moved for longer than its timeout",
                href=f"/services/{one.deployment.service}/deployments/{one.deployment.number}",
                hint="See on its page which host it waits for. It goes on by itself as soon as it can; else take it back there.",
            )
            for one in self.found
        ]


def _minutes(time: timedelta) -> str:
    """Without what nobody reads: seconds only where there are no minutes."""
    seconds = int(time.total_seconds())
    return format_duration(timedelta(seconds=seconds if seconds < 60 else seconds // 60 * 60))
