"""Fill a database as a server has it after years: fill_server.py DATABASE [RUNS DEPLOYMENTS SERVICES].

100,000 runs of 3 jobs, 20,000 deployments to 4 hosts each, 1,000 services, by default; about 25 s. What is measured
on it: the time to the first byte of every page.
"""

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from headway.base.clock import to_milliseconds
from headway.store.bulk import insert_rows
from headway.store.database import Database, Transaction, open_database

Row = dict[str, object]
#: Most runs are of few services, as in life.
_SKEW = 1.4


class Filler:
    """Draws everything from one seed, so that two databases filled alike are alike."""

    def __init__(
        self, database: Database, *, runs: int, deployments: int, services: int, now: datetime
    ) -> None:
        self._database = database
        self._random = random.Random(4)
        self._now = to_milliseconds(now)
        self._runs, self._deployments = runs, deployments
        self.services = [f"service-{number:04d}" for number in range(services)]
        self._numbers: dict[tuple[str, str], int] = {}

    def fill(self) -> None:
        self._store("repositories", self._repositories())
        runs = list(self._all_runs())
        self._store("commits", self._commits(runs))
        self._store("runs", iter(runs))
        self._store("jobs", self._jobs(runs))
        self._store("releases", self._releases(runs))
        self._store("deployments", self._all_deployments(runs))
        self._store("counters", self._counters())

    def _store(self, table: str, rows: Iterator[Row]) -> None:
        part: list[Row] = []
        for row in rows:
            part.append(row)
            if len(part) == 5000:
                self._insert(table, part)
                part = []
        self._insert(table, part)

    def _insert(self, table: str, rows: list[Row]) -> None:
        self._database.transact(lambda tx: insert_rows(tx, table, rows))

    def _next(self, service: str, noun: str) -> int:
        key = (service, noun)
        self._numbers[key] = self._numbers.get(key, 0) + 1
        return self._numbers[key]

    def _service(self, place: int) -> str:
        """The first thousand rows touch every service once; after that a few have most."""
        if place < len(self.services):
            return self.services[place]
        index = int(len(self.services) * self._random.random() ** _SKEW)
        return self.services[min(index, len(self.services) - 1)]

    def _repositories(self) -> Iterator[Row]:
        for service in self.services:
            yield {
                "id": f"repo-{service}",
                "name": f"team/{service}",
                "forge": "git",
                "url": f"https://git.example/{service}.git",
                "web_url": "",
                "service": service,
                "team": "team",
                "default_branch": "main",
                "created_at": self._now - 10**10,
                "created_by": "ada",
                # Nobody is asked for news: what is measured is a server at rest.
                "poll_every": 0,
                "due_at": None,
                "checked_at": self._now,
                "fault": "",
                "faults": 0,
                "removed_at": None,
            }

    def _all_runs(self) -> Iterator[Row]:
        gap = int(timedelta(days=365).total_seconds() * 1000 / max(self._runs, 1))
        for place in range(self._runs):
            service = self._service(place)
            number = self._next(service, "run")
            created = self._now - (self._runs - place) * gap
            state = self._random.choices(["succeeded", "failed", "errored", "cancelled"], [88, 9, 1, 2])[0]
            branch = (
                "main" if self._random.random() < 0.6 or place < len(self.services) else f"topic/{number}"
            )
            made = state == "succeeded" and branch == "main"
            yield {
                "id": f"run-{place:09d}",
                "number": number,
                "service": service,
                "repository": f"/data/repositories/repo-{service}.git",
                "commit_sha": f"{place:040x}",
                "tree": f"{place:040x}",
                "dirty": 0,
                "branch": branch,
                "tag": None,
                "selection": "[]",
                "plan": "{}",
                "state": state,
                "reason": "every job succeeded" if state == "succeeded" else "test failed: exit 1 in step 2",
                "requested_by": "grace",
                "created_at": created,
                "started_at": created + 800,
                "finished_at": created + 60_000 + self._random.randrange(240_000),
                "due_at": None,
                "token": 1,
                "release_id": f"rel-{place:012x}" if made else None,
                "event": "push",
                "trigger_key": f"push {place}",
                "repository_id": f"repo-{service}",
                "ref": f"refs/heads/{branch}",
                "followed_at": created,
                "spread_at": created if made else None,
            }

    def _commits(self, runs: list[Row]) -> Iterator[Row]:
        for run in runs:
            yield {
                "repository": run["repository"],
                "sha": run["commit_sha"],
                "tree": run["tree"],
                "parents": "[]",
                "author": "Grace Hopper <grace@example.org>",
                "authored_at": run["created_at"],
                "committer": "Grace Hopper <grace@example.org>",
                "committed_at": run["created_at"],
                "subject": f"Round prices half-even, take {run['number']}",
            }

    def _jobs(self, runs: list[Row]) -> Iterator[Row]:
        for run in runs:
            for position, name in enumerate(("test", "lint", "build")):
                failed = run["state"] == "failed" and name == "test"
                yield {
                    "id": f"job-{run['id']}-{position}",
                    "run": run["id"],
                    "position": position,
                    "name": name,
                    "definition": name,
                    "matrix": "{}",
                    "needs": "[]",
                    "state": "failed" if failed else "succeeded",
                    "reason": "",
                    "attempt": 1,
                    "allow_failure": 0,
                    "queued_at": run["created_at"],
                    "started_at": run["started_at"],
                    "finished_at": run["finished_at"],
                    "taken": 0,
                    "kept": 0,
                    "outputs": "{}",
                }

    def _releases(self, runs: list[Row]) -> Iterator[Row]:
        for run in runs:
            if run["release_id"] is not None:
                yield {
                    "id": run["release_id"],
                    "service": run["service"],
                    "repository": run["repository"],
                    "commit_sha": run["commit_sha"],
                    "created_at": run["finished_at"],
                    "created_by": "headway",
                    "run": run["id"],
                    "renewed_at": run["finished_at"],
                    "removed_at": None,
                }

    def _all_deployments(self, runs: list[Row]) -> Iterator[Row]:
        """Of the releases in their order, each to staging and production in turn."""
        releases = [run for run in runs if run["release_id"] is not None]
        live: dict[tuple[object, str], object] = {}
        hosts: list[Row] = []
        changes: list[Row] = []
        step = max(len(releases) * 2 // max(self._deployments, 1), 1)
        chosen = releases[: len(self.services)] + releases[len(self.services) :: step]
        for place in range(self._deployments):
            run = chosen[place // 2 % len(chosen)]
            environment = ("staging", "production")[place % 2]
            asked = int(str(run["finished_at"])) + place % 2 * 600_000
            state = self._random.choices(["succeeded", "rolled_back", "failed"], [94, 5, 1])[0]
            service = str(run["service"])
            id = f"dep-{place:08d}"
            yield {
                "id": id,
                "number": self._next(service, "deployment"),
                "service": service,
                "repository": run["repository"],
                "environment": environment,
                "production": int(environment == "production"),
                "release_id": run["release_id"],
                "commit_sha": run["commit_sha"],
                "previous_release": live.get((service, environment)),
                "kind": "planned",
                "state": state,
                "reason": "every host serves it" if state == "succeeded" else "web2 is not healthy",
                "requested_by": "ada",
                "requested_at": asked,
                "approved_by": None,
                "approval_verified": 0,
                "started_at": asked,
                "first_switched_at": asked + 5_000,
                "verified_at": asked + 20_000 if state == "succeeded" else None,
                "finished_at": asked + 30_000,
                "rolled_back_automatically": int(state == "rolled_back"),
                "supersedes": None,
                "due_at": None,
                "plan": "{}",
                "token": 1,
                "followed_at": asked,
            }
            if state == "succeeded":
                live[service, environment] = run["release_id"]
            hosts += self._hosts(id, state, asked)
            changes.append({"deployment": id, "base": None, "unknown": None})
        # After the deployments themselves, which they refer to: `_store` has written them by then.
        self._after = (hosts, changes)

    def _hosts(self, deployment: str, state: str, asked: int) -> list[Row]:
        return [
            {
                "deployment": deployment,
                "host": f"web{number + 1}",
                "position": number,
                "batch": number // 2,
                "state": "finished" if state == "succeeded" else "reverted",
                "reason": "",
                "previous_release": None,
                "attempt": 1,
                "switched_at": asked + 5_000,
                "verified_at": asked + 20_000,
                "reverted_at": None,
                "due_at": None,
            }
            for number in range(4)
        ]

    def _counters(self) -> Iterator[Row]:
        hosts, changes = self._after
        self._store("deployment_hosts", iter(hosts))
        self._store("deployment_changes", iter(changes))
        for (service, noun), number in self._numbers.items():
            yield {"service": service, "noun": noun, "next_number": number + 1}


def fill(database: Database, *, runs: int, deployments: int, services: int, now: datetime) -> None:
    Filler(database, runs=runs, deployments=deployments, services=services, now=now).fill()


def is_filled(tx: Transaction) -> bool:
    return tx.one("SELECT 1 AS there FROM runs LIMIT 1") is not None


def main(path: str, runs: str = "100000", deployments: str = "20000", services: str = "1000") -> None:
    database = open_database(path if "://" in path else f"sqlite:///{path}")
    fill(
        database, runs=int(runs), deployments=int(deployments), services=int(services), now=datetime.now(UTC)
    )
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
