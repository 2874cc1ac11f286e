"""Housekeeping: what it does with each tick, what it leaves alone, and that it can be repeated."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.base.clock import to_milliseconds
from headway.base.errors import Errored
from headway.domain.run import Job, Run
from headway.domain.states import State
from headway.drivers.git.bare import Bare, create_bare
from headway.drivers.logfile import LogFile
from headway.engine.janitor import janitor as janitor_module
from headway.engine.janitor.janitor import Did, Janitor, housekeeping_from, is_untidy
from headway.engine.runs.runs import Tools, open_tools
from headway.store.bulk import insert_rows
from headway.store.events import add_event, events_after
from headway.store.jobs import add_jobs
from headway.store.runs import add_run
from headway.store.upkeep import database_size, tend
from tests.support.repositories import Repository
from tests.support.settings import settings_in

# Files get their age from the machine's clock, so the stories are told around the present.
NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class House:
    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.janitor = Janitor(tools)
        self._numbers = iter(range(1, 10_000))

    def job(
        self, state: State, *, ended: timedelta = 2 * MINUTE, attempt: int = 1, begun: timedelta = HOUR
    ) -> Path:
        """A run with one job that began and ended so long ago; the log of its latest attempt."""
        number = next(self._numbers)
        over = NOW - ended if state.is_final else None
        run = Run(
            id=f"run-{number:05}", number=number, service="shop", repository="/src", commit=f"{number:040}", tree="t",
            dirty=False, branch=None, state=state, reason="", created_at=NOW - begun,
        )  # fmt: skip
        job = Job(
            id=f"job-{number:05}", run=run.id, name="build", definition="build", matrix={}, needs=(), state=state,
            reason="", attempt=attempt, allow_failure=False, queued_at=NOW - begun, finished_at=over,
        )  # fmt: skip
        self.tools.database.transact(lambda tx: add_run(tx, run, plan="{}", token=1))
        self.tools.database.transact(lambda tx: add_jobs(tx, [job]))
        begun_at = to_milliseconds(NOW - begun)
        self.tools.database.transact(lambda tx: tx.execute("UPDATE jobs SET started_at = :at", at=begun_at))
        for each in range(1, attempt + 1):
            self.log(self.tools.log(job, each), age=ended)
        return self.tools.log(job, attempt)

    def log(self, path: Path, *, age: timedelta) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"line\n" * 1000)
        at = (NOW - age).timestamp()
        for each in (path, path.parent):
            os.utime(each, (at, at))
        return path

    def total(self, chore: str) -> dict[str, int]:
        return next(each.total for each in self.janitor.chores if each.name == chore)


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    tools = open_tools(settings_in(tmp_path, database_url))
    house = House(tools)
    yield house
    house.janitor.stop()
    tools.database.close()


def is_packed(path: Path) -> bool:
    with LogFile.open(path) as log:
        assert log.lines == 1000
        return log.is_complete


async def test_logs_are_packed_soon_after_their_job_ended(house: House) -> None:
    ended, again = house.job(State.FAILED), house.job(State.SUCCEEDED, attempt=2)
    just_now, running = house.job(State.SUCCEEDED, ended=MINUTE / 2), house.job(State.RUNNING)
    first_attempt = again.with_name(again.name.replace(".2.", ".1."))
    await house.janitor.tick(NOW)
    packed = [is_packed(path) for path in (ended, again, first_attempt, just_now, running)]
    assert packed == [True, True, True, False, False]
    await house.janitor.tick(NOW + MINUTE)
    assert (is_packed(just_now), is_packed(running)) == (True, False)
    assert house.total("logs to pack") == {"logs packed": 4}


async def test_logs_that_were_missed_are_packed_in_a_round(house: House) -> None:
    """Of runs that ended before this process began; what no row knows may be another database's."""
    old = house.job(State.SUCCEEDED, ended=40 * DAY, begun=40 * DAY)
    unknown = house.log(house.tools.settings.logs / "run-unknown" / "job.1.log", age=DAY)
    deployments = house.log(house.tools.settings.logs / "deployments" / "staging.log", age=DAY)
    half = old.with_name(old.name + ".partial")
    house.log(half, age=2 * HOUR)
    await house.janitor.tick(NOW)
    assert [is_packed(path) for path in (old, unknown, deployments)] == [True, False, False]
    assert not half.exists()
    assert house.total("all logs to pack") == {"logs packed": 1}


