"""A green release among 1,000 repositories: from the end of its run to the runs that wait for it being stored."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.parts import Row
from headway.domain.intake import ForgeKind, Repository
from headway.domain.run import Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.store import repositories, runs
from headway.store.database import Transaction
from tests.support.serving import Serving, contract

REPOSITORIES, TIMES = 1_000, 20


def measure(folder: Path) -> list[Row]:
    serving = Serving(folder, f"sqlite:///{folder}/headway.db")
    try:
        return [
            Row(
                f"a green release among {REPOSITORIES:,} repositories, to the run of the one that waits for it",
                "ms",
                asyncio.run(_times(serving)),
                target="≤ 500",
            )
        ]
    finally:
        serving.close()


async def _times(serving: Serving) -> list[float]:
    working = serving.working("shop")
    sha = working.commit(contract('[jobs.test]\nrun = "true"\n[triggers]\nreleases = ["library"]\n'))
    await serving.add("shop")
    await serving.look()
    now = datetime.now(UTC)
    serving.database.transact(lambda tx: _fill(tx, now))
    found = []
    for number in range(TIMES):
        serving.database.transact(lambda tx: runs.add_run(tx, _green(number, sha, now), plan="{}", token=0))  # noqa: B023
        serving.database.transact(
            lambda tx: tx.execute("UPDATE runs SET release_id = id WHERE service = 'library'")
        )
        begun = time.perf_counter()
        assert await serving.parts.releases.tick(serving.server.now()) == 1
        found.append((time.perf_counter() - begun) * 1000)
    return found


def _fill(tx: Transaction, now: datetime) -> None:
    for number in range(REPOSITORIES - 1):
        name = f"service-{number:04d}"
        repositories.add_repository(
            tx,
            Repository(
                f"rep_{number:04d}", name, ForgeKind.GIT, f"/nowhere/{name}", name, "main", now, "bench"
            ),
        )
        repositories.put_follows(tx, f"rep_{number:04d}", ())


def _green(number: int, sha: str, now: datetime) -> Run:
    run = Run(
        id=f"run_{number}",
        number=number + 1,
        service="library",
        repository="/nowhere/library",
        commit=sha,
        tree=sha,
        dirty=False,
        branch="main",
        tag=None,
        state=State.SUCCEEDED,
        reason="",
        created_at=now,
        finished_at=now,
        requested_by="bench",
        trigger=Trigger(TriggerEvent.PUSH, f"bench:{number}", "rep_library"),
    )
    return replace(run, started_at=now)
