"""Which processes are a job's."""

import subprocess
from pathlib import Path

from headway.domain.states import State
from headway.drivers.runner.local import LocalRunner
from tests.support.jobs import follow, job, processes_with, unmistakable_minute, until


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