async def test_a_chore_that_is_cut_short_goes_on_and_all_is_done_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [house.job(State.SUCCEEDED, begun=3 * DAY) for _ in range(7)]
    monkeypatch.setattr(janitor_module, "_BUDGET", timedelta(0))
    now, due_at = NOW, NOW
    for _ in range(200):
        due_at = await house.janitor.tick(now)
        assert due_at <= now + HOUR
        now = max(due_at, now)
        if all(is_packed(path) for path in paths):
            break
        # With no time at all nothing is ever done; a little is enough.
        monkeypatch.setattr(janitor_module, "_BUDGET", timedelta(milliseconds=20))
    assert all(is_packed(path) for path in paths)
    assert house.total("all logs to pack") == {"logs packed": 7}


async def test_old_logs_go_and_those_of_unfinished_runs_stay(house: House) -> None:
    going = house.job(State.SUCCEEDED, ended=91 * DAY, begun=92 * DAY)
    young = house.job(State.SUCCEEDED, ended=89 * DAY, begun=92 * DAY)
    waiting = house.job(State.RUNNING, ended=200 * DAY, begun=200 * DAY)
    house.janitor.chores = tuple(chore for chore in house.janitor.chores if chore.name == "old logs")
    await house.janitor.tick(NOW)
    assert [path.parent.exists() for path in (going, young, waiting)] == [False, True, True]
    with LogFile.open(going) as log:
        assert (log.path, log.size) == (None, 0)


async def test_a_packed_log_is_as_old_as_it_was(house: House) -> None:
    path = house.job(State.SUCCEEDED, ended=91 * DAY, begun=92 * DAY)
    await house.janitor.tick(NOW)
    await house.janitor.tick(NOW + HOUR)
    assert not path.parent.exists()


async def test_old_rows_go(house: House) -> None:
    database = house.tools.database

    def effect(number: int, state: str, age: timedelta) -> dict[str, object]:
        at = to_milliseconds(NOW - age)
        return {
            "id": f"out-{number}", "kind": "status", "key": f"k{number}", "subject": "s", "position": number, "body": "",
            "created_at": at, "state": state, "due_at": None, "attempts": 1, "note": "", "sent_at": at,
        }  # fmt: skip

    with database:
        database.transact(
            lambda tx: insert_rows(
                tx,
                "outbox",
                [effect(1, "sent", 15 * DAY), effect(2, "sent", 13 * DAY), effect(3, "waiting", 15 * DAY)],
            )
        )
        for age in (15, 13):
            database.transact(
                lambda tx, age=age: add_event(  # type: ignore[misc]
                    tx, "run.changed", service="shop", subject=f"{age}", data={}, now=NOW - age * DAY
                )
            )
        await house.janitor.tick(NOW)
        assert [event.subject for event in database.read(lambda tx: events_after(tx, 0))] == ["13"]
        kept = database.read(lambda tx: tx.all("SELECT id FROM outbox ORDER BY id"))
    assert [row["id"] for row in kept] == ["out-2", "out-3"]
    assert house.total("old rows") == {"events": 1, "arrivals": 0, "effects": 1}


@pytest.mark.parametrize(
    ("error", "told"),
    [(Errored("the disk is gone"), "the disk is gone"), (KeyError("surprise"), "KeyError: 'surprise'")],
)
async def test_a_chore_that_fails_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    path = house.job(State.SUCCEEDED)
    rounds = next(chore for chore in house.janitor.chores if chore.name == "all logs to pack")

    def fail(*_: object) -> Did:
        raise error

    monkeypatch.setattr(rounds, "work", fail)
    await house.janitor.tick(NOW)
    assert is_packed(path)
    assert (rounds.fault, rounds.due_at, rounds.done_at) == (told, NOW + MINUTE, None)
    monkeypatch.setattr(rounds, "work", lambda *_: Did())
    await house.janitor.tick(NOW + HOUR)
    assert (rounds.fault, rounds.done_at) == ("", NOW + HOUR)


