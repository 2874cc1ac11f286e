"""What the pages show, read on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from headway.domain.deployment import DeploymentState
from headway.domain.org import Org
from headway.domain.people import Actor, Role
from headway.domain.run import TriggerEvent
from headway.domain.secrets import environment_scope, service_scope
from headway.domain.states import State
from headway.engine.secrets.keys import new_key
from headway.engine.secrets.vault import Vault
from headway.engine.views.deployments import read_deployment, read_deployments
from headway.engine.views.find import find_address
from headway.engine.views.hosts import read_hosts
from headway.engine.views.queue import SOON, read_queue
from headway.engine.views.releases import read_release, read_releases
from headway.engine.views.service import read_service, read_timeline
from headway.engine.views.services import Need, read_service_row, read_services
from headway.engine.views.system import read_outbox, read_repository
from headway.store import jobs, runs
from headway.store.database import Database, Transaction
from headway.store.views.commits import commits_beginning
from headway.store.views.services import place_lines, service_lines
from headway.store.views.timeline import KINDS, Happening
from headway.store.views.world import count_everything
from tests.store.test_runs import JOB, RUN
from tests.support.gallery_data import Teller

NOW = datetime(2025, 6, 2, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
D = DeploymentState


@pytest.fixture
def told(database: Database) -> Database:
    """shop failed on main and is live in two places; mail rests; billing is being deployed and held up."""

    def tell(tx: Transaction) -> None:
        shop = Teller(tx, "shop", NOW)
        old = shop.release(shop.run("first", 3 * DAY))
        new = shop.release(shop.run("second", 2 * DAY))
        shop.deploy(old, "staging", 3 * DAY - HOUR, hosts=1)
        shop.deploy(old, "production", 3 * DAY - 2 * HOUR, hosts=2)
        shop.deploy(new, "staging", 2 * DAY - HOUR, hosts=1, previous=old)
        shop.run("third", HOUR, State.FAILED)
        shop.run("elsewhere", 2 * timedelta(minutes=1), State.SUCCEEDED, branch="topic")
        mail = Teller(tx, "mail", NOW)
        mail.run("rest", DAY)
        billing = Teller(tx, "billing", NOW)
        release = billing.release(billing.run("pay", DAY))
        billing.deploy(release, "production", HOUR, D.RUNNING, hosts=3, done=1)
        billing.run("strange", HOUR, State.QUEUED, held_for="a fork waits", event=TriggerEvent.PULL_REQUEST)
        vault, ada = Vault([new_key()]), Actor("ada", Role.ADMINISTRATOR)
        vault.put(tx, environment_scope("shop", "production"), "KEY", "0123456", ada, NOW)
        vault.put(tx, service_scope("shop"), "KEY", "0123456", ada, NOW)
        vault.put(tx, service_scope("shopping"), "KEY", "0123456", ada, NOW)

    database.transact(tell)
    return database


def test_the_line_of_a_service_is_the_last_run_of_its_default_branch(told: Database) -> None:
    lines = told.read(service_lines)
    assert [(line.name, line.run, line.state, line.subject, line.branch) for line in lines] == [
        ("billing", 2, "queued", "strange", "main"),
        ("mail", 1, "succeeded", "rest", "main"),
        ("shop", 3, "failed", "third", "main"),
    ]
    assert [line.name for line in told.read(lambda tx: service_lines(tx, like="AIL"))] == ["mail"]
    assert told.read(lambda tx: service_lines(tx, like="%")) == []
    assert [line.name for line in told.read(lambda tx: service_lines(tx, service="shop"))] == ["shop"]


def test_a_service_without_a_repository_is_known_by_its_rows(told: Database) -> None:
    told.transact(lambda tx: tx.execute("UPDATE repositories SET removed_at = 1"))
    assert [line.name for line in told.read(service_lines)] == ["billing", "mail", "shop"]


def test_the_line_of_a_place_is_what_is_live_and_what_was_asked_last(told: Database) -> None:
    places = told.read(place_lines)
    assert [
        (one.service, one.environment, one.live, one.number, one.state, one.hosts_done, one.hosts)
        for one in places
    ] == [
        ("billing", "production", None, 1, "running", 1, 3),
        ("shop", "production", 2, 2, "succeeded", 0, 0),
        ("shop", "staging", 3, 3, "succeeded", 0, 0),
    ]
    assert [one.environment for one in told.read(lambda tx: place_lines(tx, service="shop"))] == [
        "production",
        "staging",
    ]
    assert told.read(lambda tx: place_lines(tx, service="nothing")) == []


def test_services_that_need_somebody_come_first(told: Database) -> None:
    view = told.read(read_services)
    assert [(row.line.name, row.need) for row in view.rows] == [
        ("shop", Need.BROKEN),
        ("billing", Need.WAITS),
        ("mail", Need.NOTHING),
    ]
    assert view.columns == ("staging", "production")
    row = told.read(lambda tx: read_service_row(tx, "billing"))
    assert row is not None and [(wait.text, wait.reason) for wait in row.waits] == [("run 2", "a fork waits")]
    assert told.read(lambda tx: read_service_row(tx, "nothing")) is None


def test_everything_is_counted(told: Database) -> None:
    counts = told.read(lambda tx: count_everything(tx, tries=3))
    assert (counts.running, counts.queued, counts.deploying, counts.held, counts.held_runs) == (0, 1, 1, 0, 1)
    assert (counts.asked, counts.unsent, counts.unreachable) == (0, 0, 0)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_a_timeline_read_in_pages_is_the_timeline(told: Database, limit: int) -> None:
    whole, none = told.read(lambda tx: read_timeline(tx, "shop", KINDS, before="", limit=100))
    assert none is None
    assert [one.kind for one in whole].count("change") == 2
    assert list(whole) == sorted(whole, key=lambda one: one.at, reverse=True)
    found: list[Happening] = []
    before: str | None = ""
    while before is not None:
        page, before = told.read(
            partial(read_timeline, service="shop", kinds=KINDS, before=before, limit=limit)
        )
        found += page
    assert found == list(whole)


@pytest.mark.parametrize("before", ["nonsense", "99999999999999999999.x", "-1.x", "1e5.x", "."])
def test_a_cursor_that_is_none_begins_at_the_beginning(told: Database, before: str) -> None:
    page, _ = told.read(lambda tx: read_timeline(tx, "shop", KINDS, before=before))
    assert len(page) == 11


def test_the_page_of_a_service_leaves_out_what_is_hidden(told: Database) -> None:
    view = told.read(lambda tx: read_service(tx, "shop", hidden=("change",)))
    assert view is not None
    assert {one.kind for one in view.timeline} == {"run", "release", "deployment"}
    asked = told.read(lambda tx: read_service(tx, "shop", kind="change", hidden=("change",)))
    assert asked is not None and asked.timeline == ()


def test_deployments_by_state_service_and_page(told: Database) -> None:
    def numbers(**wanted: str) -> list[tuple[str, int]]:
        return [
            (line.service, line.number) for line in told.read(lambda tx: read_deployments(tx, **wanted)).lines
        ]

    assert numbers() == [("billing", 1), ("shop", 3), ("shop", 2), ("shop", 1)]
    assert numbers(group="running") == [("billing", 1)]
    assert numbers(group="succeeded", service="shop", environment="staging") == [("shop", 3), ("shop", 1)]
    assert numbers(group="nonsense", service="shop") == [("shop", 3), ("shop", 2), ("shop", 1)]


def test_a_deployment_compares_itself_with_the_one_before(told: Database) -> None:
    view = told.read(lambda tx: read_deployment(tx, "shop", 3))
    assert view is not None
    assert (view.compared_with, view.settings, view.is_live, view.hosts_done) == (1, (), True, 1)
    assert view.strategy == "canary 1, then 50 % at a time"
    first = told.read(lambda tx: read_deployment(tx, "shop", 1))
    assert first is not None and (first.compared_with, first.settings, first.is_live) == (None, None, False)
    assert told.read(lambda tx: read_deployment(tx, "shop", 9)) is None


def test_releases_say_where_they_are_live(told: Database) -> None:
    listed = told.read(lambda tx: read_releases(tx, "shop"))
    assert [(line.run, line.files, line.size) for line in listed.lines] == [(2, 2, 3482924), (1, 2, 3482924)]
    newest, oldest = (line.id for line in listed.lines)
    assert listed.live == {newest: ("staging",), oldest: ("production",)}
    view = told.read(lambda tx: read_release(tx, "shop", oldest))
    assert view is not None
    assert [line.number for line in view.deployments] == [2, 1]
    assert [run.number for run in view.runs] == [1]
    assert told.read(lambda tx: read_release(tx, "mail", oldest)) is None


def test_hosts_say_what_they_have_and_not_what_is_on_its_way(told: Database) -> None:
    hosts = told.read(lambda tx: read_hosts(tx, Org()))
    assert [line.name for line in hosts.lines] == ["web1", "web2", "web3"]
    found = {
        (line.name, one.service, one.environment): (one.state, bool(one.release))
        for line in hosts.lines
        for one in line.runs
    }
    assert found == {
        ("web1", "billing", "production"): ("finished", True),
        ("web2", "billing", "production"): ("switching", True),
        # Not switched yet, and nothing was there before.
        ("web3", "billing", "production"): ("waiting", False),
        ("web1", "shop", "production"): ("live", True),
        ("web2", "shop", "production"): ("live", True),
        ("web1", "shop", "staging"): ("live", True),
    }


def test_the_queue_says_what_each_waits_for(told: Database) -> None:
    queue = told.read(lambda tx: read_queue(tx, explained={}, held=0, capacity=2, now=NOW))
    assert [(run.service, run.number, why) for run, why in queue.waiting] == [("billing", 2, "a fork waits")]
    assert queue.running == () and queue.jobs == ()


def test_the_queue_says_what_a_run_really_waits_for(database: Database) -> None:
    """As the duty that begins them found; and of a job only the needs that are still open."""

    def work(tx: Transaction) -> None:
        for number, state in ((1, State.RUNNING), (2, State.QUEUED), (3, State.QUEUED)):
            run = replace(RUN, id=f"run-{number}", number=number, tree=f"{number:040}", state=state)
            assert runs.add_run(tx, run, plan="{}", token=1)
        job = partial(replace, JOB, run="run-1")
        jobs.add_jobs(
            tx,
            [
                job(id="a", name="lint", definition="lint", state=State.SUCCEEDED),
                job(id="b", name="test", definition="test", state=State.QUEUED, needs=()),
                job(id="c", name="image", definition="image", state=State.QUEUED, needs=("lint", "test")),
            ],
        )

    database.transact(work)
    explained = {"run-1": "the disk is full", "run-2": "group gpu: run 9 of shop has it"}
    queue = database.read(lambda tx: read_queue(tx, explained=explained, held=0, capacity=2, now=NOW))
    assert [(run.number, why) for run, why in queue.running] == [(1, "the disk is full")]
    assert [why for _, why in queue.waiting] == ["group gpu: run 9 of shop has it", SOON]
    assert [(one.job.name, one.reason) for one in queue.jobs] == [
        ("test", "the disk is full"),
        ("image", "the jobs that it needs: test"),
    ]


def test_the_queue_stands_in_the_order_of_turns(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the slots and the duty tell it, also where more wait than one page shows; what needs others comes after."""

    def work(tx: Transaction) -> None:
        for number, state in ((1, State.RUNNING), (2, State.RUNNING), (3, State.QUEUED), (4, State.QUEUED)):
            run = replace(RUN, id=f"run-{number}", number=number, tree=f"{number:040}", state=state)
            assert runs.add_run(tx, run, plan="{}", token=1)
        old = [replace(JOB, id=f"old-{number}", run="run-1", name=f"old-{number}") for number in range(6)]
        needs = replace(JOB, id="needs", run="run-1", name="needs", definition="needs", needs=("test",))
        new = replace(JOB, id="new", run="run-2", name="new")
        jobs.add_jobs(tx, [replace(job, state=State.QUEUED) for job in (needs, *old)])
        jobs.add_jobs(tx, [replace(new, state=State.QUEUED)])

    database.transact(work)
    explained = dict.fromkeys(["run-4", "run-3", "new", *(f"old-{number}" for number in range(6))], "a slot")

    def names(most: int) -> list[str]:
        monkeypatch.setattr("headway.engine.views.queue._MOST_JOBS", most)
        queue = database.read(lambda tx: read_queue(tx, explained=explained, held=0, capacity=2, now=NOW))
        assert [run.number for run, _ in queue.waiting] == [4, 3]
        return [one.job.name for one in queue.jobs]

    assert names(3) == ["new", "old-0", "old-1"]
    assert names(9) == ["new", *(f"old-{number}" for number in range(6)), "needs"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("shop", "/services/shop"),
        ("shop 3", "/services/shop/runs/3"),
        ("sho", None),
        ("", None),
        ("abcdef", None),
    ],
)
def test_what_the_search_means(told: Database, text: str, address: str | None) -> None:
    assert told.read(lambda tx: find_address(tx, text)) == address


