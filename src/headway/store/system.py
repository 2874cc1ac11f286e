"""Counts of everything, for whoever watches a server."""

from collections.abc import Mapping
from dataclasses import dataclass

from headway.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Counts:
    #: State -> how many, of all that have ended.
    ended_runs: Mapping[str, int]
    ended_deployments: Mapping[str, int]
    unfinished_runs: int
    waiting_arrivals: int
    waiting_outbox: int


def count_all(tx: Transaction) -> Counts:
    runs = _by_state(tx, "runs")
    unfinished = runs.pop("queued", 0) + runs.pop("running", 0)
    deployments = _by_state(tx, "deployments")
    for state in ("held", "running", "rolling_back"):
        deployments.pop(state, None)
    return Counts(
        ended_runs=runs,
        ended_deployments=deployments,
        unfinished_runs=unfinished,
        waiting_arrivals=_count(tx, "SELECT COUNT(*) AS number FROM arrivals WHERE due_at IS NOT NULL"),
        waiting_outbox=_count(tx, "SELECT COUNT(*) AS number FROM outbox WHERE state = 'waiting'"),
    )


def _by_state(tx: Transaction, table: str) -> dict[str, int]:
    rows = tx.all(f"SELECT state, COUNT(*) AS number FROM {table} GROUP BY state")
    return {row["state"]: int(row["number"]) for row in rows}


def _count(tx: Transaction, sql: str) -> int:
    row = tx.one(sql)
    return 0 if row is None else int(row["number"])
