"""A job runs once, whoever starts it, how often, and whatever becomes of the starters."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headway.base.errors import Errored
from headway.base.secret import Secret
from headway.domain.job import JobSpec
from headway.domain.states import State
from headway.drivers.runner.local import LocalRunner
from headway.drivers.runner.over_session import SessionRunner
from headway.drivers.runner.spawner import spawner
from headway.drivers.runner.surroundings import passed_on
from headway.drivers.runner.verbs import Runner
from headway.drivers.ssh.framing import Reply
from tests.support.jobs import follow, job, run, until
from tests.support.shell_session import ShellSession

STARTER = """
import asyncio, sys, time
from pathlib import Path
from headway.drivers.runner.local import LocalRunner
from tests.support.jobs import job
place, shell, go = Path(sys.argv[1]), sys.argv[2].split(), Path(sys.argv[3])
runner = LocalRunner(shell=tuple(shell))
spec = job(place, "echo ran >>ran")
print("ready", flush=True)
while not go.exists():
    pass
asyncio.run(runner.start(spec))
"""


async def test_a_second_start_changes_nothing(runner: Runner, tmp_path: Path) -> None:
    spec = job(tmp_path, "echo ran >>ran")
    for _ in range(3):
        await runner.start(spec)
    await follow(runner, spec.directory)
    await runner.start(spec)
    await asyncio.sleep(0.05)
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_many_starts_at_once_run_one_job(runner: Runner, tmp_path: Path) -> None:
    spec = job(tmp_path, "echo ran >>ran")
    await asyncio.gather(*(runner.start(spec) for _ in range(8)))
    assert (await follow(runner, spec.directory)).result.state is State.SUCCEEDED
    await asyncio.sleep(0.1)
    assert (tmp_path / "ran").read_text() == "ran\n"


@pytest.mark.slow
async def test_many_processes_start_one_job(shell: tuple[str, ...], tmp_path: Path) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(tmp_path), " ".join(shell), str(tmp_path / "go")],
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"ready\n"
    (tmp_path / "go").touch()
    for starter in starters:
        assert starter.wait() == 0
        assert starter.stdout is not None
        starter.stdout.close()
    assert (await follow(LocalRunner(), str(tmp_path / "job"))).result.state is State.SUCCEEDED
    await asyncio.sleep(0.1)
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_raced_shells_make_one_claim(shell: tuple[str, ...], tmp_path: Path) -> None:
    """The claim alone, as close together as it gets."""
    for turn in range(10):
        place = tmp_path / str(turn)
        place.mkdir()
        script = "until [ -e go ]; do :; done; set -C; true >claim && echo won"
        shells = [
            subprocess.Popen(
                [*shell, "-c", script], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            for _ in range(4)
        ]
        (place / "go").touch()
        assert b"".join(shell.communicate()[0] for shell in shells) == b"won\n"


@pytest.mark.parametrize("seed", range(12))
async def test_a_starter_killed_at_any_moment_is_no_harm(tmp_path: Path, seed: int) -> None:
    """Whatever it got done: the next start makes it one whole job."""
    chance = random.Random(seed)
    go = tmp_path / "go"
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path), "sh", str(go)], stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    starter.stdout.readline()
    go.touch()
    await asyncio.sleep(chance.random() * 0.006)
    starter.kill()
    starter.wait()
    starter.stdout.close()
    seen = await run(LocalRunner(), job(tmp_path, "echo ran >>ran"))
    assert seen.result.state is State.SUCCEEDED
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_half_a_payload_starts_nothing(shell: tuple[str, ...], tmp_path: Path) -> None:
    from headway.drivers.runner.local import SCRIPT
    from headway.drivers.runner.payload import payload

    spec = job(tmp_path, "echo ran >>ran", env={"A": "it's"}, secrets=(Secret("B", "hunter2"),))
    (tmp_path / "job" / "steps").mkdir(parents=True)
    os.mkfifo(tmp_path / "job" / "pipe")
    text = payload(spec)
    for size in range(0, len(text), 61):
        subprocess.run(
            [*shell, str(SCRIPT), "job", spec.directory, "0"],
            input=text[:size],
            capture_output=True,
            check=False,
        )
        assert not (tmp_path / "job" / "claim").exists()
    assert (await run(LocalRunner(), spec)).result.state is State.SUCCEEDED


async def test_a_claim_without_a_runner_is_lost_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from headway.drivers.runner import local, over_session

    monkeypatch.setattr(local, "SIGN_OF_LIFE_WITHIN", timedelta(seconds=0.2))
    monkeypatch.setattr(over_session, "SIGN_OF_LIFE_WITHIN", timedelta(seconds=0.2))
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "claim").touch()
    async with ShellSession() as session:
        for runner in (LocalRunner(), SessionRunner(session)):
            await runner.start(job(tmp_path, "echo never"))
            first = await runner.follow(str(tmp_path / "job"), 0, wait=0)
            assert first.result is None
            seen = await follow(runner, str(tmp_path / "job"))
            assert seen.result.reason.startswith("runner lost")
            assert seen.result.state is State.ERRORED


async def test_a_lost_connection_ends_and_repeats_nothing(tmp_path: Path) -> None:
    spec = job(tmp_path, "echo one; touch started; until [ -e go ]; do sleep 0.02; done; echo ran >>ran")
    async with ShellSession() as session:
        await SessionRunner(session).start(spec)
        await until((tmp_path / "started").exists)
        assert session._process is not None
        os.killpg(session._process.pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    async with ShellSession() as session:
        seen = await run(SessionRunner(session), spec)
    assert seen.output == b"one\n"
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_jobs_yield_to_everything_else(tmp_path: Path) -> None:
    runner = LocalRunner(niceness=7, oom_score_adjust=300)
    seen = await run(runner, job(tmp_path, "cat /proc/self/oom_score_adj; nice"))
    assert seen.output.split() == [b"300", b"7"]


async def test_a_job_finds_a_short_list_of_our_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEADWAY_DATABASE_URL", "NPM_TOKEN", "GIT_DIR", "GIT_INDEX_FILE", "BASH_ENV", "LD_PRELOAD"):
        monkeypatch.setenv(name, "ours")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("LC_TIME", "C")
    # What the shell itself sets is no news.
    seen = await run(LocalRunner(), job(tmp_path, "env"))
    lines = dict(line.split("=", 1) for line in seen.output.decode().splitlines())
    assert lines["PATH"] == os.environ["PATH"]
    assert (lines["HTTPS_PROXY"], lines["LC_TIME"]) == ("http://proxy:3128", "C")
    assert "ours" not in lines.values()
    assert lines.keys() <= {*passed_on(os.environ), "HEADWAY_JOB_ID", "HEADWAY_OUTPUT", "PWD", "OLDPWD", "_"}


async def test_a_runner_is_given_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    given = LocalRunner(environment={"PATH": os.environ["PATH"], "GIVEN": "yes"})
    assert (await run(given, job(tmp_path, 'echo "${TZ-none} $GIVEN"'))).output == b"none yes\n"


async def test_a_spawner_that_was_killed_is_started_anew_while_its_jobs_go_on(tmp_path: Path) -> None:
    runner = LocalRunner()
    waiting = job(tmp_path, "until [ -e ran ]; do sleep 0.02; done", directory=str(tmp_path / "first"))
    await runner.start(waiting)
    os.kill(spawner._pid, signal.SIGKILL)
    os.waitid(os.P_PID, spawner._pid, os.WEXITED | os.WNOWAIT)
    second = job(tmp_path, "echo ran >>ran", directory=str(tmp_path / "second"))
    assert (await run(runner, second)).result.state is State.SUCCEEDED
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert (await follow(runner, waiting.directory)).result.state is State.SUCCEEDED


async def test_a_shell_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    (tmp_path / "shell").write_text("no program")
    (tmp_path / "shell").chmod(0o755)
    with pytest.raises(Errored, match="cannot start"):
        await LocalRunner(shell=(str(tmp_path / "shell"),)).start(job(tmp_path, "true"))


async def test_no_zombies_are_left(tmp_path: Path) -> None:
    runner = LocalRunner()
    for number in range(3):
        await run(runner, job(tmp_path, "true", directory=str(tmp_path / str(number))))
    await until(lambda: runner._reap() or not runner._children)


async def test_what_cannot_be_begun_leaves_nothing_to_wait_for(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    """As on a full disk: no file may be longer than the first half of the runner's script."""
    full = ("sh", "-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh", *shell)
    async with ShellSession(full) as session:
        spec = job(tmp_path, "echo ran >>ran")
        for begin in (SessionRunner(session).start(spec), SessionRunner(session).begin(spec, wait=0)):
            with pytest.raises(Errored, match="cannot start a job"):
                await begin
            assert not Path(spec.directory).exists()
    async with ShellSession(shell) as session:
        assert (
            await follow(SessionRunner(session), (await started(session, spec)))
        ).result.state is State.SUCCEEDED


