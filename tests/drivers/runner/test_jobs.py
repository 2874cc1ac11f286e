"""What a job is and comes to: the same here and on a host, under each shell."""

import os
import re
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from headway.base.errors import Errored, WrongUse
from headway.base.secret import Secret
from headway.domain.job import StepMark, StepSpec
from headway.domain.states import State
from headway.drivers.runner.over_session import SessionRunner
from headway.drivers.runner.verbs import Runner
from tests.support.jobs import follow, job, processes_with, run, until


async def test_steps_run_in_their_order_in_the_working_directory(runner: Runner, tmp_path: Path) -> None:
    seen = await run(runner, job(tmp_path, "pwd; printf 'no newline'", "echo behind >&2"))
    assert seen.output == f"{tmp_path}\nno newlinebehind\n".encode()
    assert seen.marks == [(1, None), (1, 0), (2, None), (2, 0)]
    assert seen.result.state is State.SUCCEEDED
    assert seen.result.reason == ""
    assert [step.state for step in seen.result.steps] == [State.SUCCEEDED, State.SUCCEEDED]
    assert not seen.result.output_truncated


async def test_marks_stand_exactly_between_the_outputs(runner: Runner, tmp_path: Path) -> None:
    seen = await run(runner, job(tmp_path, "printf a", "sleep 0.05; printf b"))
    joined = [item if isinstance(item, bytes) else item.index for item in seen.items]
    assert joined == [1, b"a", 1, 2, b"b", 2]
    times = [item.uptime for item in seen.items if isinstance(item, StepMark)]
    assert times == sorted(times)
    last = seen.result.steps[1].duration
    assert last is not None and timedelta(seconds=0.04) <= last < timedelta(seconds=5)
    assert seen.result.duration is not None and seen.result.duration >= last


async def test_the_first_step_that_fails_ends_the_job(runner: Runner, tmp_path: Path) -> None:
    seen = await run(runner, job(tmp_path, "true", "exit 3", "echo never"))
    assert seen.result.state is State.FAILED
    assert seen.result.reason == "exit 3 in step 2"
    assert [step.state for step in seen.result.steps] == [State.SUCCEEDED, State.FAILED, State.SKIPPED]
    assert [step.exit_code for step in seen.result.steps] == [0, 3, None]
    assert b"never" not in seen.output


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("no-such-command-here", "command not found (exit 127) in step 1"),
        ("/etc/passwd", "command cannot be executed (exit 126) in step 1"),
        ("kill -KILL $$", "killed by SIGKILL (exit 137) in step 1"),
        ("echo $never_set", None),
        ("false; echo went on", "exit 1 in step 1"),
        ("if", None),
    ],
)
async def test_what_a_step_died_of_is_named(
    runner: Runner, tmp_path: Path, script: str, reason: str | None
) -> None:
    seen = await run(runner, job(tmp_path, script))
    assert seen.result.state is State.FAILED
    assert reason is None or seen.result.reason == reason
    assert b"went on" not in seen.output


async def test_error_messages_name_the_step_and_its_line(runner: Runner, tmp_path: Path) -> None:
    seen = await run(runner, job(tmp_path, "true", ":\n:\nno-such-command-here\n"))
    assert b"no-such-command-here" in seen.output
    assert b"3" in seen.output.split(b"no-such-command-here")[0]


