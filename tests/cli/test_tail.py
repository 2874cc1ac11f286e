"""`headway tail` from end to end, on real OpenSSH hosts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headway.cli.root import run_command_line
from tests.docs.shapes import PAGE, nested
from tests.support.projects_with_hosts import HostedProject, make_project
from tests.support.sshd import Farm, needs_sshd, sshd_farm

__all__ = ["sshd_farm"]
pytestmark = needs_sshd

Maker = Callable[..., HostedProject]


@pytest.fixture
def make(sshd_farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    def made(logs: str, **options: object) -> HostedProject:
        sshd_farm.start(2)
        deploy = f"root = 'app'\nlogs = '''{logs}'''"
        project = make_project(tmp_path / "shop", sshd_farm, deploy=deploy, **options)  # type: ignore[arg-type]
        monkeypatch.chdir(project.folder)
        return project

    return made


def call(project: HostedProject, *arguments: str) -> int:
    return run_command_line(["tail", *arguments], lambda: project.settings)


def test_logs_come_host_by_host(make: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    project = make("cat log")
    for number in (1, 2):
        current = project.home(number) / "app" / "releases" / "r1"
        current.mkdir(parents=True)
        (current / "log").write_text(f"first of {number}\nsecond of {number}\n")
        (project.home(number) / "app" / "current").symlink_to("releases/r1")
    assert call(project, "production") == 0
    assert capsys.readouterr().out.splitlines() == [
        "web-1 │ first of 1",
        "web-1 │ second of 1",
        "web-2 │ first of 2",
        "web-2 │ second of 2",
    ]


def test_the_command_is_told_what_was_asked(make: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    project = make(
        'env | grep -e ^HEADWAY_ -e ^LEVEL | sort; release=own; echo {host} {address} {labels.zone} "{release}" ${release}',
        more='env = { LEVEL = "a & b" }',
    )
    before = datetime.now(UTC).timestamp()
    assert call(project, "production", "--since", "10m", "--lines", "50", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["environment"], found["exit_code"]) == ("production", 0)
    assert set(found) == nested(PAGE["headway tail"], "## headway tail")
    host = found["hosts"][1]
    assert set(host) == {"host", "process", "state", "reason", "lines"}
    assert (host["host"], host["process"], host["state"]) == ("web-2", "main", "succeeded")
    *pairs, placeholders = host["lines"]
    told = dict(pair.split("=", 1) for pair in pairs)
    since = datetime.fromisoformat(told.pop("HEADWAY_SINCE"))
    assert abs(since.timestamp() - (before - 600)) < 30
    assert int(told.pop("HEADWAY_SINCE_EPOCH")) == int(since.timestamp())
    assert told == {
        "HEADWAY_SERVICE": "shop",
        "HEADWAY_ENVIRONMENT": "production",
        "HEADWAY_HOST": "web-2",
        "HEADWAY_RELEASE": "",
        "HEADWAY_LINES": "50",
        "HEADWAY_FOLLOW": "",
        "LEVEL": "a & b",
    }
    assert placeholders == "web-2 127.0.0.1 b  own"


def test_only_the_last_lines_and_only_those_that_hold_the_text(
    make: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make("seq 1 3000")
    assert call(project, "production") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 200 and lines[0] == "web-1 │ 2901"
    assert call(project, "production", "--grep", "99", "-n", "2") == 0
    assert capsys.readouterr().out.split() == [
        "web-1",
        "│",
        "2998",
        "web-1",
        "│",
        "2999",
        "web-2",
        "│",
        "2998",
        "web-2",
        "│",
        "2999",
    ]
    assert call(project, "production", "--since", "1h") == 0
    assert len(capsys.readouterr().out.splitlines()) == 6000


def test_secrets_of_the_environment_are_masked(make: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    project = make(
        "echo url=postgresql://u:s3cret-value@db",
        more='secrets = ["DATABASE_PASSWORD", "ELSEWHERE"]',
        environment={"DATABASE_PASSWORD": "s3cret-value"},
    )
    assert call(project, "production", "--grep", "s3cret") == 0
    assert capsys.readouterr().out == "", "what is searched are the masked lines"
    assert call(project, "production") == 0
    assert capsys.readouterr().out.splitlines()[0] == "web-1 │ url=postgresql://u:[secret]@db"


def test_processes_have_logs_of_their_own(make: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    project = make(
        "echo from main",
        more="[processes.worker]\nhosts = 'web-2'\nactivate = 'true'\nlogs = 'echo from worker'",
    )
    assert call(project, "production") == 0
    assert capsys.readouterr().out.splitlines() == [
        "web-1 main   │ from main",
        "web-2 main   │ from main",
        "web-2 worker │ from worker",
    ]


def test_a_log_that_cannot_be_read_is_said_beside_the_others(
    make: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make("cat log")
    (project.home(1) / "app").mkdir()
    (project.home(1) / "app" / "log").write_text("fine\n")
    assert call(project, "production") == 1
    captured = capsys.readouterr()
    assert "web-1 │ fine" in captured.out and "No such file" in captured.out
    assert "web-2: failed: exit 1" in captured.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["staging"], "there are: production"), (["production", "--since", "soon"], "is not a duration")],
)
def test_wrong_use(make: Maker, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert call(make("true"), *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_service_without_logs_is_told_how(
    sshd_farm: Farm, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd_farm.start(1)
    project = make_project(tmp_path / "shop", sshd_farm)
    monkeypatch.chdir(project.folder)
    assert call(project, "production") == 2
    assert "logs = " in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("logs", ["cat log", 'tail -n "$HEADWAY_LINES" ${HEADWAY_FOLLOW:+-f} log'])
def test_following_shows_each_line_once(make: Maker, logs: str) -> None:
    project = make(logs)
    files = [project.home(number) / "app" / "log" for number in (1, 2)]
    for file in files:
        file.parent.mkdir()
        file.write_text("old\nold\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "headway", "tail", "production", "--follow"],
        cwd=project.folder,
        env={**os.environ, **project.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    shown = [process.stdout.readline() for _ in range(4)]
    for file in files:
        with file.open("a") as opened:
            opened.write("old\nnew\n")
    shown += [process.stdout.readline() for _ in range(4)]
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and rest == "", errors
    assert "Traceback" not in errors
    for name in ("web-1", "web-2"):
        own = [line.partition("│ ")[2].strip() for line in shown if line.startswith(name)]
        assert own == ["old", "old", "old", "new"]
