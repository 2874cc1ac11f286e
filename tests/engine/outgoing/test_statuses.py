"""What a forge is told of a run, and when."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from headway.domain.intake import ForgeKind, Repository
from headway.domain.outbox import Effect, EffectKind, EffectState
from headway.domain.run import FileFault, Job, Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.drivers.forge.calls import Repository as AtForge
from headway.drivers.forge.calls import forge_client
from headway.engine.outgoing.outbox import OutboxDuty
from headway.engine.outgoing.statuses import CommitStatusSender, at_forge, commit_status, put_commit_status
from headway.store.database import Database, Transaction
from headway.store.jobs import add_jobs
from headway.store.outbox import effects_of
from headway.store.runs import add_run
from tests.support.http_peers import Answer, peer

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
SHA = "b" * 40
BASE = "https://headway.example"
REPOSITORY = Repository(
    id="repo-1",
    name="shop",
    forge=ForgeKind.GITHUB,
    url="https://github.com/team/shop.git",
    service="shop",
    default_branch="main",
    created_at=NOW,
    created_by="grace",
)
TRIGGER = Trigger(TriggerEvent.PUSH, "key", "repo-1", "refs/heads/main")
RUN = Run(
    id="run-1",
    number=12,
    service="shop",
    repository="/data/repositories/repo-1.git",
    commit=SHA,
    tree="c" * 40,
    dirty=False,
    branch="main",
    state=State.QUEUED,
    reason="",
    created_at=NOW,
    trigger=TRIGGER,
)
FAULT = FileFault("headway.toml", "jobs.test.run", 7, 1, "'jobs.test' has nothing to run")


def ended(state: State, reason: str, seconds: float = 192) -> Run:
    return replace(
        RUN, state=state, reason=reason, started_at=NOW, finished_at=NOW + timedelta(seconds=seconds)
    )


def faulty(*faults: FileFault) -> Run:
    return replace(ended(State.FAILED, "headway.toml has faults"), trigger=replace(TRIGGER, faults=faults))


@pytest.mark.parametrize(
    ("run", "failed_tests", "state", "description"),
    [
        (RUN, 0, "pending", "queued"),
        (
            replace(RUN, trigger=replace(TRIGGER, held_for="a pull request from a fork")),
            0,
            "pending",
            "waits for a person: a pull request from a fork",
        ),
        (replace(RUN, state=State.RUNNING), 0, "running", "running"),
        (ended(State.SUCCEEDED, "3 succeeded"), 0, "success", "succeeded in 3m12s"),
        (ended(State.FAILED, "'test' failed: exit 1"), 2, "failure", "failed in 3m12s: 2 tests failed"),
        (ended(State.FAILED, "'test' failed: exit 1"), 1, "failure", "failed in 3m12s: 1 test failed"),
        (ended(State.FAILED, "'lint' failed: exit 1"), 0, "failure", "failed in 3m12s: 'lint' failed: exit 1"),
        (ended(State.ERRORED, "runner lost"), 0, "error", "errored in 3m12s: runner lost"),
        (ended(State.CANCELLED, "run 13 came in its place"), 0, "cancelled", "cancelled: run 13 came in its place"),
        # A clock was set back meanwhile.
        (ended(State.SUCCEEDED, "", seconds=-60), 0, "success", "succeeded"),
        (faulty(FAULT), 0, "failure", "headway.toml:7: 'jobs.test' has nothing to run"),
        (
            faulty(FAULT, FAULT),
            0,
            "failure",
            "2 faults, the first in headway.toml:7: 'jobs.test' has nothing to run",
        ),
    ],
)  # fmt: skip
def test_how_a_run_is_told(run: Run, failed_tests: int, state: str, description: str) -> None:
    status = commit_status(run, REPOSITORY, BASE, failed_tests=failed_tests)
    assert (str(status.state), status.description) == (state, description)
    assert status.target_url == f"{BASE}/services/shop/runs/12"


def test_a_pull_request_and_the_push_of_its_commit_have_marks_of_their_own() -> None:
    assert RUN.trigger is not None
    of_a_request = replace(RUN, trigger=replace(RUN.trigger, event=TriggerEvent.PULL_REQUEST, pull_request=7))
    assert commit_status(of_a_request, REPOSITORY, BASE).context == "headway/pull-request"


@pytest.mark.parametrize(
    ("service", "context"), [("shop", "headway"), (None, "headway"), ("blog", "headway/shop")]
)
def test_each_of_several_services_has_a_mark_of_its_own(service: str | None, context: str) -> None:
    assert commit_status(RUN, replace(REPOSITORY, service=service), f"{BASE}/").context == context


def told(database: Database, run: Run, repository: Repository | None = REPOSITORY) -> bool:
    return database.transact(lambda tx: put_commit_status(tx, run, repository, BASE, NOW))


def waiting(database: Database) -> list[Effect]:
    found = database.read(lambda tx: effects_of(tx, EffectKind.COMMIT_STATUS, f"repo-1 {SHA} headway"))
    return list(reversed(found))


def test_only_the_latest_state_waits_to_be_told(database: Database) -> None:
    assert told(database, RUN)
    assert not told(database, RUN)
    assert told(database, replace(RUN, state=State.RUNNING))
    assert told(database, ended(State.SUCCEEDED, ""))
    assert [effect.state for effect in waiting(database)] == ["obsolete", "obsolete", "waiting"]
    assert json.loads(waiting(database)[-1].body) == {
        "repository": "repo-1",
        "sha": SHA,
        "context": "headway",
        "state": "success",
        "description": "succeeded in 3m12s",
        "target_url": f"{BASE}/services/shop/runs/12",
    }


def test_a_run_that_was_let_go_by_a_person_is_told_again(database: Database) -> None:
    assert told(database, replace(RUN, trigger=replace(TRIGGER, held_for="a fork")))
    assert told(database, RUN)


def test_failed_tests_are_counted_from_its_jobs(database: Database) -> None:
    run = ended(State.FAILED, "'test' failed: exit 1")

    def job(name: str, *, allow_failure: bool = False) -> Job:
        return Job(f"job-{name}", run.id, name, name, {}, (), State.QUEUED, "", 1, allow_failure, NOW)

    def work(tx: Transaction) -> bool:
        add_run(tx, run, plan="{}", token=1)
        add_jobs(tx, [job("test"), job("slow"), job("lint"), job("flaky", allow_failure=True)])
        tx.execute(
            """
            UPDATE jobs SET tests_total = 9, tests_failed = 2, tests_errored = 1, tests_skipped = 0
            WHERE name <> 'lint'
            """
        )
        return put_commit_status(tx, run, REPOSITORY, BASE, NOW)

    assert database.transact(work)
    assert json.loads(waiting(database)[0].body)["description"] == "failed in 3m12s: 6 tests failed"


@pytest.mark.parametrize(
    ("run", "repository"),
    [
        (RUN, None),
        (RUN, replace(REPOSITORY, forge=ForgeKind.HEADWAY, url="")),
        (RUN, replace(REPOSITORY, forge=ForgeKind.GIT)),
        (replace(RUN, dirty=True), REPOSITORY),
        (replace(RUN, trigger=None), REPOSITORY),
        (replace(RUN, trigger=replace(TRIGGER, event=TriggerEvent.TRY)), REPOSITORY),
    ],
)
def test_runs_that_no_forge_shows(database: Database, run: Run, repository: Repository | None) -> None:
    assert not told(database, run, repository)


def test_where_a_repository_lies_at_its_forge() -> None:
    found = at_forge(
        replace(REPOSITORY, url="git@git.example.org:team/shop.git", forge=ForgeKind.GITEA), "t0ken"
    )
    assert found == AtForge(ForgeKind.GITEA, "https://git.example.org/api/v1", "team/shop", "t0ken")
    assert at_forge(replace(REPOSITORY, url="/srv/git/shop.git"), "t0ken") is None


# From the run to the forge


async def send_all(database: Database, found: AtForge | None) -> None:
    async def find(repository_id: str) -> AtForge | None:
        assert repository_id == "repo-1"
        return found

    async with forge_client() as client:
        await OutboxDuty(database, {EffectKind.COMMIT_STATUS: CommitStatusSender(client, find)}).tick(NOW)


async def test_a_status_reaches_the_forge(database: Database) -> None:
    told(database, ended(State.FAILED, "'lint' failed: exit 1"))
    async with peer(lambda _: Answer(201, {})) as forge:
        await send_all(database, AtForge(ForgeKind.GITHUB, forge.url, "team/shop", "t0ken"))
    (asked,) = forge.asked
    assert asked.path == f"/repos/team/shop/statuses/{SHA}"
    assert asked.json["state"] == "failure"
    assert asked.json["target_url"] == f"{BASE}/services/shop/runs/12"
    assert waiting(database)[0].state is EffectState.SENT


@pytest.mark.parametrize(
    ("status", "state"), [(401, EffectState.FAILED), (404, EffectState.FAILED), (503, EffectState.WAITING)]
)
async def test_a_forge_that_refuses_is_told_apart_from_one_that_is_down(
    database: Database, status: int, state: EffectState
) -> None:
    told(database, RUN)
    async with peer(lambda _: Answer(status, {"message": "no"})) as forge:
        await send_all(database, AtForge(ForgeKind.GITHUB, forge.url, "team/shop", "t0ken"))
    (effect,) = waiting(database)
    assert effect.state is state
    assert str(status) in effect.note
    assert "t0ken" not in effect.note + effect.body


async def test_without_a_token_nothing_is_sent_and_nothing_fails(database: Database) -> None:
    told(database, RUN)
    await send_all(database, None)
    assert waiting(database)[0].state is EffectState.OBSOLETE


def test_the_client_follows_no_redirect() -> None:
    client = forge_client()
    assert isinstance(client, httpx.AsyncClient)
    assert not client.follow_redirects