async def test_housekeeping_goes_on_where_it_may_not_change_its_priority(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `nice`: what the first chore's thread raised would break the pool, and each later chore with it."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(janitor_module.os, "setpriority", refuse)
    path = house.job(State.SUCCEEDED)
    await house.janitor.tick(NOW)
    later = house.job(State.SUCCEEDED, ended=timedelta(0))
    await house.janitor.tick(NOW + 2 * MINUTE)
    assert is_packed(path) and is_packed(later)


async def test_a_chore_that_fails_every_time_is_told_until_it_does_not(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    chore = next(chore for chore in house.janitor.chores if chore.name == "old logs")
    at, told = NOW, []

    def fail(*_: object) -> Did:
        raise Errored("the disk is gone")

    monkeypatch.setattr(chore, "work", fail)
    for _ in range(4):
        await house.janitor.tick(at)
        told.append([trouble.sentence for trouble in house.janitor.troubles(at)])
        assert chore.due_at is not None
        at = chore.due_at
    sentence = "housekeeping: old logs failed {} times in a row: the disk is gone"
    assert told == [[], [], [sentence.format(3)], [sentence.format(4)]]
    assert at == NOW + (1 + 2 + 4 + 8) * MINUTE, "soon again, then less and less often"
    monkeypatch.setattr(chore, "work", lambda *_: Did())
    await house.janitor.tick(at)
    assert house.janitor.troubles(at) == []


async def test_sweeps_of_others_are_called_each_hour(house: House) -> None:
    called: list[datetime] = []

    async def sweep(now: datetime) -> int:
        called.append(now)
        raise Errored("no")

    house.janitor = Janitor(house.tools, sweeps={"sessions": sweep})
    for minutes in (0, 1, 59, 60, 61):
        await house.janitor.tick(NOW + minutes * MINUTE)
    house.janitor.stop()
    assert called == [NOW, NOW + 60 * MINUTE]


async def test_it_sleeps_until_something_is_due(house: House) -> None:
    assert await house.janitor.tick(NOW) == NOW + MINUTE
    assert await house.janitor.tick(NOW + MINUTE) == NOW + 2 * MINUTE


async def test_it_stops_at_once(house: House) -> None:
    path = house.job(State.SUCCEEDED)
    house.janitor.stop()
    await house.janitor.tick(NOW)
    assert not is_packed(path)


def test_logs_may_take_a_tenth_of_the_disk(house: House) -> None:
    assert housekeeping_from(house.tools, 10**12).rules.log_bytes == 10**11
    assert housekeeping_from(house.tools, 10**9).rules.log_bytes == 5 * 2**30


def test_a_database_is_tended_and_measured(house: House) -> None:
    tend(house.tools.database)
    assert house.tools.database.read(database_size) > 100_000


# Repositories


@pytest.fixture
def bare(house: House, tmp_path: Path) -> Bare:
    """A server repository with one commit and many loose objects that no ref reaches, 40 days old."""
    database, settings = house.tools.database, house.tools.settings
    values: dict[str, object] = dict.fromkeys(["url", "web_url", "created_by", "fault", "name"], "")
    values |= {"id": "repo-1", "forge": "headway", "created_at": 0, "poll_every": 0, "faults": 0}
    database.transact(lambda tx: insert_rows(tx, "repositories", [values]))
    bare = create_bare(settings.data / "repositories" / "repo-1.git", "main", settings.environment)
    repository = Repository(tmp_path / "repository")
    repository.commit({"a": "b"})
    repository.git("push", "-q", str(bare.folder), "HEAD:refs/heads/main")
    folder = bare.folder / "objects" / "17"
    folder.mkdir(exist_ok=True)
    for number in range(10):
        loose = folder / f"{number:038x}"
        loose.write_bytes(b"x")
        os.utime(loose, ((NOW - 40 * DAY).timestamp(),) * 2)
    return bare


async def test_an_untidy_repository_is_packed_beside_everything_else(house: House, bare: Bare) -> None:
    assert is_untidy(bare)
    await house.janitor.tick(NOW)
    thread = house.janitor._git._under_way
    assert thread is not None
    thread.join(timeout=60)
    assert not is_untidy(bare)
    assert list((bare.folder / "objects" / "pack").glob("*.pack"))
    assert bare.refs()["refs/heads/main"]
    await house.janitor.tick(NOW + HOUR)
    assert house.total("repositories") == {"repositories packed": 1}


async def test_what_a_power_cut_left_in_a_repository_goes(house: House, bare: Bare) -> None:
    for name, age in (("main", 3 * HOUR), ("young", HOUR)):
        lock = bare.folder / f"refs/heads/{name}.lock"
        lock.touch()
        os.utime(lock, ((NOW - age).timestamp(),) * 2)
    await house.janitor.tick(NOW)
    assert [path.stem for path in bare.folder.glob("refs/heads/*.lock")] == ["young"]


async def test_a_repository_that_cannot_be_packed_is_no_end_of_it(house: House, bare: Bare) -> None:
    (bare.folder / "HEAD").unlink()
    await house.janitor.tick(NOW)
    thread = house.janitor._git._under_way
    assert thread is not None
    thread.join(timeout=60)
    await house.janitor.tick(NOW + HOUR)
    assert house.total("repositories") == {"repositories packed": 0}