async def test_each_step_is_a_shell_of_its_own(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    seen = await run(
        runner,
        job(
            tmp_path,
            "cd /; A=1; export A",
            'echo "${A-unset}"; pwd',
            StepSpec(name="inner", script="pwd", working_directory="inner"),
            StepSpec(name="python", script="import sys; print(sys.version_info[0])", shell=(sys.executable,)),
            StepSpec(name="bash", script="set -o | grep pipefail", shell=("bash", "-eu", "-o", "pipefail")),
        ),
    )
    assert seen.output.split(b"\n")[:4] == [
        b"unset",
        str(tmp_path).encode(),
        str(tmp_path / "inner").encode(),
        b"3",
    ]
    assert seen.output.endswith(b"on\n")


async def test_environment_and_secrets_reach_the_steps_and_nothing_else(
    runner: Runner, tmp_path: Path
) -> None:
    awkward = 'it\'s "so" $HOME `id` \\ \n two\tlines'
    spec = job(
        tmp_path,
        'printf %s "$AWKWARD" >awkward; printf %s "$PASSWORD" >password; printf %s "$state" >state; sleep 30',
        env={"AWKWARD": awkward, "state": "CA", "hw_step": "no"},
        secrets=(Secret("PASSWORD", "hunter2-hunter2"),),
    )
    await runner.start(spec)
    await until((tmp_path / "state").exists)
    await until(lambda: (tmp_path / "state").read_text() == "CA")
    owner = (tmp_path / "job" / "owner").read_text().split()
    runner_pid, job_id = int(owner[1]), owner[6]
    its_environment = Path(f"/proc/{runner_pid}/environ").read_bytes()
    assert b"hunter2" not in its_environment
    assert job_id.encode() not in its_environment
    assert not processes_with("hunter2")
    for file in (tmp_path / "job").rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes(), file
    await runner.cancel(spec.directory, "enough")
    await follow(runner, spec.directory)
    assert (tmp_path / "awkward").read_text() == awkward
    assert (tmp_path / "password").read_text() == "hunter2-hunter2"


async def test_a_steps_own_environment_wins(runner: Runner, tmp_path: Path) -> None:
    step = StepSpec(name="own", script='echo "$A $B"', env={"A": "step"})
    seen = await run(runner, job(tmp_path, step, 'echo "$A $B"', env={"A": "job", "B": "job"}))
    assert seen.output == b"step job\njob job\n"


@pytest.mark.parametrize("name", ["A-B", "1A", "", "A B", "A\nB"])
async def test_an_impossible_name_is_refused(runner: Runner, tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUse):
        await runner.start(job(tmp_path, "true", env={name: "x"}))
    with pytest.raises(WrongUse):
        await runner.start(job(tmp_path, "echo a\0b"))


async def test_a_directory_that_cannot_be_made_is_an_error(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Errored, match="file/job"):
        await runner.start(job(tmp_path, "true", directory=str(tmp_path / "file" / "job")))


@pytest.mark.parametrize("runner", ["host-dash", "host-busybox", "host-bash"], indirect=True)
async def test_a_host_starts_and_answers_in_one_question(runner: Runner, tmp_path: Path) -> None:
    assert isinstance(runner, SessionRunner)
    piece = await runner.begin(job(tmp_path, "echo short"), wait=5)
    assert piece.result is not None and piece.result.state is State.SUCCEEDED
    assert b"short\n" in piece.items
    spec = job(tmp_path, "echo first; until [ -e go ]; do sleep 0.02; done", directory=str(tmp_path / "long"))
    assert (await runner.begin(spec, wait=0.2)).result is None
    (tmp_path / "go").touch()
    last = await runner.follow(spec.directory, 0, wait=5, patient=True)
    assert last.result is not None and b"first\n" in last.items
    with pytest.raises(Errored, match="nowhere/job"):
        await runner.begin(job(tmp_path, directory=str(tmp_path / "nowhere" / "job")), wait=0)


async def test_bytes_of_any_kind_come_through(runner: Runner, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000 + b"\x1e not ours\n\x1e"
    (tmp_path / "data").write_bytes(data)
    assert (await run(runner, job(tmp_path, "cat data"))).output == data


async def test_a_follower_may_begin_anywhere(runner: Runner, tmp_path: Path) -> None:
    spec = job(tmp_path, "printf 12345", "printf 67890")
    whole = await run(runner, spec)
    log = (tmp_path / "job" / "log").read_bytes()
    five = log.index(b"12345") + 5
    rest = await follow(runner, spec.directory, five)
    assert rest.output == b"67890"
    assert rest.marks == [(1, 0), (2, None), (2, 0)]
    assert (await follow(runner, spec.directory, whole.offset)).items == ()


async def test_signals_are_not_ignored_and_input_is_empty(runner: Runner, tmp_path: Path) -> None:
    seen = await run(runner, job(tmp_path, "grep SigIgn /proc/self/status; cat; ls /proc/self/fd"))
    lines = seen.output.split()
    # 32 and 33 are the C library's own; it has a new process ignore them.
    assert (int(lines[1], 16) & ~(3 << 31)) == 0
    # ls has its own for the folder; the script's is closed.
    assert lines[2:] == [b"0", b"1", b"2", b"3"]


async def test_outputs_are_read(runner: Runner, tmp_path: Path) -> None:
    seen = await run(
        runner, job(tmp_path, "echo A=1 >>$HEADWAY_OUTPUT", "printf 'B=x=y z\\nA=2\\n' >>$HEADWAY_OUTPUT")
    )
    assert seen.result.outputs == {"A": "2", "B": "x=y z"}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("head -c 70000 /dev/zero | tr '\\0' x >$HEADWAY_OUTPUT", "holds more than 64.0 KiB"),
        ("echo A=1 >$HEADWAY_OUTPUT; echo wrong >>$HEADWAY_OUTPUT", "line 2 of .* is not KEY=value: 'wrong'"),
    ],
)
async def test_outputs_that_cannot_be_read_fail_the_job(
    runner: Runner, tmp_path: Path, script: str, reason: str
) -> None:
    result = (await run(runner, job(tmp_path, script))).result
    assert result.state is State.FAILED
    assert re.search(reason, result.reason)


