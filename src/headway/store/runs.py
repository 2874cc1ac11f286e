"""Runs. Whoever drives one holds its token: a write with an older token changes nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.run import FileFault, Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.store.database import Row, Transaction

_UNFINISHED = "state IN ('queued', 'running')"


def add_run(tx: Transaction, run: Run, *, plan: str, token: int) -> bool:
    """Store a new run; False when an unfinished one of the same content and selection is there already."""
    return bool(
        tx.execute(
            """
            INSERT INTO runs (id, number, service, repository, commit_sha, tree, dirty, branch, tag, selection, plan,
                state, reason, requested_by, created_at, started_at, finished_at, due_at, token,
                event, trigger_key, repository_id, ref, priority, held_for, fork, pull_request, rerun_of,
                superseded_by, parameters, faults, pushed_by, concurrency_group, concurrency_limit, changed_since)
            VALUES (:id, :number, :service, :repository, :commit_sha, :tree, :dirty, :branch, :tag, :selection, :plan,
                :state, :reason, :requested_by, :created_at, :started_at, :finished_at, :due_at, :token,
                :event, :trigger_key, :repository_id, :ref, :priority, :held_for, :fork, :pull_request, :rerun_of,
                :superseded_by, :parameters, :faults, :pushed_by, :concurrency_group, :concurrency_limit, :changed_since)
            ON CONFLICT DO NOTHING
            """,
            id=run.id,
            number=run.number,
            service=run.service,
            repository=run.repository,
            commit_sha=run.commit,
            tree=run.tree,
            dirty=run.dirty,
            branch=run.branch,
            tag=run.tag,
            selection=_selection(run.selection),
            plan=plan,
            state=run.state,
            reason=run.reason,
            requested_by=run.requested_by,
            created_at=to_milliseconds(run.created_at),
            started_at=_milliseconds(run.started_at),
            finished_at=_milliseconds(run.finished_at),
            due_at=_milliseconds(run.due_at),
            token=token,
            parameters=_parameters(run.parameters),
            **_trigger_columns(run.trigger),
        )
    )


def run_by_id(tx: Transaction, run_id: str) -> Run | None:
    row = tx.one("SELECT * FROM runs WHERE id = :id", id=run_id)
    return None if row is None else _run(row)


def run_by_number(tx: Transaction, service: str, number: int) -> Run | None:
    row = tx.one(
        "SELECT * FROM runs WHERE service = :service AND number = :number", service=service, number=number
    )
    return None if row is None else _run(row)


def pushers(tx: Transaction, service: str, commit: str) -> set[str]:
    """Who pushed this commit, as they are called where they did."""
    rows = tx.all(
        """
        SELECT DISTINCT pushed_by FROM runs
        WHERE service = :service AND commit_sha = :commit AND pushed_by <> ''
        """,
        service=service,
        commit=commit,
    )
    return {row["pushed_by"] for row in rows}


def parameter_givers(tx: Transaction, release: str) -> set[str]:
    """Who began runs by hand, with parameters, that made this release; and who had begun what was run again to make it."""
    rows = tx.all(
        """
        WITH RECURSIVE made (id, rerun_of, event, parameters, requested_by) AS (
            SELECT id, rerun_of, event, parameters, requested_by FROM runs
            WHERE release_id = :release AND state = 'succeeded'
            UNION
            SELECT runs.id, runs.rerun_of, runs.event, runs.parameters, runs.requested_by
            FROM runs JOIN made ON runs.id = made.rerun_of
        )
        SELECT DISTINCT requested_by FROM made WHERE event IN ('manual', 'rerun') AND parameters <> '{}'
        """,
        release=release,
    )
    return {row["requested_by"] for row in rows}


def runs_with_number(tx: Transaction, number: int) -> list[Run]:
    """That run of every service: what a number means outside of a repository."""
    rows = tx.all("SELECT * FROM runs WHERE number = :number ORDER BY service", number=number)
    return [_run(row) for row in rows]


def latest_runs(tx: Transaction, service: str | None = None, *, limit: int = 20) -> list[Run]:
    """Newest first, of one service or of all."""
    rows = tx.all(
        """
        SELECT * FROM runs WHERE CAST(:service AS TEXT) IS NULL OR service = :service
        ORDER BY created_at DESC, number DESC LIMIT :limit
        """,
        service=service,
        limit=limit,
    )
    return [_run(row) for row in rows]


def unfinished_run(
    tx: Transaction,
    *,
    service: str,
    repository: str,
    commit: str,
    tree: str,
    selection: Sequence[str],
    parameters: Mapping[str, str],
) -> Run | None:
    """The unfinished run of this very content with this selection and these values; there is at most one."""
    row = tx.one(
        f"""
        SELECT * FROM runs WHERE service = :service AND repository = :repository AND commit_sha = :commit_sha
            AND tree = :tree AND selection = :selection AND parameters = :parameters AND {_UNFINISHED}
        """,
        service=service,
        repository=repository,
        commit_sha=commit,
        tree=tree,
        selection=_selection(selection),
        parameters=_parameters(parameters),
    )
    return None if row is None else _run(row)


def unfinished_runs(tx: Transaction, *, service: str | None = None) -> list[Run]:
    """All that have not ended, oldest first; of one service or of all."""
    rows = tx.all(
        f"""
        SELECT * FROM runs WHERE {_UNFINISHED} AND (CAST(:service AS TEXT) IS NULL OR service = :service)
        ORDER BY created_at, id
        """,
        service=service,
    )
    return [_run(row) for row in rows]


def waiting_runs(tx: Transaction, *, limit: int) -> list[Run]:
    """Of a server: those that are under way, then those that wait, in the order in which they are to start: one of each
    repository after the other, so that a long queue of one hides nobody.

    Those that a person holds are left out, unless they are to be cancelled.
    """
    rows = tx.all(
        in_turn("trigger_key IS NOT NULL AND (held_for IS NULL OR cancel_reason IS NOT NULL)"), limit=limit
    )
    return [_run(row) for row in rows]


def in_turn(condition: str) -> str:
    """SQL for unfinished runs of which the condition holds, the first :limit in the order of `waiting_runs`."""
    return f"""
        SELECT * FROM (
            SELECT runs.*, ROW_NUMBER() OVER (
                PARTITION BY COALESCE(repository_id, repository)
                ORDER BY CASE state WHEN 'running' THEN 0 ELSE 1 END, priority DESC, created_at, number
            ) AS turn
            FROM runs WHERE {_UNFINISHED} AND {condition}
        ) AS waiting
        ORDER BY CASE state WHEN 'running' THEN 0 ELSE 1 END, turn, priority DESC, created_at, number LIMIT :limit
        """


def cancel_all_of(tx: Transaction, repository_id: str, reason: str) -> None:
    """Ask whoever drives them to stop them; those that are queued end when their turn comes, without a job."""
    tx.execute(
        f"""
        UPDATE runs SET cancel_reason = :reason
        WHERE repository_id = :repository_id AND cancel_reason IS NULL AND {_UNFINISHED}
        """,
        repository_id=repository_id,
        reason=reason,
    )


def runs_to_spread(tx: Transaction, *, limit: int = 50) -> list[Run]:
    """Green runs of a server that were not yet offered to the services that wait for their releases."""
    # Two statements, each with its index.
    rows = [
        *tx.all(
            """
            SELECT * FROM runs WHERE state = 'succeeded' AND release_id IS NOT NULL AND trigger_key IS NOT NULL
                AND spread_at IS NULL
            ORDER BY finished_at LIMIT :limit
            """,
            limit=limit,
        ),
        *tx.all(
            "SELECT * FROM runs WHERE unreleased = 1 AND spread_at IS NULL ORDER BY finished_at LIMIT :limit",
            limit=limit,
        ),
    ]
    return [_run(row) for row in rows]


def note_unreleased(tx: Transaction, run_id: str) -> None:
    """It is green, and its service makes no releases."""
    tx.execute("UPDATE runs SET unreleased = 1 WHERE id = :id", id=run_id)


def note_spread(tx: Transaction, run_id: str, now: datetime) -> None:
    tx.execute("UPDATE runs SET spread_at = :now WHERE id = :id", id=run_id, now=to_milliseconds(now))


def run_by_trigger(tx: Transaction, key: str) -> Run | None:
    row = tx.one("SELECT * FROM runs WHERE trigger_key = :key", key=key)
    return None if row is None else _run(row)


def unfinished_of_ref(tx: Transaction, service: str, ref: str) -> list[Run]:
    """What a server still has to do for this branch, oldest first."""
    rows = tx.all(
        f"""
        SELECT * FROM runs WHERE service = :service AND ref = :ref AND {_UNFINISHED} AND trigger_key IS NOT NULL
        ORDER BY created_at, number
        """,
        service=service,
        ref=ref,
    )
    return [_run(row) for row in rows]


def supersede(tx: Transaction, run_id: str, by: str) -> None:
    tx.execute("UPDATE runs SET superseded_by = :by WHERE id = :id", id=run_id, by=by)


def let_start(tx: Transaction, run_id: str, approved_by: str) -> bool:
    """A person said that it may. False: nothing held it."""
    return bool(
        tx.execute(
            f"""
            UPDATE runs SET held_for = NULL, approved_by = :by
            WHERE id = :id AND held_for IS NOT NULL AND {_UNFINISHED}
            """,
            id=run_id,
            by=approved_by,
        )
    )


def put_plan(tx: Transaction, run_id: str, plan: str) -> None:
    """Of one that was held until now: its jobs were not planned before somebody let it start."""
    tx.execute("UPDATE runs SET plan = :plan WHERE id = :id", id=run_id, plan=plan)


def put_faults(tx: Transaction, run_id: str, faults: Sequence[FileFault]) -> None:
    tx.execute(
        "UPDATE runs SET faults = :faults WHERE id = :id",
        id=run_id,
        faults=json.dumps([asdict(fault) for fault in faults]),
    )


def end_undriven(tx: Transaction, run_id: str, *, state: State, reason: str, now: datetime) -> bool:
    """End one that nobody has begun to drive. False: somebody has, or it has ended."""
    changed = tx.execute(
        """
        UPDATE runs SET state = :state, reason = :reason, finished_at = :now, due_at = NULL
        WHERE id = :id AND state = 'queued' AND NOT EXISTS (
            SELECT 1 FROM claims WHERE claims.kind = 'run' AND claims.id = runs.id AND claims.owner IS NOT NULL
        )
        """,
        id=run_id,
        state=state,
        reason=reason,
        now=to_milliseconds(now),
    )
    if changed:
        left = State.CANCELLED if state is State.CANCELLED else State.SKIPPED
        tx.execute(
            """
            UPDATE jobs SET state = :left, reason = :reason, finished_at = :now
            WHERE run = :id AND state = 'queued'
            """,
            id=run_id,
            left=left,
            reason=reason,
            now=to_milliseconds(now),
        )
    return bool(changed)


def plan_of(tx: Transaction, run_id: str) -> str:
    """The plan with which it began, as it was given to `add_run`."""
    row = tx.one("SELECT plan FROM runs WHERE id = :id", id=run_id)
    assert row is not None
    return str(row["plan"])


def hand_over(tx: Transaction, run_id: str, token: int) -> None:
    """From here on only writes with this token count. The caller has claimed the run in this same transaction."""
    tx.execute("UPDATE runs SET token = :token WHERE id = :id", id=run_id, token=token)


def is_held(tx: Transaction, run_id: str, token: int) -> bool:
    """Whether the run is still ours."""
    row = tx.one("SELECT 1 AS held FROM runs WHERE id = :id AND token = :token", id=run_id, token=token)
    return row is not None


def begin_run(tx: Transaction, run_id: str, token: int, now: datetime) -> None:
    """*queued* becomes *running*; one that runs already is left as it is."""
    tx.execute(
        """
        UPDATE runs SET state = 'running', started_at = :now
        WHERE id = :id AND token = :token AND state = 'queued'
        """,
        id=run_id,
        token=token,
        now=to_milliseconds(now),
    )


def finish_run(tx: Transaction, run_id: str, token: int, *, state: State, reason: str, now: datetime) -> bool:
    """The run has ended. False when it was not ours, or had ended before."""
    return bool(
        tx.execute(
            f"""
            UPDATE runs SET state = :state, reason = :reason, finished_at = :now, due_at = NULL
            WHERE id = :id AND token = :token AND {_UNFINISHED}
            """,
            id=run_id,
            token=token,
            state=state,
            reason=reason,
            now=to_milliseconds(now),
        )
    )


def note_release(tx: Transaction, run_id: str, release: str) -> None:
    """The release that this run made."""
    tx.execute("UPDATE runs SET release_id = :release WHERE id = :id", id=run_id, release=release)


def ask_to_cancel(tx: Transaction, run_id: str, reason: str) -> bool:
    """Ask whoever drives it to stop it. False when it has ended or was asked before."""
    return bool(
        tx.execute(
            f"""
            UPDATE runs SET cancel_reason = :reason
            WHERE id = :id AND cancel_reason IS NULL AND {_UNFINISHED}
            """,
            id=run_id,
            reason=reason,
        )
    )


def cancel_reason(tx: Transaction, run_id: str) -> str | None:
    """Why the run is to stop; None when nobody asked."""
    row = tx.one("SELECT cancel_reason FROM runs WHERE id = :id", id=run_id)
    return None if row is None else row["cancel_reason"]


def _parameters(values: Mapping[str, str]) -> str:
    return json.dumps(dict(values), sort_keys=True)


def _selection(names: Sequence[str]) -> str:
    return json.dumps(sorted(set(names)))


def _run(row: Row) -> Run:
    return Run(
        id=row["id"],
        number=row["number"],
        service=row["service"],
        repository=row["repository"],
        commit=row["commit_sha"],
        tree=row["tree"],
        dirty=bool(row["dirty"]),
        branch=row["branch"],
        tag=row["tag"],
        selection=tuple(json.loads(row["selection"])),
        state=State(row["state"]),
        reason=row["reason"],
        requested_by=row["requested_by"],
        created_at=from_milliseconds(row["created_at"]),
        started_at=_instant(row["started_at"]),
        finished_at=_instant(row["finished_at"]),
        due_at=_instant(row["due_at"]),
        release=row["release_id"],
        parameters=json.loads(row["parameters"]),
        trigger=_trigger(row),
    )


def _trigger_columns(trigger: Trigger | None) -> dict[str, object]:
    if trigger is None:
        nothing = (
            "trigger_key repository_id ref held_for pull_request rerun_of superseded_by"
            " concurrency_group concurrency_limit changed_since"
        )
        plain: dict[str, object] = {"event": "", "priority": 0, "fork": 0, "faults": "[]", "pushed_by": ""}
        return plain | dict.fromkeys(nothing.split())
    return {
        "event": trigger.event,
        "trigger_key": trigger.key,
        "repository_id": trigger.repository,
        "ref": trigger.ref,
        "priority": trigger.priority,
        "held_for": trigger.held_for or None,
        "fork": trigger.fork,
        "pull_request": trigger.pull_request,
        "pushed_by": trigger.pushed_by,
        "rerun_of": trigger.rerun_of,
        "superseded_by": trigger.superseded_by,
        "faults": json.dumps([asdict(fault) for fault in trigger.faults]),
        "concurrency_group": trigger.group,
        "concurrency_limit": trigger.group_limit if trigger.group else None,
        "changed_since": trigger.changed_since,
    }


def _trigger(row: Row) -> Trigger | None:
    if not row["event"]:
        return None
    return Trigger(
        event=TriggerEvent(row["event"]),
        key=row["trigger_key"],
        repository=row["repository_id"],
        ref=row["ref"] or "",
        priority=row["priority"],
        held_for=row["held_for"] or "",
        approved_by=row["approved_by"],
        fork=bool(row["fork"]),
        pull_request=row["pull_request"],
        pushed_by=row["pushed_by"],
        rerun_of=row["rerun_of"],
        superseded_by=row["superseded_by"],
        faults=tuple(FileFault(**fault) for fault in json.loads(row["faults"])),
        group=row["concurrency_group"],
        group_limit=row["concurrency_limit"] or 1,
        changed_since=row["changed_since"],
    )


def _milliseconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_milliseconds(instant)


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
