"""How jobs end that do not end by themselves, and what they leave behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from headway.domain.job import JobSpec
from headway.domain.states import State
from headway.drivers.runner import local, over_session
from headway.drivers.runner.verbs import Runner
from tests.support.jobs import follow, job, processes_with, run, unmistakable_minute, until

# The script is the same in both places; how it is started there, test_jobs shows under all shells.
pytestmark = pytest.mark.parametrize(
    "runner", ["here-dash", "here-busybox", "here-bash", "host-dash"], indirect=True
)


@pytest.fixture
def sign() -> str:
    """A minute in its own digits: in a command's arguments it tells its process from all others."""
    return unmistakable_minute()


def sleeper(sign: str) -> str:
    return f"sleep {sign}"


async def test_cancel_ends_the_whole_tree(runner: Runner, tmp_path: Path, sign: str) -> None:
    spec = job(
        tmp_path,
        f"""
        setsid {sleeper(sign)} &
        env -i {sleeper(sign)} &
        sh -c 'setsid env -i {sleeper(sign)} & wait' &
        (trap '' TERM; {sleeper(sign)}) &
        touch started
        {sleeper(sign)}
        """,
        "echo never",
    )
    await runner.start(spec)
    await until((tmp_path / "started").exists)
    await until(lambda: len(processes_with(sign)) >= 5)
    await runner.cancel(spec.directory, "somebody\nasked")
    seen = await follow(runner, spec.directory)
    assert seen.result.state is State.CANCELLED
    assert seen.result.reason == "somebody asked"
    assert [step.state for step in seen.result.steps] == [State.CANCELLED, State.SKIPPED]
    assert b"never" not in seen.output
    await until(lambda: not processes_with(sign))


async def test_a_step_has_its_time_to_stop(runner: Runner, tmp_path: Path) -> None:
    spec = job(
        tmp_path,
        "trap 'sleep 0.2; echo stopped well; exit 0' TERM; touch started; while :; do sleep 0.02 || :; done",
        stop_within=timedelta(seconds=5),
    )
    await runner.start(spec)
    await until((tmp_path / "started").exists)
    await runner.cancel(spec.directory, "enough")
    await until((tmp_path / "job" / "cancel").exists)
    await runner.cancel(spec.directory, "another reason that comes too late")
    seen = await follow(runner, spec.directory)
    assert seen.output.endswith(b"stopped well\n")
    assert seen.result.state is State.CANCELLED
    assert seen.result.reason == "enough"
    assert seen.result.steps[0].exit_code == 0


