"""The unit for systemd: printed by the command that it starts, and valid as systemd itself sees it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headway.main.settings import SERVICE_HOME, read_settings
from headway.main.unit import unit


def printed(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "headway", "up", "--unit", *words], capture_output=True, text=True, check=True
    )
    return done.stdout


def exec_start(text: str) -> str:
    [line] = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    return str(line)


def test_it_starts_the_program_that_printed_it() -> None:
    program, _, words = exec_start(printed()).partition(" ")
    assert Path(program).is_absolute()
    assert Path(program).name == "headway"
    assert words == "up --listen 127.0.0.1:8080 --data /var/lib/headway/data"


def test_it_listens_and_keeps_its_data_where_it_is_told() -> None:
    text = printed("--listen", ":9000", "--data", "/srv/my data/100%")
    assert exec_start(text).endswith('up --listen :9000 --data "/srv/my data/100%%"')
    assert "HEADWAY_DATA='/srv/my data/100%'" in text.replace("'\"'\"'", "'")
    assert "tee -a /etc/headway.env" in text


def test_the_units_folder_is_where_its_users_commands_look(tmp_path: Path) -> None:
    assert exec_start(unit()).endswith(f" --data {SERVICE_HOME / 'data'}")
    assert f"--home-dir {SERVICE_HOME} headway" in unit()
    assert "headway.env" not in unit(), "it needs no word"
    assert read_settings({}, home=tmp_path, file=tmp_path / "no").data == tmp_path / "data"


def test_a_stop_ends_the_server_alone() -> None:
    """With systemd's usual KillMode every running job would die with it."""
    assert "KillMode=process\n" in unit()
    assert "Type=notify\n" in unit()
    assert "@" not in unit()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_finds_no_fault_in_it(tmp_path: Path) -> None:
    file = tmp_path / "headway.service"
    # The program must be there for systemd; who prints the unit has it.
    file.write_text(unit(program="/bin/true"))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (told.returncode, told.stderr) == (0, "")
