"""A process that drives a run dies between any two things it does, and another one goes on.

Death is played by an exception out of a transaction or a call of the runner, before or after it took place; the real
`kill -9` is in tests/cli. Whatever the moment: each job runs once, each line stands in the log once, the run ends.
"""

import asyncio
import shutil
from dataclasses import replace

import pytest

from headway.domain.states import State
from headway.drivers.runner.local import LocalRunner
from headway.engine.runs.drive import ready
from headway.engine.runs.runs import How
from headway.engine.runs.tenure import TakenOver
from headway.store import jobs
from tests.support.workshop import Workshop

CONTRACT = """
[jobs.a]
run = ["echo a >> $OUTSIDE/ran; for n in 1 2 3; do echo line $n; done", "echo OUT=put >> $HEADWAY_OUTPUT; echo end"]
artifacts = ["headway.toml"]
[jobs.b]
run = "echo b >> $OUTSIDE/ran; echo b"
[jobs.c]
needs = ["a", "b"]
run = "echo c >> $OUTSIDE/ran; echo $NEEDS_A_OUT; test -f headway.toml"
"""


class Death(BaseException):
    """The process is gone: nothing after this line is done."""


class Fate:
    """Counts what a process does to the world and kills it at one of these points."""

    def __init__(self, at):
        self.left = at

    def point(self):
        self.left -= 1
        if self.left == 0:
            raise Death


class MortalDatabase:
    def __init__(self, database, fate):
        self._database, self._fate = database, fate

    def __getattr__(self, name):
        return getattr(self._database, name)

    async def perform(self, work):
        self._fate.point()
        answer = await self._database.perform(work)
        self._fate.point()
        return answer


class MortalRunner:
    def __init__(self, runner, fate):
        self._runner, self._fate = runner, fate

    async def start(self, spec):
        self._fate.point()
        await self._runner.start(spec)
        self._fate.point()

    async def follow(self, directory, offset, *, wait):
        piece = await self._runner.follow(directory, offset, wait=wait)
        self._fate.point()
        return piece

    async def cancel(self, directory, reason):
        await self._runner.cancel(directory, reason)
        self._fate.point()

    async def remove(self, directory):
        self._fate.point()
        await self._runner.remove(directory)


async def drive_until_death(workshop, tools, begun, at):
    """True: the process died at its point number `at`; False: it came to the end before."""
    fate = Fate(at)
    runner = MortalRunner(LocalRunner(workshop.settings.environment), fate)
    mortal = replace(tools, database=MortalDatabase(tools.database, fate))
    drive = ready(mortal, runner, begun, limit=2)
    try:
        await drive.run()
    except Death:
        return True
    return fate.left <= 0


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 30, 3))
async def test_whoever_comes_next_goes_on(workshop: Workshop, first):
    """Killed at point `first`, the next one two points on, the third one comes to the end."""
    workshop.write(CONTRACT)
    tools = workshop.tools(pid=1)
    begun = workshop.begin(tools)
    died = await drive_until_death(workshop, tools, begun, first)
    if died and not workshop.ended(tools, begun.run).run.state.is_final:
        second = workshop.tools(pid=2)
        begun = workshop.begin(second)
        assert begun.how is How.ATTACHED
        await drive_until_death(workshop, second, begun, 2)
    third = workshop.tools()
    ended = workshop.ended(third, begun.run)
    if not ended.run.state.is_final:
        begun = workshop.begin(third)
        assert begun.how is How.ATTACHED
        ended = await workshop.drive(third, begun)
    assert ended.states == {"a": "succeeded", "b": "succeeded", "c": "succeeded"}
    assert ended.run.number == 1
    assert sorted(workshop.happened("ran")) == ["a", "b", "c"], "each job ran once"
    assert ended.log("a") == b"line 1\nline 2\nline 3\nend\n"
    assert ended.log("b") == b"b\n"
    assert ended.log("c") == b"put\n"


async def test_lines_that_were_shown_before_the_kill_are_not_doubled(workshop: Workshop):
    """The log was appended to, the offsets were not committed: the next owner cuts it and takes the rest anew."""
    workshop.write("[jobs.a]\nrun = 'echo one; while [ ! -e $OUTSIDE/go ]; do sleep 0.02; done; echo two'\n")
    tools = workshop.tools(pid=1)
    begun = workshop.begin(tools)
    drive = ready(tools, LocalRunner(workshop.settings.environment), begun, limit=1)
    driving = asyncio.create_task(drive.run())
    log = tools.log(drive.look.jobs[0], 1)
    while not (log.exists() and log.read_bytes()):
        await asyncio.sleep(0.01)
    assert tools.database.read(lambda tx: jobs.jobs_of(tx, begun.run.id))[0].kept == 0
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    with log.open("ab") as more:
        more.write(b"half a li")  # what an append that was cut by the kill leaves
    (workshop.outside / "go").touch()
    second = workshop.tools()
    ended = await workshop.drive(second, workshop.begin(second))
    assert ended.log("a") == b"one\ntwo\n"