async def test_a_cancel_before_the_start_holds(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    await runner.cancel(str(tmp_path / "job"), "changed my mind")
    await until((tmp_path / "job" / "cancel").exists)
    seen = await run(runner, job(tmp_path, "echo never"))
    assert (seen.result.state, seen.result.reason) == (State.CANCELLED, "changed my mind")
    assert seen.output == b""


async def test_a_cancel_after_the_end_changes_nothing(runner: Runner, tmp_path: Path) -> None:
    spec = job(tmp_path, "true")
    await run(runner, spec)
    await runner.cancel(spec.directory, "too late")
    assert (await follow(runner, spec.directory)).result.state is State.SUCCEEDED


@pytest.mark.parametrize("moment", range(4))
async def test_a_cancel_at_any_moment_ends_the_job(
    runner: Runner, tmp_path: Path, sign: str, moment: int
) -> None:
    spec = job(tmp_path, *[f"setsid {sleeper(sign)} & sleep 0.01"] * 6, "sleep 60", keep_background=True)
    await runner.start(spec)
    await asyncio.sleep(0.004 * 3**moment)
    await runner.cancel(spec.directory, "now")
    seen = await follow(runner, spec.directory)
    assert seen.result.state is State.CANCELLED
    await until(lambda: not processes_with(sign))


async def test_the_time_limit_is_kept_with_nobody_watching(runner: Runner, tmp_path: Path, sign: str) -> None:
    spec = job(tmp_path, sleeper(sign), timeout=timedelta(seconds=0.4))
    await runner.start(spec)
    await until((tmp_path / "job" / "result").exists)
    seen = await follow(runner, spec.directory)
    assert (seen.result.state, seen.result.reason) == (State.FAILED, "timeout after 400ms in step 1")
    assert seen.result.steps[0].state is State.FAILED
    assert not processes_with(sign)


@pytest.mark.slow
async def test_silence_has_a_limit(runner: Runner, tmp_path: Path) -> None:
    spec = job(
        tmp_path,
        "for i in 1 2 3; do echo $i; sleep 0.4; done",
        "sleep 60",
        idle_timeout=timedelta(seconds=1),
    )
    seen = await run(runner, spec)
    assert (seen.result.state, seen.result.reason) == (State.FAILED, "no output for 1s in step 2")
    assert seen.output == b"1\n2\n3\n"
    assert [step.state for step in seen.result.steps] == [State.SUCCEEDED, State.FAILED]


async def test_what_is_dropped_is_no_silence(runner: Runner, tmp_path: Path) -> None:
    spec = job(
        tmp_path,
        "yes | head -c 20000; sleep 0.6; echo end >end",
        idle_timeout=timedelta(seconds=0.25),
        output_limit=4096,
    )
    assert (await run(runner, spec)).result.state is State.SUCCEEDED


async def test_a_background_process_neither_holds_the_job_nor_outlives_it(
    runner: Runner, tmp_path: Path, sign: str
) -> None:
    spec = job(tmp_path, f"{sleeper(sign)} & echo one", f"setsid {sleeper(sign)} & echo two")
    seen = await run(runner, spec)
    assert seen.output.startswith(b"one\n")
    assert b"two\n" in seen.output
    assert seen.result.state is State.SUCCEEDED
    assert not processes_with(sign)


#: Forked twice, in a session of its own, with nothing in its environment: as `redis-server --daemonize yes` is.
def daemon(sign: str) -> str:
    return f"(setsid env -i {sleeper(sign)} & )"


async def test_a_daemon_lives_from_step_to_step(tmp_path: Path, sign: str, runner: Runner) -> None:
    spec = job(tmp_path, f"{daemon(sign)}; sleep 0.1", f"grep -lz {sign} /proc/[0-9]*/cmdline | grep -v self")
    try:
        assert (await run(runner, spec)).result.state is State.SUCCEEDED
    finally:
        for pid in processes_with(sign):
            os.kill(pid, signal.SIGKILL)


async def test_who_cannot_be_found_does_not_hold_the_job(runner: Runner, tmp_path: Path, sign: str) -> None:
    """On a host: it called setsid, has no environment and no parent, but it still has the job's pipe."""
    spec = job(tmp_path, f"{daemon(sign)}; sleep 0.1; echo said")
    try:
        seen = await run(runner, spec)
        assert seen.output == b"said\n"
        assert seen.result.state is State.SUCCEEDED
    finally:
        for pid in processes_with(sign):
            os.kill(pid, signal.SIGKILL)


async def test_a_service_may_stay(runner: Runner, tmp_path: Path, sign: str) -> None:
    service = f"while :; do echo tick; sleep 0.05; done # {sign}"
    spec = job(tmp_path, f"sh -c '{service}' & echo began", keep_background=True)
    try:
        seen = await run(runner, spec)
        assert seen.result.state is State.SUCCEEDED
        assert b"began\n" in seen.output
        await runner.remove(spec.directory)
        await asyncio.sleep(0.3)
        # It still writes into the job's pipe, and does not die of it.
        assert processes_with(sign)
    finally:
        for pid in processes_with(sign):
            os.kill(pid, signal.SIGKILL)


async def test_a_service_does_not_stay_when_the_job_fails(runner: Runner, tmp_path: Path, sign: str) -> None:
    spec = job(tmp_path, f"{sleeper(sign)} & exit 1", keep_background=True)
    assert (await run(runner, spec)).result.state is State.FAILED
    assert not processes_with(sign)


async def test_a_job_in_a_job_ends_with_it(runner: Runner, tmp_path: Path, sign: str) -> None:
    script = f"""
import asyncio, pathlib
from headway.domain.job import JobSpec, StepSpec
from headway.drivers.runner.local import LocalRunner
spec = JobSpec({str(tmp_path / "inner")!r}, {str(tmp_path)!r}, (StepSpec("inner", {sleeper(sign)!r}),))
asyncio.run(LocalRunner().start(spec))
import time; time.sleep(60)
"""
    (tmp_path / "outer.py").write_text(script)
    spec = job(tmp_path, f"{sys.executable} outer.py")
    await runner.start(spec)
    await until(lambda: processes_with(sign))
    await runner.cancel(spec.directory, "all of it")
    assert (await follow(runner, spec.directory)).result.state is State.CANCELLED
    await until(lambda: not processes_with(sign), within=2)


def owner_pid(spec: JobSpec) -> int | None:
    try:
        words = Path(spec.directory, "owner").read_text().split()
    except FileNotFoundError:
        return None
    return int(words[1]) if words[-1:] == ["end"] else None


async def test_a_killed_runner_is_lost_and_leaves_nothing(runner: Runner, tmp_path: Path, sign: str) -> None:
    spec = job(tmp_path, f"echo before; setsid {sleeper(sign)} & {sleeper(sign)}", "echo never")
    await runner.start(spec)
    pid = await until(lambda: owner_pid(spec))
    await until(lambda: len(processes_with(sign)) >= 2)
    await until(lambda: b"before" in (tmp_path / "job" / "log").read_bytes())
    os.kill(pid, signal.SIGKILL)
    seen = await follow(runner, spec.directory)
    assert (seen.result.state, seen.result.reason) == (State.ERRORED, "runner lost")
    assert seen.result.output_truncated, "what its steps were saying ends anywhere"
    assert seen.output.startswith(b"before\n")
    assert not processes_with(sign)
    await runner.cancel(spec.directory, "nothing to cancel")


async def test_a_runner_of_an_earlier_boot_is_lost(runner: Runner, tmp_path: Path) -> None:
    spec = job(tmp_path, "sleep 60")
    await runner.start(spec)
    pid = await until(lambda: owner_pid(spec))
    owner = tmp_path / "job" / "owner"
    ours = owner.read_text()
    owner.write_text(" ".join(["11111111-2222-3333-4444-555555555555", *ours.split()[1:]]) + "\n")
    assert (await follow(runner, spec.directory)).result.reason == "runner lost"
    os.kill(pid, 0)  # not ours to end: with another boot id the numbers mean others
    owner.write_text(ours)
    await runner.cancel(spec.directory, "the test is over")
    await follow(runner, spec.directory)


async def test_a_directory_that_is_gone_is_lost(runner: Runner, tmp_path: Path) -> None:
    seen = await follow(runner, str(tmp_path / "nowhere"))
    assert seen.result.state is State.ERRORED
    assert "nowhere" in seen.result.reason


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be made here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
async def test_a_disk_without_room_for_the_steps_runs_none(
    runner: Runner, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "SIGN_OF_LIFE_WITHIN", timedelta(seconds=0.5))
    monkeypatch.setattr(over_session, "SIGN_OF_LIFE_WITHIN", timedelta(seconds=0.5))
    script = f"touch {tmp_path}/ran\n" + "# more than the disk takes\n" * 20_000
    seen = await run(runner, job(tmp_path, script, directory=str(small_disk / "job")))
    assert not (tmp_path / "ran").exists()
    assert seen.result.state is State.ERRORED
    assert seen.result.reason.startswith("runner lost: the disk of")
    assert "is full" in seen.result.reason


@pytest.mark.parametrize("code", [0, 7])
async def test_a_job_that_ends_on_a_full_disk_has_its_result(
    runner: Runner, tmp_path: Path, small_disk: Path, code: int
) -> None:
    script = f"head -c 1000000 /dev/zero >{small_disk}/fill || :; exit {code}"
    seen = await run(runner, job(tmp_path, script, directory=str(small_disk / "job")))
    assert "runner lost" not in seen.result.reason
    assert seen.result.steps[0].exit_code == code
    # Whether the end of the log found room is chance, and what failed without it is no verdict on the code.
    assert seen.result.state in ((State.FAILED, State.ERRORED) if code else (State.SUCCEEDED,))


async def test_a_full_disk_is_named(runner: Runner, tmp_path: Path, small_disk: Path) -> None:
    spec = job(
        tmp_path,
        "head -c 1000000 /dev/zero | tr '\\0' x; touch reached; exit 1",
        directory=str(small_disk / "job"),
    )
    seen = await run(runner, spec)
    assert (tmp_path / "reached").exists()
    assert seen.result.state is State.ERRORED
    assert "disk" in seen.result.reason
    assert "full" in seen.result.reason
