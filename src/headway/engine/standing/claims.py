"""Who has claimed an environment: one process at a time deploys there."""

from datetime import datetime

from headway.engine.ownership import is_alive
from headway.store import deployments as rows
from headway.store import owners
from headway.store.database import Transaction

#: Of the claims; their id is `SERVICE/ENVIRONMENT`.
KIND = "environment"


def who_is_at_work(tx: Transaction, service: str, environment: str, now: datetime) -> str:
    """Which living process holds the environment, in one clause; empty when none does."""
    claim = owners.holder(tx, KIND, f"{service}/{environment}")
    if claim is None or claim.lease_until <= now or is_alive(claim.owner) is False:
        return ""
    if found := rows.unfinished(tx, service, environment):
        return f"deployment {found[0].number} of {found[0].release} goes on in {environment}"
    return f"{environment} is held by {claim.owner.user}: {claim.reason}"
