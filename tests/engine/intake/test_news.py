"""What lies here together: told twice, with commits that run nothing, from strangers, or deadly to the server."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from headway.domain.intake import Arrival, Repository
from headway.domain.run import Run
from headway.domain.states import State
from headway.engine.intake.duty import IntakeDuty, in_turn
from headway.engine.repositories.commits import Reader
from headway.engine.runs.control import approve_run, rerun
from headway.store.arrivals import StoredArrival, due_arrivals
from headway.store.run_history import usual_durations
from headway.store.views.services import service_lines
from tests.support.repositories import Repository as Working
from tests.support.serving import ADA, Serving, asked, contract, pushed

STARS = "*a" * 40 + "*b"
DEADLY = f"""
[jobs.test]
run = "true"
[jobs.slow]
run = "true"
when = "matches(branch, '{STARS}')"
"""


def states(serving: Serving) -> list[tuple[str, str]]:
    return [(run.commit, str(run.state)) for run in serving.runs()]


def fork_head(working: Working, files: dict[str | bytes, str | bytes], *, number: int = 7) -> str:
    """A commit that a stranger asks to be taken in."""
    working.git("checkout", "-q", "-b", f"stranger-{number}")
    sha = working.commit(files)
    working.git("update-ref", f"refs/pull/{number}/head", sha)
    working.git("checkout", "-q", "main")
    return sha


def jobs_by_name(serving: Serving, run: Run) -> dict[str, State]:
    return {job.name: job.state for job in serving.jobs(run)}


async def test_a_push_that_two_tell_in_one_batch_is_one_run(serving: Serving) -> None:
    sha = serving.working().commit(contract())
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha), delivery="hook")
    await serving.tell(shop, pushed(None, sha), delivery="look")
    await serving.take_in()
    assert states(serving) == [(sha, "queued")]
    assert [one.state for one in serving.arrivals(shop)] == ["done", "ignored"]
    await serving.drive()
    assert states(serving) == [(sha, "succeeded")]


@pytest.mark.parametrize("why", ["[skip ci]", "outside of paths"])
async def test_a_commit_that_runs_nothing_takes_the_place_of_no_real_one(serving: Serving, why: str) -> None:
    text = """[triggers]\npush = { paths = ["src/**"] }\n[jobs.test]\nrun = "true"\n"""
    working = serving.working()
    zero = working.commit(contract(text))
    shop = await serving.add()
    await serving.look()
    real = working.commit({"src/app.py": "1"})
    newest = working.commit(
        {"src/app.py": "2"} if why == "[skip ci]" else {"README": "2"},
        "Say more\n\n[skip ci]" if why == "[skip ci]" else "Say more",
    )
    await serving.tell(shop, pushed(zero, real), delivery="d1")
    await serving.tell(shop, pushed(real, newest), delivery="d2")
    await serving.take_in()
    assert states(serving)[-1] == (real, "queued")
    assert newest not in dict(states(serving))
    assert [one.state for one in serving.arrivals(shop)][-2:] == ["done", "ignored"]


@pytest.mark.parametrize("together", [True, False])
async def test_what_changed_counts_the_pushes_that_a_run_swallowed(serving: Serving, together: bool) -> None:
    text = """
    [jobs.app]
    run = "true"
    when = "changed('src/**')"
    [jobs.web]
    run = "true"
    when = "changed('web/**')"
    [jobs.docs]
    run = "true"
    when = "changed('docs/**')"
    """
    working = serving.working()
    zero = working.commit(contract(text))
    shop = await serving.add()
    await serving.look()
    await serving.drive()
    before = zero
    for number, path in enumerate(["src/app.py", "README", "docs/guide.md"]):
        sha = working.commit({path: "1"})
        await serving.tell(shop, pushed(before, sha), delivery=f"d{number}")
        if not together:
            await serving.take_in()
        before = sha
    await serving.take_in()
    newest = serving.runs()[-1]
    assert newest.trigger is not None
    assert newest.trigger.changed_since == zero
    assert jobs_by_name(serving, newest) == {
        "app": State.QUEUED, "web": State.SKIPPED, "docs": State.QUEUED,
    }  # fmt: skip
    assert [run.state for run in serving.runs()[1:]] == [State.CANCELLED, State.CANCELLED, State.QUEUED]


async def test_a_late_word_of_an_older_push_takes_no_newer_one_s_place(serving: Serving) -> None:
    working = serving.working()
    zero = working.commit(contract())
    shop = await serving.add()
    await serving.look()
    await serving.drive()
    working.commit({"file": "1"})
    older, newer = working.commit({"file": "2"}), working.commit({"file": "3"})
    await serving.look()
    await serving.tell(shop, pushed("1" * 40, older), delivery="late")
    await serving.take_in()
    assert states(serving) == [(zero, "succeeded"), (newer, "queued"), (older, "queued")]


# Strangers


async def test_a_condition_that_once_hung_the_server_is_planned_and_runs(serving: Serving) -> None:
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    sha = fork_head(working, dict(contract(DEADLY)))
    await serving.tell(shop, asked(sha, fork=True, head="a" * 200))
    await serving.take_in()
    [run] = serving.runs()
    await approve_run(serving.server.runs_context, ADA, run)
    await serving.drive()
    [run] = serving.runs()
    assert run.state is State.SUCCEEDED
    assert jobs_by_name(serving, run) == {"test": State.SUCCEEDED, "slow": State.SKIPPED}


async def test_nothing_of_a_held_run_is_planned_before_somebody_lets_it_in(serving: Serving) -> None:
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    await serving.look()
    await serving.drive()
    text = """[jobs.one]\nrun = "true"\nwhen = "changed('src/**')"\n[jobs.two]\nrun = "true"\nneeds = ["one"]\n"""
    await serving.tell(shop, asked(fork_head(working, dict(contract(text))), fork=True))
    await serving.take_in()
    run = serving.runs()[-1]
    assert run.is_held
    assert serving.jobs(run) == []
    await approve_run(serving.server.runs_context, ADA, run)
    # What changed is known at that time as well.
    assert jobs_by_name(serving, run) == {"one": State.SKIPPED, "two": State.QUEUED}


async def test_a_held_run_that_can_t_be_planned_fails_when_it_is_approved(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.pipeline.plan.MOST_JOBS", 0)
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    await serving.tell(shop, asked(fork_head(working, {"file": "1"}), fork=True))
    await serving.take_in()
    [run] = serving.runs()
    ended = await approve_run(serving.server.runs_context, ADA, run)
    assert ended.state is State.FAILED
    assert "0 is the most" in ended.reason


async def test_a_stranger_s_main_is_not_our_main(serving: Serving) -> None:
    text = """[jobs.test]\nrun = 'test "$HEADWAY_BRANCH" = x:main'\n[jobs.publish]\nrun = "true"\nwhen = "branch == 'main'"\n"""
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    await serving.look()
    await serving.drive()
    sha = fork_head(working, dict(contract(text)))
    await serving.tell(shop, asked(sha, fork=True, head="main"))
    await serving.take_in()
    run = serving.runs()[-1]
    assert run.branch == "x:main"
    await approve_run(serving.server.runs_context, ADA, run)
    await serving.drive()
    run = serving.runs()[-1]
    assert run.state is State.SUCCEEDED
    assert jobs_by_name(serving, run)["publish"] is State.SKIPPED
    now = serving.server.now() + timedelta(minutes=1)
    [line] = serving.database.read(service_lines)
    assert line.run == 1
    assert len(serving.database.read(lambda tx: usual_durations(tx, "shop", "main", before=now))) == 1


async def test_a_stranger_s_file_orders_nobody(serving: Serving) -> None:
    text = """
    [pipeline]
    priority = 100
    concurrency = { group = "production", limit = 1 }
    [jobs.test]
    run = "true"
    priority = 100
    concurrency = "gpu"
    """
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    await serving.tell(shop, asked(fork_head(working, dict(contract(text))), fork=True))
    await serving.take_in()
    [run] = serving.runs()
    run = await approve_run(serving.server.runs_context, ADA, run)

    def check(run: Run, priority: int) -> None:
        [job] = serving.jobs(run)
        assert run.trigger is not None
        assert run.trigger.priority == priority
        assert run.trigger.group == "pull request 7 of shop: production"
        assert job.group == "pull request 7 of shop: gpu"

    check(run, 0)
    await serving.drive()
    again = await rerun(serving.server.runs_context, ADA, run, only_failed=False)
    assert again.trigger is not None
    check(again, again.trigger.priority)
    assert again.trigger.priority < 100


async def test_a_stranger_speaks_for_no_other_service(serving: Serving) -> None:
    """Else nobody's team would have to approve the run of a service that nobody has."""
    working = serving.working()
    working.commit(contract())
    shop = await serving.add()
    await serving.look()
    await serving.tell(shop, asked(fork_head(working, dict(contract(name="nobodys"))), fork=True))
    await serving.take_in()
    assert [run.service for run in serving.runs()] == ["shop", "shop"]


