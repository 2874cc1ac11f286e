"""What came of it all, judged from outside: the book of what was accepted, the jobs' own record, the log files, the rows."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from headway.domain.run import Job, Run
from headway.domain.states import State
from headway.drivers.logfile import LogFile
from headway.store import jobs, runs
from headway.store.database import Database, Row
from tests.chaos.stream import JOBS, STEPS, Book, expected_lines
from tests.chaos.viewer import Viewer
from tests.chaos.world import Tally

#: Rows that wait for somebody although everything has come to rest.
_STUCK = {
    "run": "SELECT id, state FROM runs WHERE state IN ('queued', 'running') OR due_at IS NOT NULL",
    "job": "SELECT id, state FROM jobs WHERE state IN ('queued', 'running')",
    "arrival": "SELECT number, note FROM arrivals WHERE state = 'waiting' OR due_at IS NOT NULL",
    "deployment": "SELECT id, state, reason FROM deployments WHERE finished_at IS NULL OR due_at IS NOT NULL",
    "request": "SELECT id, state, reason FROM requests WHERE state IN ('waiting', 'begun') OR due_at IS NOT NULL",
    "outbox": "SELECT id, kind, note FROM outbox WHERE state = 'waiting'",
    "claim": "SELECT kind, id, reason FROM claims WHERE owner IS NOT NULL",
}


class Verdict:
    def __init__(self, database: Database, data: Path, tally: Tally) -> None:
        self._database = database
        self._data = data
        self._tally = tally
        self._attempts: list[Row] = database.read(lambda tx: tx.all("SELECT * FROM attempts"))
        self._runs: list[Run] = database.read(lambda tx: runs.latest_runs(tx, None, limit=100_000))
        self._jobs: dict[str, list[Job]] = database.read(
            lambda tx: {run.id: jobs.jobs_of(tx, run.id) for run in self._runs}
        )

    def pushes(self, book: Book) -> None:
        """Each became exactly one run, which has ended as it should; and nothing else did."""
        for refused in book.refused:
            self._tally.fault("stuck", refused)
        found: defaultdict[tuple[str, str, str], list[Run]] = defaultdict(list)
        for run in self._runs:
            assert run.trigger is not None
            found[run.service, run.trigger.ref, run.commit].append(run)
        for push in book.accepted:
            of_it = found.pop((push.service, push.ref, push.sha), [])
            if not of_it:
                self._tally.fault("lost", f"no run of {push}")
            if len(of_it) > 1:
                numbers = [(run.number, run.trigger and run.trigger.key, str(run.state)) for run in of_it]
                self._tally.fault("repeated", f"{len(of_it)} runs of {push}: {numbers}")
            for run in of_it:
                self._end_of(run)
        for runs_of_nothing in found.values():
            self._tally.fault("repeated", f"a run of what nobody pushed: {runs_of_nothing[0]}")

    def _end_of(self, run: Run) -> None:
        assert run.trigger is not None
        superseded = run.state is State.CANCELLED and run.trigger.superseded_by is not None
        if not run.state.is_final:
            self._tally.fault("stuck", f"{run}")
        elif run.state is not State.SUCCEEDED and not superseded:
            self._tally.fault("lost", f"run {run.number} of {run.service} ended {run.state}: {run.reason}")

    def record(self, lines: Sequence[str], orphaned: set[str]) -> None:
        """No job ran twice, unless its builder died: then once more, and *errored* was stored before."""
        for line, times in Counter(lines).items():
            if times > 1:
                self._tally.fault("repeated", f"a step ran {times} times: {line}")
        done = set(lines)
        errored = {(row["job"], row["attempt"]) for row in self._attempts if row["state"] == "errored"}
        by_number = {(run.service, run.number): run for run in self._runs}
        for line in done:
            service, number, name, attempt, _, _ = line.split()
            run = by_number.get((service, int(number)))
            if run is None:
                self._tally.fault("repeated", f"a job of a run that is not stored: {line}")
            elif int(attempt) > 1:
                [job] = [job for job in self._jobs[run.id] if job.name == name]
                before = int(attempt) - 1
                if f"{job.id}.{before}" not in orphaned or (job.id, before) not in errored:
                    self._tally.fault("repeated", f"attempt {attempt} of a job whose builder lived: {line}")
        for run in self._runs:
            if run.state is State.SUCCEEDED:
                self._whole(run, done)

    def _whole(self, run: Run, done: set[str]) -> None:
        found = {job.name: job for job in self._jobs[run.id]}
        for name in JOBS:
            job = found[name]
            for number in range(1, STEPS + 1):
                for what in ("begin", "end"):
                    line = f"{run.service} {run.number} {name} {job.attempt} {number} {what}"
                    if line not in done:
                        self._tally.fault("lost", f"it never happened: {line}")

    def logs(self) -> None:
        """Every line exactly once, in order; of an attempt whose builder died those that it printed."""
        lost = {(row["job"], row["attempt"]) for row in self._attempts}
        for run in self._runs:
            for job in (job for job in self._jobs[run.id] if job.name in JOBS):
                for attempt in range(1, job.attempt + 1):
                    if attempt == job.attempt and job.state is not State.SUCCEEDED:
                        continue
                    self._log(run, job, attempt, whole=(job.id, attempt) not in lost)

    def _log(self, run: Run, job: Job, attempt: int, *, whole: bool) -> None:
        expected = expected_lines(job.name)
        with LogFile.open(self._data / "logs" / run.id / f"{job.id}.{attempt}.log") as log:
            seen = log.read(0, log.size).decode().splitlines()
        ours = [line for line in seen if line.startswith(f"{job.name}-")]
        if ours == (expected if whole else expected[: len(ours)]):
            return
        kind = "repeated" if len(set(ours)) < len(ours) else "lost"
        where = f"the log of {job.name}, attempt {attempt}, of run {run.number} of {run.service}"
        self._tally.fault(kind, f"{where} has {len(ours)} lines in place of {len(expected)}")

    def live(self, service: str) -> str:
        """The release that its hosts have to be on; empty when none was ever deployed."""
        row = self._database.read(
            lambda tx: tx.one(
                """
                SELECT release_id FROM deployments WHERE service = :service AND state = 'succeeded'
                ORDER BY number DESC LIMIT 1
                """,
                service=service,
            )
        )
        return "" if row is None else str(row["release_id"])

    def deployments(self, service: str) -> Counter[str]:
        rows = self._database.read(
            lambda tx: tx.all("SELECT state FROM deployments WHERE service = :service", service=service)
        )
        return Counter(str(row["state"]) for row in rows)

    def rows(self) -> None:
        for what, sql in _STUCK.items():
            for row in self._database.read(lambda tx: tx.all(sql)):  # noqa: B023
                self._tally.fault("stuck", f"{what} {dict(row)}")
        for note in self._data.glob("repositories/*.git/headway-received/*-*"):
            self._tally.fault("stuck", f"a push was never taken in: {note}")

    def events(self, viewer: Viewer) -> None:
        """Numbered without a gap; and who looked on all the while saw each of them once, in order."""
        stored = self._database.read(lambda tx: tx.all("SELECT position FROM events ORDER BY position"))
        positions = [row["position"] for row in stored]
        if positions != list(range(1, len(positions) + 1)):
            self._tally.fault("repeated", "positions of events are not 1, 2, 3 …")
        assert viewer.began_after is not None
        expected = [position for position in positions if position > viewer.began_after]
        if viewer.positions == expected:
            return
        counted = Counter(viewer.positions)
        missing = [position for position in expected if position not in counted]
        doubled = [position for position, times in counted.items() if times > 1]
        if missing:
            self._tally.fault("lost", f"a viewer missed {len(missing)} events, such as {missing[0]}")
        if doubled:
            self._tally.fault("repeated", f"a viewer saw {len(doubled)} events twice, such as {doubled[0]}")
        if not missing and not doubled:
            self._tally.fault("repeated", "a viewer saw events out of order, or some that are not stored")
