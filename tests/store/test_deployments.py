"""Rows of deployments, on both databases."""

from dataclasses import replace
from datetime import timedelta

from headway.domain.deployment import DeploymentKind, DeploymentState, DeploymentStep
from headway.store import deployments as rows
from headway.store.database import Database
from tests.deploy.examples import NOW, deployment
from tests.deploy.examples import rows as host_rows

S = DeploymentState


def put(database: Database, number: int, **changes: object) -> None:
    made = deployment(
        id=f"dep-{number}", number=number, requested_at=NOW + timedelta(minutes=number), **changes
    )
    database.transact(lambda tx: rows.insert_deployment(tx, made, [], token=1))


def test_comes_back_as_it_was_stored(database: Database) -> None:
    whole = deployment(
        kind=DeploymentKind.HOTFIX,
        approved_by="eve",
        approval_verified=True,
        started_at=NOW,
        first_switched_at=NOW,
        verified_at=NOW,
        finished_at=NOW,
        rolled_back_automatically=True,
        supersedes="dep-1",
        due_at=NOW,
        plan='{"a":1}',
    )
    hosts = [replace(row, switched_at=NOW, due_at=NOW) for row in host_rows(["live", "prepared"])]
    database.transact(lambda tx: rows.insert_deployment(tx, whole, hosts, token=1))
    assert database.read(lambda tx: rows.get_deployment(tx, "dep-2")) == whole
    assert database.read(lambda tx: rows.hosts_of(tx, "dep-2")) == hosts
    assert database.read(lambda tx: rows.get_deployment(tx, "dep-9")) is None


def test_an_older_token_writes_nothing(database: Database) -> None:
    first, (row,) = deployment(), host_rows(["waiting"])
    database.transact(lambda tx: rows.insert_deployment(tx, first, [row], token=3))
    assert database.transact(lambda tx: rows.adopt_deployment(tx, "dep-2", 4))
    changed, moved = replace(first, state=S.FAILED), replace(row, state="preparing")
    assert not database.transact(lambda tx: rows.save_deployment(tx, changed, 3))
    assert not database.transact(lambda tx: rows.save_host(tx, moved, 3))
    assert database.read(lambda tx: rows.hosts_of(tx, "dep-2")) == [row]
    assert database.transact(lambda tx: rows.save_host(tx, moved, 4))
    assert database.transact(lambda tx: rows.save_deployment(tx, changed, 4))
    assert database.read(lambda tx: rows.hosts_of(tx, "dep-2")) == [moved]
    # It is over: nobody goes on with it any more.
    assert not database.transact(lambda tx: rows.adopt_deployment(tx, "dep-2", 5))


def test_what_is_live_and_what_goes_on(database: Database) -> None:
    put(database, 1, state=S.SUCCEEDED, release="rel-a")
    put(database, 2, state=S.ROLLED_BACK, release="rel-b")
    put(database, 3, state=S.SUCCEEDED, release="rel-c")
    put(database, 4, state=S.RUNNING, release="rel-d")
    put(database, 5, state=S.SUCCEEDED, release="rel-a", environment="staging")
    put(database, 6, state=S.SUCCEEDED, release="rel-z", service="other")

    def number(found: object) -> int | None:
        return found.number if found else None  # type: ignore[attr-defined]

    def ask(question: object, *words: object) -> object:
        return database.read(lambda tx: question(tx, "shop", *words))  # type: ignore[operator]

    assert number(ask(rows.last_succeeded, "production")) == 3
    assert number(ask(rows.latest, "production")) == 4
    assert number(ask(rows.has_succeeded, "production", "rel-a")) == 1
    assert ask(rows.has_succeeded, "production", "rel-b") is None
    assert [d.number for d in ask(rows.unfinished)] == [4]  # type: ignore[attr-defined]
    assert ask(rows.unfinished, "staging") == []
    assert [d.number for d in ask(rows.history, "production")] == [1, 3]  # type: ignore[attr-defined]
    assert ask(rows.environments_of) == ["production", "staging"]
    assert database.read(lambda tx: rows.environments_of(tx, "nobody")) == []


def test_a_step_is_one_row_an_attempt(database: Database) -> None:
    put(database, 2)
    begun = DeploymentStep("dep-2", "web1", "activate", 1, "running", None, NOW, None)
    ended = replace(begun, state="succeeded", exit_code=0, finished_at=NOW, output="well\n")
    for step in (begun, ended, replace(begun, attempt=2)):
        database.transact(lambda tx, step=step: rows.save_step(tx, step))  # type: ignore[misc]
    assert database.read(lambda tx: rows.steps_of(tx, "dep-2")) == [ended, replace(begun, attempt=2)]