# Deaths


class Died(BaseException):
    """As a `kill -9` at this place."""


def deadly(monkeypatch: pytest.MonkeyPatch, *shas: str) -> list[str]:
    """The server dies whenever it reads one of these commits; which it has read."""
    read: list[str] = []
    once = Reader.read

    def reading(self: Reader, repository: Repository, arrival: Arrival, *more: object) -> object:
        read.append(arrival.after or "")
        if arrival.after in shas:
            raise Died
        return once(self, repository, arrival, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "read", reading)
    return read


async def live(serving: Serving) -> None:
    """A server's life until nothing is due, or until it dies."""
    intake: IntakeDuty = serving.parts.intake
    for _ in range(5):
        await intake.tick(serving.server.now())
        for task in list(intake._busy.values()):
            try:
                await task
            except Died:
                serving.again()
                return


async def test_what_the_server_died_of_three_times_is_set_aside_and_the_queue_goes_on(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = serving.working()
    main = working.commit(contract())
    working.git("checkout", "-q", "-b", "bad")
    bad = working.commit({"file": "bad"})
    working.git("checkout", "-q", "-b", "good", "main")
    good = working.commit({"file": "good"})
    shop = await serving.add()
    await serving.tell(
        shop, pushed(None, main), pushed(None, bad, "bad"), pushed(None, good, "good"), delivery="d"
    )
    deadly(monkeypatch, bad)
    monkeypatch.setattr("headway.engine.intake.duty._SETTLED", 0.0)
    for _ in range(4):
        await live(serving)
    assert sorted(run.commit for run in serving.runs()) == sorted([main, good])
    found = {one.arrival.after: one for one in serving.arrivals(shop)}
    assert [found[sha].state for sha in (main, bad, good)] == ["done", "failed", "done"]
    assert "died 3 times" in found[bad].note
    # Nobody who looks at the branch tells of it anew.
    await serving.look()
    assert len(serving.arrivals(shop)) == 3


async def test_a_server_that_is_killed_while_git_fetches_has_not_died_of_what_was_pushed(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = serving.working().commit(contract())
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))

    def killed(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Reader, "bring", killed)
        await live(serving)
    [stored] = serving.database.read(lambda tx: due_arrivals(tx, shop.id))
    assert stored.begun == 0