async def test_who_was_taken_over_stops_and_changes_nothing(workshop: Workshop):
    workshop.write(
        "[jobs.a]\nrun = 'while [ ! -e $OUTSIDE/go ]; do sleep 0.02; done; echo a >> $OUTSIDE/ran'\n"
    )
    # A process that is alive and counts as dead: an owner on another machine whose lease ran out.
    old = workshop.tools(pid=1)
    begun = workshop.begin(old)
    runner = LocalRunner(workshop.settings.environment)
    driving = asyncio.create_task(ready(old, runner, begun, limit=1).run())
    while workshop.ended(old, begun.run).job("a").state is not State.RUNNING:
        await asyncio.sleep(0.01)
    new = workshop.tools()
    taken = workshop.begin(new)
    assert taken.how is How.ATTACHED
    (workshop.outside / "go").touch()
    results = await asyncio.gather(driving, workshop.drive(new, taken), return_exceptions=True)
    assert isinstance(results[0], TakenOver)
    assert results[1].states == {"a": "succeeded"}
    assert workshop.happened("ran") == ["a"]


async def test_while_its_owner_lives_a_run_is_only_looked_at(workshop: Workshop):
    workshop.write("[jobs.a]\nrun = 'true'\n")
    first, second = workshop.tools(), workshop.tools()
    begun = workshop.begin(first)
    looking = workshop.begin(second)
    assert (looking.how, looking.token, looking.run.id) == (How.WATCHING, None, begun.run.id)
    assert looking.owner == first.owner
    other = workshop.begin(second, "a")
    assert other.how is How.NEW, "another selection is another run"
    await workshop.drive(first, begun)


async def test_of_several_that_begin_at_once_one_drives_and_the_others_look_on(workshop: Workshop):
    workshop.write("[jobs.a]\nrun = 'echo a >> $OUTSIDE/ran'\n")
    everybody = [workshop.tools() for _ in range(4)]
    begun = await asyncio.gather(*(asyncio.to_thread(workshop.begin, tools) for tools in everybody))
    assert sorted(str(one.how) for one in begun) == ["new", "watching", "watching", "watching"]
    assert {one.run.number for one in begun} == {1}
    [mine] = [(tools, one) for tools, one in zip(everybody, begun, strict=True) if one.token]
    await workshop.drive(*mine)
    assert workshop.happened("ran") == ["a"]


async def test_a_directory_that_was_taken_away_is_an_error_not_a_second_run(workshop: Workshop):
    workshop.write("[jobs.a]\nrun = 'echo a >> $OUTSIDE/ran; sleep 0.2'\n")
    tools = workshop.tools(pid=1)
    begun = workshop.begin(tools)
    driving = asyncio.create_task(
        ready(tools, LocalRunner(workshop.settings.environment), begun, limit=1).run()
    )
    while not workshop.happened("ran"):
        await asyncio.sleep(0.01)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    await asyncio.sleep(0.3)
    shutil.rmtree(workshop.settings.jobs)
    second = workshop.tools()
    ended = await workshop.drive(second, workshop.begin(second))
    assert ended.job("a").state is State.ERRORED
    assert "is gone" in ended.job("a").reason
    assert workshop.happened("ran") == ["a"]


async def test_a_runner_that_was_killed_is_an_error_of_ours(workshop: Workshop):
    workshop.write("[jobs.a]\nrun = 'echo $PPID >> $OUTSIDE/pid; sleep 30'\n")
    tools = workshop.tools()
    driving = asyncio.create_task(workshop.drive(tools, workshop.begin(tools)))
    while not workshop.happened("pid"):
        await asyncio.sleep(0.01)
    import os
    import signal
    from pathlib import Path

    # The step's parent is the runner's subshell or the runner itself: up to the leader of the session.
    pid = int(workshop.happened("pid")[0])
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    os.kill(int(stat[3]), signal.SIGKILL)
    ended = await asyncio.wait_for(driving, 60)
    assert (ended.job("a").state, ended.job("a").reason) == (State.ERRORED, "runner lost")
    assert ended.run.state is State.ERRORED
