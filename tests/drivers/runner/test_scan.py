"""Which processes are a job's."""

import asyncio
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from headway.domain.states import State
from headway.drivers.processes import start_time
from headway.drivers.runner.local import LocalRunner
from tests.support.jobs import follow, job, processes_with, run, unmistakable_minute, until


@pytest.mark.slow
async def test_an_old_job_finds_its_processes_among_all(tmp_path: Path) -> None:
    """After two seconds the runner no longer trusts the order of pids, and looks at the whole machine."""
    sign = unmistakable_minute()
    runner = LocalRunner()
    script = f"setsid sleep {sign} & sleep 2.1; touch waited"
    spec = job(tmp_path, script, "sleep 60")
    await runner.start(spec)
    await until((tmp_path / "waited").exists)
    await runner.cancel(spec.directory, "enough")
    assert (await follow(runner, spec.directory)).result.state is State.CANCELLED
    await until(lambda: not processes_with(sign))


async def test_strangers_are_left_alone(tmp_path: Path) -> None:
    """Others of the same user, one with an empty environment, orphans, and another job of the same Headway."""
    sign = unmistakable_minute()
    runner = LocalRunner()
    started = "touch started; until [ -e go ]; do sleep 0.02 || :; done"
    spec = job(tmp_path, started)
    await runner.start(spec)
    await until((tmp_path / "started").exists)
    (tmp_path / "other").mkdir()
    other = job(tmp_path / "other", started)
    await runner.start(other)
    await until((tmp_path / "other" / "started").exists)
    child = subprocess.Popen(["sleep", sign])
    empty = subprocess.Popen(["env", "-i", "sleep", sign], start_new_session=True)
    subprocess.run(["sh", "-c", f"setsid sleep {sign} >/dev/null 2>&1 &"], check=True)
    try:
        await until(lambda: len(processes_with(sign)) == 3)
        await runner.cancel(spec.directory, "only this one")
        assert (await follow(runner, spec.directory)).result.state is State.CANCELLED
        assert len(processes_with(sign)) == 3
        (tmp_path / "other" / "go").touch()
        assert (await follow(runner, other.directory)).result.state is State.SUCCEEDED
    finally:
        for pid in processes_with(sign):
            subprocess.run(["kill", "-KILL", str(pid)], check=True)
        child.wait()
        empty.wait()


async def test_many_that_fork_and_end_are_all_found(tmp_path: Path) -> None:
    """Each hands on to the next and is gone: whoever reads the list of processes once may miss both."""
    sign = unmistakable_minute()
    relay = tmp_path / "relay.sh"
    relay.write_text(
        f'[ "$1" -gt 300 ] && exec sleep {sign}\n(setsid env -i PATH="$PATH" sh {relay} $(($1 + 1)) & )\n'
    )
    spec = job(tmp_path, f"for i in 1 2 3 4; do sh {relay} 0; done; exit 1")
    assert (await run(LocalRunner(), spec, within=60)).result.state is State.FAILED
    # Whatever was missed would have come to its sleep by then.
    await asyncio.sleep(0.5)
    assert not processes_with(sign)
    assert not processes_with(str(relay))


async def test_a_directory_stays_while_a_process_of_its_job_lives(tmp_path: Path) -> None:
    """What even KILL did not end waits in the kernel; here another one stands for it."""
    runner, spec = LocalRunner(), job(tmp_path, "true")
    await run(runner, spec)
    stands_for_it = subprocess.Popen(["sleep", "60"])
    try:
        start = start_time(stands_for_it.pid)
        (tmp_path / "job" / "left").write_text(f"{stands_for_it.pid} {start}\n")
        await runner.remove(spec.directory)
        assert (tmp_path / "job").is_dir()
    finally:
        stands_for_it.kill()
        stands_for_it.wait()
    await runner.remove(spec.directory)
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize("ending", ["exit 0", "exit 1", "sleep 60"])
@pytest.mark.slow
async def test_a_daemon_does_not_outlive_its_job(shell: tuple[str, ...], tmp_path: Path, ending: str) -> None:
    """Forked twice, in a session of its own, with nothing in its environment: as `redis-server --daemonize yes` is.

    On this machine; on a host, where a shell is all there is, it cannot be followed (see docs/runs.md).
    """
    sign = unmistakable_minute()
    daemon = f"(setsid env -i sleep {sign} & )"
    spec = job(
        tmp_path,
        f"{daemon} >/dev/null 2>&1; sleep 0.1",
        f"{daemon}; sleep 0.1; {ending}",
        timeout=timedelta(seconds=2 if ending == "sleep 60" else 60),
    )
    seen = await run(LocalRunner(shell=shell), spec)
    assert seen.result.state is (State.SUCCEEDED if ending == "exit 0" else State.FAILED)
    assert not processes_with(sign), "before its result is told"
