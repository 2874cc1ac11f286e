"""What loops ask every few seconds costs what is to be done, not what was ever done: SQLite's plans say so.

SQLite is asked because it is the one that goes astray: without statistics it takes any index with an equality.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from headway.store import arrivals, follow_ups, outbox, runs
from headway.store.database import Database, Transaction, open_database
from headway.store.sqlite import SqliteConnection
from tests.support.clocks import NOON

Look = Callable[[Transaction], object]

LOOKS: dict[str, tuple[Look, str]] = {
    "arrivals of all": (lambda tx: arrivals.repositories_with_news(tx, NOON), "arrivals_to_do"),
    "arrivals of one": (lambda tx: arrivals.due_arrivals(tx, "repo"), "arrivals_to_do"),
    "refs that come": (lambda tx: arrivals.refs_on_their_way(tx, "repo"), "arrivals_to_do"),
    "the last one": (lambda tx: arrivals.last_waiting(tx, "repo", "refs/heads/main"), "arrivals_to_do"),
    "runs of a branch": (
        lambda tx: runs.unfinished_of_ref(tx, "shop", "refs/heads/main"),
        "runs_unfinished_of_ref",
    ),
    "releases to offer": (runs.runs_to_spread, "runs_to_spread"),
    "runs to follow": (follow_ups.unfollowed_runs, "runs_unfollowed"),
    "who made it": (lambda tx: follow_ups.runs_that_made(tx, "rel"), "runs_by_release"),
    "effects": (
        lambda tx: outbox.take_due(tx, ["webhook"], NOON, limit=16, lease=timedelta(minutes=2)),
        "outbox_due_of_kind",
    ),
    "when to send": (lambda tx: outbox.next_due(tx, ["webhook"]), "outbox_due_of_kind"),
}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'headway.db'}")


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_is_answered_by_its_index(
    database: Database, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, index = LOOKS[name]
    plans: list[str] = []
    run = SqliteConnection.run

    def explained(connection: SqliteConnection, sql: str, parameters: dict[str, object]) -> object:
        steps = run(connection, f"EXPLAIN QUERY PLAN {sql}", parameters)[1]
        plans.extend(str(step["detail"]) for step in steps)
        return run(connection, sql, parameters)

    monkeypatch.setattr(SqliteConnection, "run", explained)
    database.transact(look)
    database.close()
    assert any(f" {index} " in f"{plan} " for plan in plans), plans
