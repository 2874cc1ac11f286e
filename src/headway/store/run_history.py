"""Runs as history: the list with its filters, how long they usually take, what became of tests. Reads only.

A branch's history is that of what was pushed there: a try is somebody's working tree, a stranger's `main` is called
otherwise (`domain.intake.PullRequest.branch`).

Every statement follows an index: `runs_by_time`, `runs_by_age`, `runs_by_branch`, `runs_by_state`,
`runs_by_event`, `runs_of_branch`, `runs_by_rerun`, `runs_by_superseder`, `test_cases_by_name`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.run_history import Outcome, PastAttempt, RunFilter, RunLine
from headway.domain.states import State
from headway.store.database import Row, Transaction
from headway.store.pages import Place, after

#: Runs of a branch among which succeeded ones are looked for.
_LOOK_BACK = 200
_LINE = """
    r.id, r.number, r.service, r.commit_sha, r.dirty, r.branch, r.tag, r.event, r.pull_request, r.state, r.reason,
    r.held_for, r.requested_by, r.created_at, r.started_at, r.finished_at, r.release_id,
    COALESCE(c.subject, '') AS subject, COALESCE(c.author, '') AS author
"""
_COMMIT = "LEFT JOIN commits c ON c.repository = r.repository AND c.sha = r.commit_sha"


def list_runs(tx: Transaction, wanted: RunFilter, *, place: Place | None, limit: int) -> list[RunLine]:
    """Newest first, those after the place."""
    # Only what was asked for stands in the statement: `OR … IS NULL` would keep SQLite from its indexes.
    columns = {
        "service": wanted.service,
        "state": wanted.state,
        "branch": wanted.branch,
        "event": wanted.event,
    }
    conditions = [f"r.{name} = :{name}" for name, value in columns.items() if value is not None]
    values: dict[str, object] = {name: value for name, value in columns.items() if value is not None}
    page = after(place, at="r.created_at", key="r.id")
    rows = tx.all(
        f"""
        SELECT {_LINE} FROM runs r {_COMMIT} WHERE {" AND ".join([*conditions, page.condition])}
        ORDER BY {page.order} LIMIT :limit
        """,
        limit=limit,
        **values,
        **page.values,
    )
    return [_line(row) for row in rows]


def line_of(tx: Transaction, run_id: str) -> RunLine | None:
    """One run as a line of the list."""
    row = tx.one(f"SELECT {_LINE} FROM runs r {_COMMIT} WHERE r.id = :id", id=run_id)
    return None if row is None else _line(row)


def reruns_of(tx: Transaction, run_id: str) -> list[RunLine]:
    """Runs that repeat this one, oldest first; at most 20."""
    return _pointing(tx, "rerun_of", run_id)


def superseded_by(tx: Transaction, run_id: str) -> list[RunLine]:
    """Runs in whose place this one came, oldest first; at most 20."""
    return _pointing(tx, "superseded_by", run_id)


def _pointing(tx: Transaction, column: str, run_id: str) -> list[RunLine]:
    rows = tx.all(
        f"SELECT {_LINE} FROM runs r {_COMMIT} WHERE r.{column} = :id ORDER BY r.created_at, r.id LIMIT 20",
        id=run_id,
    )
    return [_line(row) for row in rows]


def neighbour(
    tx: Transaction, service: str, branch: str, at: datetime, number: int, *, earlier: bool
) -> int | None:
    """The number of the branch's run before or after this one, which was created `at`."""
    way, order = ("<", "DESC") if earlier else (">", "ASC")
    row = tx.one(
        f"""
        SELECT number FROM runs WHERE service = :service AND branch = :branch AND created_at {way}= :at
            AND (created_at {way} :at OR number {way} :number)
        ORDER BY created_at {order}, number {order} LIMIT 1
        """,
        service=service,
        branch=branch,
        at=to_milliseconds(at),
        number=number,
    )
    return None if row is None else int(row["number"])


def usual_durations(
    tx: Transaction, service: str, branch: str, *, before: datetime, limit: int = 20
) -> list[timedelta]:
    """How long the branch's last succeeded runs took, from their start to their end, newest first."""
    rows = tx.all(
        """
        SELECT finished_at - COALESCE(started_at, created_at) AS took FROM (
            SELECT state, created_at, started_at, finished_at FROM runs
            WHERE service = :service AND branch = :branch AND created_at < :before AND event <> 'try'
            ORDER BY created_at DESC LIMIT :look_back
        ) latest
        WHERE state = 'succeeded' ORDER BY created_at DESC LIMIT :limit
        """,
        service=service,
        branch=branch,
        before=to_milliseconds(before),
        look_back=_LOOK_BACK,
        limit=limit,
    )
    return [timedelta(milliseconds=row["took"]) for row in rows]


