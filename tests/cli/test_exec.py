"""`headway exec` from end to end, on real OpenSSH hosts."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headway.base.errors import Cancelled
from headway.cli.host_lines import run_interruptibly
from headway.cli.root import run_command_line
from tests.docs.shapes import PAGE, nested, same, tables
from tests.support.projects_with_hosts import HostedProject, make_project
from tests.support.sshd import Farm, needs_sshd, needs_terminals, sshd_farm

__all__ = ["sshd_farm"]
pytestmark = needs_sshd


@pytest.fixture
def project(sshd_farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostedProject:
    sshd_farm.start(3)
    made = make_project(
        tmp_path / "shop",
        sshd_farm,
        more='secrets = ["TOKEN"]',
        environment={"TOKEN": "hunter2-hunter2"},
    )
    monkeypatch.chdir(made.folder)
    return made


def call(project: HostedProject, *arguments: str) -> int:
    return run_command_line(["exec", *arguments], lambda: project.settings)


def answer(project: HostedProject, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    call(project, "--json", *arguments)
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_lines_come_with_their_hosts(project: HostedProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(project, "-H", "group:web", "--", "printf", "one; two\n%s", "$HOME 'x'") == 0
    captured = capsys.readouterr()
    assert sorted(captured.out.splitlines()) == [
        f"web-{number} │ {text}" for number in (1, 2, 3) for text in ("$HOME 'x'", "one; two")
    ]
    assert "3 hosts: succeeded, all with the same output" in captured.err


def test_selectors_by_comma_label_and_repeating(
    project: HostedProject, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(project, capsys, "-H", "web-2,web-1", "-H", "label:zone=a", "--", "true")
    assert [host["host"] for host in found["hosts"]] == ["web-2", "web-1", "web-3"]  # type: ignore[attr-defined]


def test_equal_outputs_are_shown_once(project: HostedProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.home(2).joinpath("odd").touch()
    assert (
        call(
            project,
            "-H",
            "group:web",
            "--merge",
            "--",
            "sh",
            "-c",
            "if [ -e odd ]; then echo odd; else echo even; fi",
        )
        == 0
    )
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "── web-1, web-3 (2 hosts): exit 0",
        "even",
        "── web-2 (1 host): exit 0",
        "odd",
    ]
    assert "differs: web-2 printed something else than the other 2" in captured.err


def test_a_failure_on_one_host_is_summed_up(
    project: HostedProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project.home(2).joinpath("odd").touch()
    assert call(project, "-H", "group:web", "--", "test", "!", "-e", "odd") == 1
    captured = capsys.readouterr()
    assert "3 hosts: 2 succeeded, 1 did not" in captured.err
    assert "failed    web-2  exit 1" in captured.err


def test_a_host_that_is_down_is_an_error_beside_the_others(
    project: HostedProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.cli.exec._CONNECT_WITHIN", 0.3)
    project.farm.servers[1].stop()
    assert call(project, "-H", "group:web", "--json", "--", "echo", "up") == 3
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == 3
    states = {host["host"]: (host["state"], host["output"]) for host in found["hosts"]}
    assert states == {
        "web-1": ("succeeded", "up\n"),
        "web-2": ("errored", ""),
        "web-3": ("succeeded", "up\n"),
    }
    assert "connection refused" in found["hosts"][1]["reason"]


def test_json_says_what_came_of_each_host(project: HostedProject, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(project, capsys, "-H", "web-1", "--", "sh", "-c", "printf 'a\\377'; kill -9 $$")
    assert found["command"] == ["sh", "-c", "printf 'a\\377'; kill -9 $$"]
    assert found["exit_code"] == 1
    (host,) = found["hosts"]  # type: ignore[misc]
    same(host, tables(PAGE["headway exec"])["HOST"])
    assert set(found) == nested(PAGE["headway exec"], "## headway exec")
    seconds = host.pop("seconds")  # type: ignore[attr-defined]
    assert 0 < seconds < 30
    assert host == {
        "host": "web-1",
        "state": "failed",
        "exit_code": None,
        "signal": "KILL",
        "reason": "killed by SIGKILL",
        "output": "a\ufffd",
        "output_base64": "Yf8=",
        "dropped_bytes": 0,
    }
    assert found["same"] == [["web-1"]]


def test_secrets_are_masked_in_every_form(project: HostedProject, capsys: pytest.CaptureFixture[str]) -> None:
    script = "echo it is hunter2-hunter2; printf hunter2-hunter2 | base64; printf 'hunter2-'; sleep 0.2; echo hunter2"
    assert call(project, "-H", "web-1", "--", "sh", "-c", script) == 0
    out = capsys.readouterr().out
    assert "hunter2-hunter2" not in out and "aHVudGVy" not in out
    assert out.count("[secret]") == 3


def test_what_is_stored_here_is_masked_though_the_file_names_it_no_more(
    project: HostedProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not (project.settings.data / "headway.db").exists()
    assert call(project, "-H", "web-1", "--", "true") == 0
    assert not (project.settings.data / "headway.db").exists(), "looking makes no database"
    for name, value in (("OLD", "swordfish-1"), ("OLD_OF_PRODUCTION", "swordfish-2")):
        of = ["--environment", "production"] if "_" in name else []
        subprocess.run(
            [sys.executable, "-m", "headway", "secret", "set", name, *of],
            input=value.encode(),
            cwd=project.folder,
            env=project.environment(),
            check=True,
            capture_output=True,
        )
    capsys.readouterr()
    assert call(project, "-H", "web-1", "--", "echo", "swordfish-1", "swordfish-2", "hunter2-hunter2") == 0
    assert capsys.readouterr().out == "web-1 │ [secret] [secret] [secret]\n"


def test_a_database_that_cannot_be_read_is_said_and_keeps_nobody_from_the_hosts(
    project: HostedProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project.settings.data.mkdir(parents=True, exist_ok=True)
    (project.settings.data / "headway.db").write_text("no database at all " * 100)
    assert call(project, "-H", "web-1", "--", "echo", "hunter2-hunter2") == 0
    captured = capsys.readouterr()
    assert captured.out == "web-1 │ [secret]\n"
    assert ": only the secrets that headway.toml names and those in files are masked" in captured.err


def test_control_sequences_do_not_reach_the_terminal(
    project: HostedProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(project, "-H", "web-1", "--", "printf", r"\033]0;title\007\033[2Jtext\n") == 0
    assert capsys.readouterr().out == "web-1 │ text\n"


def test_a_time_limit_ends_the_command_there(
    project: HostedProject, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "echo $$ >pid; echo begun; sleep 71"
    assert call(project, "-H", "web-1", "--timeout", "500ms", "--", "sh", "-c", script) == 1
    captured = capsys.readouterr()
    assert captured.out == "web-1 │ begun\n"
    assert "took longer than 0.5s and was ended" in captured.err
    pid = int((project.home(1) / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "terminal", [pytest.param([], id="pipes"), pytest.param(["--pty"], id="pty", marks=needs_terminals)]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_ctrl_c_ends_the_command_on_all_hosts(
    project: HostedProject, terminal: list[str], number: signal.Signals
) -> None:
    words = ["exec", "-H", "group:web", *terminal, "--", "sh", "-c", "echo $$ >pid; exec sleep 72"]
    process = subprocess.Popen(
        [sys.executable, "-m", "headway", *words],
        cwd=project.folder,
        env={**os.environ, **project.environment()},
        stderr=subprocess.PIPE,
        text=True,
    )
    pids = [_pid_in(project.home(number) / "pid") for number in (1, 2, 3)]
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "cancelled" in errors and "Traceback" not in errors
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_second_ctrl_c_claims_nothing_about_the_hosts() -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(30)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(30)

    with pytest.raises(Cancelled, match="may still go on there"):
        run_interruptibly(work(), "ended on the hosts")


def _pid_in(path: Path) -> int:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.02)
    raise AssertionError(f"{path} was never written")


def test_another_user_is_asked_for(project: HostedProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(project, "-H", "web-1", "--user", "nobody-at-all", "--", "true") == 3
    assert "nobody-at-all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-H", "web-9", "--", "true"], "did you mean web-"),
        (["-H", "group:wep", "--", "true"], "did you mean group:web?"),
        (["--", "true"], "--hosts"),
        (["-H", "web-1"], "COMMAND"),
        (["-H", "web-1", "--timeout", "soon", "--", "true"], "is not a duration"),
    ],
)
def test_wrong_use(
    project: HostedProject, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert call(project, *arguments) == 2
    assert said in capsys.readouterr().err


def test_an_ssh_config_that_is_not_there_concerns_all(
    project: HostedProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project.farm.servers[0].config.unlink()
    assert call(project, "-H", "group:web", "--", "true") == 2
    assert "HEADWAY_SSH_CONFIG" in capsys.readouterr().err


def test_a_command_that_is_not_there_says_what_to_look_at(
    project: HostedProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(project, "-H", "web-1", "no-such-command") == 1
    err = capsys.readouterr().err
    assert "exit 127" in err and "PATH" in err


def test_without_a_project_it_says_where_hosts_come_from(
    tmp_path: Path,
    project: HostedProject,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert call(project, "-H", "web-1", "--", "true") == 2
    assert "git repository" in capsys.readouterr().err