async def test_the_output_limit_is_said_and_harms_nothing(runner: Runner, tmp_path: Path) -> None:
    spec = job(tmp_path, "yes | head -c 3000000; echo reached >end", "touch second", output_limit=8192)
    seen = await run(runner, spec)
    assert seen.result.state is State.SUCCEEDED
    assert seen.result.output_truncated
    assert (tmp_path / "second").exists()
    assert len(seen.output) < 8192 + 200
    assert b"the output limit of 8.0 KiB is reached" in seen.output
    assert [step.exit_code for step in seen.result.steps] == [0, 0]


async def test_a_missing_working_directory_is_the_platforms_fault(runner: Runner, tmp_path: Path) -> None:
    result = (await run(runner, job(tmp_path, "true", working_directory=str(tmp_path / "gone")))).result
    assert result.state is State.ERRORED
    assert result.reason == f"the working directory {tmp_path}/gone does not exist"
    assert [step.state for step in result.steps] == [State.SKIPPED]


async def test_a_missing_directory_of_a_step_is_the_jobs_fault(runner: Runner, tmp_path: Path) -> None:
    step = StepSpec(name="lost", script="true", working_directory="gone")
    seen = await run(runner, job(tmp_path, step))
    assert seen.result.state is State.FAILED
    assert b"cannot enter the working directory gone" in seen.output


async def test_the_directory_may_be_renamed_while_the_job_runs(runner: Runner, tmp_path: Path) -> None:
    epoch, closed = tmp_path / "3", tmp_path / "3.closed"
    (epoch / "job" / "work").mkdir(parents=True)
    spec = job(
        tmp_path,
        "echo one; touch started; until [ -e go ]; do sleep 0.02; done",
        "echo two; pwd; echo A=1 >>$HEADWAY_OUTPUT",
        StepSpec(name="python", script="print('three')", shell=(sys.executable,)),
        directory=str(epoch / "job"),
        working_directory=str(epoch / "job" / "work"),
    )
    await runner.start(spec)
    await until((epoch / "job" / "work" / "started").exists)
    epoch.rename(closed)
    (closed / "job" / "work" / "go").touch()
    seen = await follow(runner, str(closed / "job"))
    assert seen.result.state is State.SUCCEEDED
    assert seen.output == f"one\ntwo\n{closed}/job/work\nthree\n".encode()
    assert seen.result.outputs == {"A": "1"}
    assert not epoch.exists()


async def test_a_job_may_hold_a_large_script_and_environment(runner: Runner, tmp_path: Path) -> None:
    value = "x" * 100_000
    script = "\n".join(["# a long comment " + "y" * 80] * 3000) + '\necho "${#VALUE}"'
    assert (await run(runner, job(tmp_path, script, env={"VALUE": value}))).output == b"100000\n"


async def test_removing_takes_everything(runner: Runner, tmp_path: Path) -> None:
    spec = job(tmp_path, "mkdir -p job/cache/deep; touch job/cache/deep/file; chmod -R a-w job/cache")
    assert (await run(runner, spec)).result.state is State.SUCCEEDED
    await runner.remove(spec.directory)
    assert not (tmp_path / "job").exists()
    await runner.remove(spec.directory)


async def test_a_job_without_steps_succeeds(runner: Runner, tmp_path: Path) -> None:
    assert (await run(runner, job(tmp_path))).result.state is State.SUCCEEDED


async def test_what_a_signal_to_the_runner_does(runner: Runner, tmp_path: Path) -> None:
    """TERM, HUP and INT to the runner itself end nothing: only the verb does."""
    spec = job(tmp_path, "touch started; sleep 0.3; echo whole")
    await runner.start(spec)
    await until((tmp_path / "started").exists)
    pid = int((tmp_path / "job" / "owner").read_text().split()[1])
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        os.kill(pid, number)
    seen = await follow(runner, spec.directory)
    assert (seen.output, seen.result.state) == (b"whole\n", State.SUCCEEDED), seen
