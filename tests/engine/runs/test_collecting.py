"""What a job leaves is collected in bounds, apart from everybody else's work, and a wish to stop reaches it."""

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest

from headway.base.clock import SystemClock
from headway.base.stopping import Stopped, StopSign
from headway.domain.run import Run
from headway.drivers import artifact_files
from headway.drivers.artifact_files import collect
from headway.drivers.artifacts import ArtifactMissing, ArtifactStore, TooManyFiles
from headway.drivers.runner.local import LocalRunner
from headway.engine import own_thread
from headway.engine.own_thread import in_own_thread
from headway.engine.runs import job as run_job
from headway.engine.runs.drive import ready
from headway.store import runs
from tests.support.workshop import Workshop

CLOCK = SystemClock()
DEEP = "**/" * 40 + "x"


def nested(folder: Path, depth: int) -> None:
    for name in ("a", "b"):
        inner = folder
        for _ in range(depth):
            inner /= name
        inner.mkdir(parents=True)


# Bounds


def test_a_glob_of_many_stars_looks_at_each_entry_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Path.glob` took time that grew with the power of the stars: it held a slot for ever."""
    nested(tmp_path, 40)
    monkeypatch.setattr(artifact_files, "MOST_LOOKS", 80)
    with pytest.raises(ArtifactMissing, match="no file is there"):
        collect(tmp_path, [DEEP])


def test_a_folder_without_an_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nested(tmp_path, 40)
    monkeypatch.setattr(artifact_files, "MOST_LOOKS", 60)
    with pytest.raises(TooManyFiles, match="more than 60 files and folders") as caught:
        collect(tmp_path, ["**/x"])
    assert caught.value.exit_code == 1


def test_more_files_than_can_be_kept_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("")
    monkeypatch.setattr(artifact_files, "MOST_FILES", 3)
    with pytest.raises(TooManyFiles, match="more than 3 files"):
        collect(tmp_path, ["*.txt"])


def test_a_link_to_a_folder_above_is_no_way_without_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/loop").symlink_to("..")
    (tmp_path / "a/x").write_text("")
    assert [found.path for found in collect(tmp_path, ["**/x"])] == ["a/x"]
    assert [found.path for found in collect(tmp_path, ["a/loop/a/x"])] == ["a/loop/a/x"]


def test_both_ways_of_finding_and_keeping_look_at_the_sign(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    sign = StopSign()
    sign.stop("enough")
    with pytest.raises(Stopped, match="enough"):
        collect(tmp_path, ["*"], sign)
    with pytest.raises(Stopped, match="enough"):
        ArtifactStore(tmp_path / "store").keep(tmp_path / "x", "x", sign)
    assert list((tmp_path / "store/partial").iterdir()) == []


# A thread of its own


async def test_work_that_does_not_listen_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_thread, "PATIENCE", 0.2)
    release, sign = threading.Event(), StopSign()
    task = asyncio.create_task(in_own_thread(lambda: release.wait(60), sign, CLOCK, within=60, name="stuck"))
    await asyncio.sleep(0)
    sign.stop("cancelled by ana")
    with pytest.raises(Stopped, match="cancelled by ana"):
        await task
    release.set()


async def test_work_has_a_limit_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(sign: StopSign) -> None:
        while True:
            sign.check()

    sign = StopSign()
    with pytest.raises(Stopped, match="longer than 0 s"):
        await in_own_thread(partial(work, sign), sign, CLOCK, within=0.1, name="slow")


async def test_work_answers_and_raises_as_if_it_were_called() -> None:
    assert await in_own_thread(lambda: 7, StopSign(), CLOCK, within=60, name="quick") == 7
    with pytest.raises(KeyError):
        await in_own_thread(lambda: {}["x"], StopSign(), CLOCK, within=60, name="wrong")


async def test_who_is_not_waited_for_any_more_is_told_to_stop() -> None:
    sign, begun = StopSign(), threading.Event()

    def work() -> None:
        begun.set()
        while not sign.is_set:
            pass

    task = asyncio.create_task(in_own_thread(work, sign, CLOCK, within=60, name="left"))
    while not begun.is_set():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sign.is_set


# Runs


async def cancelled(workshop: Workshop, runner: LocalRunner, until: threading.Event) -> Run:
    """Drive the run, have it cancelled by somebody else once `until` is set, and see what it came to."""
    tools = workshop.tools()
    begun = workshop.begin(tools)
    task = asyncio.create_task(ready(tools, runner, begun, limit=4).run())
    while not until.is_set():
        await asyncio.sleep(0.01)
        assert not task.done(), task
    await tools.database.perform(lambda tx: runs.ask_to_cancel(tx, begun.run.id, "cancelled by ben"))
    return await asyncio.wait_for(task, 60)


def runner_of(workshop: Workshop, kind: type[LocalRunner] = LocalRunner) -> LocalRunner:
    return kind(environment=workshop.settings.environment)


async def test_a_cancel_reaches_a_job_whose_files_are_being_collected(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    collecting = threading.Event()

    def endless(folder: Path, globs: object, sign: StopSign) -> object:
        collecting.set()
        while True:
            sign.check()

    monkeypatch.setattr("headway.engine.runs.results.collect", endless)
    workshop.write(f'[jobs.test]\nrun = "true"\nartifacts = ["{DEEP}"]\n')
    run = await cancelled(workshop, runner_of(workshop), collecting)
    assert (str(run.state), run.reason) == ("cancelled", "cancelled by ben")


async def test_a_cancel_reaches_a_job_that_is_being_laid_out(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_thread, "PATIENCE", 0.2)
    laying, release = threading.Event(), threading.Event()

    def stuck(*_: object) -> tuple[str, ...]:
        laying.set()
        release.wait(60)
        return ()

    monkeypatch.setattr("headway.engine.runs.job.lay_out", stuck)
    workshop.write('[jobs.test]\nrun = "true"\n')
    run = await cancelled(workshop, runner_of(workshop), laying)
    release.set()
    assert (str(run.state), run.reason) == ("cancelled", "cancelled by ben")


async def test_a_cancel_ends_a_run_whose_processes_do_not_end(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(LocalRunner):
        async def cancel(self, directory: str, reason: str) -> None:
            """As if they hung in the kernel."""

    monkeypatch.setattr(run_job, "CANCELLED_WITHIN", 0.2)
    monkeypatch.setattr(run_job, "_WAIT", 0.1)
    workshop.write(
        '[jobs.test]\nrun = "touch $OUTSIDE/begun; while [ ! -e $OUTSIDE/end ]; do sleep 0.05; done"\n'
    )
    begun = threading.Event()

    async def watch() -> None:
        while not (workshop.outside / "begun").exists():
            await asyncio.sleep(0.02)
        begun.set()

    watching = asyncio.create_task(watch())
    try:
        run = await cancelled(workshop, runner_of(workshop, Deaf), begun)
    finally:
        watching.cancel()
        (workshop.outside / "end").touch()
    assert str(run.state) == "cancelled"
    [job] = workshop.ended(workshop.tools(), run).look.jobs
    assert "its processes have not ended" in job.reason


async def test_a_pipe_in_place_of_the_outputs_holds_nobody(workshop: Workshop) -> None:
    workshop.write('[jobs.test]\nrun = "rm $HEADWAY_OUTPUT; mkfifo $HEADWAY_OUTPUT"\n')
    ended = await asyncio.wait_for(workshop.run(), 60)
    assert ended.states == {"test": "succeeded"}
    assert ended.job("test").outputs == {}