@pytest.mark.parametrize(("held_for", "deaths"), [(1.0, 0), (3600.0, 1)])
async def test_a_server_that_is_stopped_has_died_of_nothing_but_what_held_it(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, held_for: float, deaths: int
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    sha = serving.working().commit(contract())
    shop = await serving.add()
    await serving.tell(shop, pushed(None, sha))

    def slow(self: IntakeDuty, *more: object) -> object:
        begun.set()
        go_on.wait(60)
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(IntakeDuty, "_judge", slow)
        patch.setattr("headway.engine.intake.duty._SUSPICIOUS", 60.0 - held_for)
        await serving.parts.intake.tick(serving.server.now())
        while not begun.is_set():
            await serving.server.tools.clock.sleep(0.01)
        await serving.parts.intake.stop()
        go_on.set()
    [stored] = serving.database.read(lambda tx: due_arrivals(tx, shop.id))
    assert stored.begun == deaths
    assert in_turn([stored], is_settled=False) == ([], [stored])


@pytest.mark.parametrize(
    ("deaths", "settled", "aside", "now"),
    [
        ([0, 0, 0], False, [], [0, 1, 2]),
        ([1, 1, 0], False, [], [0]),
        ([0, 1, 1], False, [], [0]),
        # The last chance waits until it can be told from somebody who kills the server again and again.
        ([2, 1, 0], False, [], []),
        ([2, 1, 0], True, [], [0]),
        ([1, 2, 0], False, [], [0]),
        ([3, 1, 0], False, [0], [1]),
        ([3, 0, 0], False, [0], [1, 2]),
        ([3, 2], False, [0], []),
    ],
)
def test_who_is_worked_on_after_deaths(
    deaths: list[int], settled: bool, aside: list[int], now: list[int]
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    waiting = [
        StoredArrival(number, "rep", pushed(None, "a"), at, 0, begun=died)
        for number, died in enumerate(deaths)
    ]
    found = in_turn(waiting, is_settled=settled)
    assert ([one.number for one in found[0]], [one.number for one in found[1]]) == (aside, now)