def past_attempts(tx: Transaction, run_id: str) -> list[PastAttempt]:
    """Of all jobs of the run, in the order of jobs and attempts."""
    rows = tx.all(
        """
        SELECT attempts.* FROM attempts JOIN jobs ON jobs.id = attempts.job
        WHERE jobs.run = :run ORDER BY jobs.position, attempts.attempt
        """,
        run=run_id,
    )
    return [
        PastAttempt(
            job=row["job"],
            attempt=row["attempt"],
            state=State(row["state"]),
            reason=row["reason"],
            started_at=_instant(row["started_at"]),
            finished_at=from_milliseconds(row["finished_at"]),
        )
        for row in rows
    ]


def outcomes_of_cases(
    tx: Transaction,
    service: str,
    branches: Sequence[str],
    cases: Sequence[tuple[str, str, str]],
    *,
    before: datetime,
    runs: int = 50,
) -> dict[tuple[str, str, str], list[Outcome]]:
    """What became of (job's name, suite, case's name) in the last `runs` runs of these branches, newest first."""
    if not cases or not branches:
        return {}
    wanted = set(cases)
    recent = _recent_runs(tx, service, branches, before, runs)
    if not recent:
        return {}
    ran = _jobs_named(tx, list(recent), sorted({job for job, _, _ in wanted}))
    if not ran:
        return {}
    # Two statements: as one, SQLite would begin with every case of these names that was ever stored.
    job_ids, job_values = _listed("job", list(ran))
    case_names, case_values = _listed("case", sorted({name for _, _, name in wanted}))
    rows = tx.all(
        f"""
        SELECT job, suite, name, state FROM test_cases
        WHERE name IN ({case_names}) AND job IN ({job_ids})
        """,
        **job_values,
        **case_values,
    )
    found: dict[tuple[str, str, str], dict[str, Outcome]] = {}
    for row in rows:
        run, job_name = ran[row["job"]]
        key = (job_name, row["suite"], row["name"])
        if key in wanted:
            outcome = Outcome(*recent[run], State(row["state"]))
            kept = found.setdefault(key, {}).setdefault(run, outcome)
            # The same name twice in one report: the worse one stands for both.
            if outcome.is_bad and not kept.is_bad:
                found[key][run] = outcome
    return {key: [of[run] for run in recent if run in of] for key, of in found.items()}


def _jobs_named(tx: Transaction, run_ids: Sequence[str], names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """id -> (run, name) of the jobs of these runs that are called so."""
    run_ids_listed, run_values = _listed("run", run_ids)
    names_listed, name_values = _listed("name", names)
    rows = tx.all(
        f"SELECT id, run, name FROM jobs WHERE run IN ({run_ids_listed}) AND name IN ({names_listed})",
        **run_values,
        **name_values,
    )
    return {row["id"]: (row["run"], row["name"]) for row in rows}


def _recent_runs(
    tx: Transaction, service: str, branches: Sequence[str], before: datetime, limit: int
) -> dict[str, tuple[int, str]]:
    """id -> (number, commit) of the branches' last runs that ended, newest first."""
    found: list[Row] = []
    for branch in dict.fromkeys(branches):
        found += tx.all(
            """
            SELECT id, number, commit_sha, created_at FROM (
                SELECT id, number, commit_sha, created_at, state FROM runs
                WHERE service = :service AND branch = :branch AND created_at < :before AND event <> 'try'
                ORDER BY created_at DESC LIMIT :look_back
            ) latest
            WHERE state IN ('succeeded', 'failed', 'errored') ORDER BY created_at DESC LIMIT :limit
            """,
            service=service,
            branch=branch,
            before=to_milliseconds(before),
            look_back=_LOOK_BACK,
            limit=limit,
        )
    found.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
    return {row["id"]: (row["number"], row["commit_sha"]) for row in found[:limit]}


def _listed(name: str, values: Sequence[str]) -> tuple[str, dict[str, object]]:
    """`:run_0, :run_1` and their values."""
    named: dict[str, object] = {f"{name}_{index}": value for index, value in enumerate(values)}
    return ", ".join(f":{key}" for key in named), named


def _line(row: Row) -> RunLine:
    return RunLine(
        id=row["id"],
        number=row["number"],
        service=row["service"],
        commit=row["commit_sha"],
        dirty=bool(row["dirty"]),
        branch=row["branch"],
        tag=row["tag"],
        event=row["event"],
        pull_request=row["pull_request"],
        state=State(row["state"]),
        reason=row["reason"],
        held_for=row["held_for"] or "",
        requested_by=row["requested_by"],
        created_at=from_milliseconds(row["created_at"]),
        started_at=_instant(row["started_at"]),
        finished_at=_instant(row["finished_at"]),
        release=row["release_id"],
        subject=row["subject"],
        author=row["author"],
    )


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