def test_a_commit_is_found_by_its_beginning(told: Database) -> None:
    sha = told.read(service_lines)[0].commit
    assert sha is not None
    assert told.read(lambda tx: commits_beginning(tx, sha[:10])) == [sha]
    assert told.read(lambda tx: find_address(tx, sha[:10].upper())) == f"/c/{sha}"


def test_what_did_not_get_out_is_listed(told: Database) -> None:
    def put(tx: Transaction) -> None:
        for number, (state, due, attempts) in enumerate(
            [("waiting", 5, 0), ("waiting", 5, 4), ("failed", None, 9), ("sent", None, 1)]
        ):
            values: dict[str, Any] = {"id": f"out-{number}", "state": state, "due": due, "attempts": attempts}
            tx.execute(
                """
                INSERT INTO outbox (id, kind, key, subject, position, body, created_at, state, due_at, attempts, note)
                VALUES (:id, 'status', :id, 'shop', 1, '{}', 1, :state, :due, :attempts, 'HTTP 500')
                """,
                **values,
            )

    told.transact(put)
    stuck = told.read(read_outbox).stuck
    assert [(one.state, one.attempts) for one in stuck] == [("waiting", 4), ("failed", 9)]
    assert told.read(lambda tx: count_everything(tx, tries=3)).unsent == 1


def test_the_page_of_a_repository(told: Database) -> None:
    view = told.read(lambda tx: read_repository(tx, "repo-shop"))
    assert view is not None and (view.repository.service, view.refs, view.arrivals) == ("shop", 0, ())
    assert told.read(lambda tx: read_repository(tx, "repo-nothing")) is None