async def started(session: ShellSession, spec: JobSpec) -> str:
    await SessionRunner(session).start(spec)
    return spec.directory


async def test_a_lost_job_that_was_given_up_is_waited_for_by_nobody(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    """Nobody ever began it: whoever asks next hears so at once. One who begins it all the same, late, runs no step."""
    spec = job(tmp_path, "echo ran >>ran")
    async with ShellSession(shell) as session:
        runner = SessionRunner(session)
        Path(spec.directory).mkdir()
        assert (await runner.follow(spec.directory, 0, wait=0)).result is None
        await runner.end_lost(spec.directory)
        found = (await SessionRunner(session).follow(spec.directory, 0, wait=0)).result
        assert found is not None
        assert found.state is State.ERRORED
        await runner.start(spec)
        await until((Path(spec.directory) / "result").exists)
        assert (await follow(runner, spec.directory)).result.state is State.CANCELLED
        assert not (tmp_path / "ran").exists()
        # A result that is there stays what counts.
        done = job(tmp_path / "done", "true")
        (tmp_path / "done").mkdir()
        await runner.start(done)
        await follow(runner, done.directory)
        await runner.end_lost(done.directory)
        assert (await follow(runner, done.directory)).result.state is State.SUCCEEDED


@pytest.mark.parametrize("output", [b"", b"x" * 400])
async def test_what_cannot_be_removed_has_a_reason_though_none_can_be_quoted(output: bytes) -> None:
    class Mute:
        async def call(self, script: str, *, timeout: float) -> Reply:
            return Reply(7, output, 0)

    with pytest.raises(Errored, match=r"cannot remove /srv/job: exit 7$"):
        await SessionRunner(Mute()).remove("/srv/job")
