"""Runs that have not ended, and their jobs that have not begun; in the order in which they are to begin."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds
from headway.store.database import Transaction
from headway.store.runs import in_turn


@dataclass(frozen=True, slots=True)
class OpenRun:
    id: str
    service: str
    number: int
    state: str
    branch: str | None
    who: str
    priority: int
    held_for: str
    approved_by: str | None
    group: str | None
    group_limit: int
    created_at: datetime
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class WaitingJob:
    id: str
    service: str
    number: int
    name: str
    #: Definitions of its run that have not ended and that it needs.
    needs: tuple[str, ...]
    slots: int
    queued_at: datetime
    run: str = ""


def open_runs(tx: Transaction, *, limit: int) -> list[OpenRun]:
    rows = tx.all(in_turn("1 = 1"), limit=limit)
    return [
        OpenRun(
            id=row["id"],
            service=row["service"],
            number=row["number"],
            state=row["state"],
            branch=row["branch"],
            who=row["requested_by"],
            priority=row["priority"],
            held_for=row["held_for"] or "",
            approved_by=row["approved_by"],
            group=row["concurrency_group"],
            group_limit=row["concurrency_limit"] or 1,
            created_at=from_milliseconds(row["created_at"]),
            started_at=None if row["started_at"] is None else from_milliseconds(row["started_at"]),
        )
        for row in rows
    ]


def waiting_jobs(tx: Transaction, *, first: Sequence[str], limit: int) -> list[WaitingJob]:
    """Of runs that have begun: those of the others wait for their run. Those named in `first` precede, in its order."""
    unfinished = {
        (row["run"], row["definition"])
        for row in tx.all(
            """
            SELECT DISTINCT job.run, job.definition FROM runs run JOIN jobs job ON job.run = run.id
            WHERE run.state IN ('queued', 'running') AND run.state = 'running' AND job.state IN ('queued', 'running')
            """
        )
    }
    ids = {f"first_{index}": id for index, id in enumerate(first)}
    named = {row["id"]: row for row in tx.all(_waiting(f"job.id IN ({_names(ids)})"), limit=len(ids), **ids)}
    others = tx.all(_waiting(f"job.id NOT IN ({_names(ids)})"), limit=limit, **ids)
    rows = [*(named[id] for id in first if id in named), *others][:limit]
    return [
        WaitingJob(
            id=row["id"],
            service=row["service"],
            number=row["number"],
            name=row["name"],
            needs=tuple(name for name in json.loads(row["needs"]) if (row["run"], name) in unfinished),
            run=row["run"],
            slots=row["slots"],
            queued_at=from_milliseconds(row["queued_at"]),
        )
        for row in rows
    ]


def _waiting(condition: str) -> str:
    return f"""
        SELECT job.id, job.run, run.service, run.number, job.name, job.needs, job.slots, job.queued_at
        FROM runs run JOIN jobs job ON job.run = run.id
        WHERE run.state IN ('queued', 'running') AND run.state = 'running' AND job.state = 'queued' AND {condition}
        ORDER BY run.priority DESC, run.created_at, job.position LIMIT :limit
        """


def _names(parameters: Mapping[str, str]) -> str:
    return ", ".join(f":{name}" for name in parameters) or "''"
