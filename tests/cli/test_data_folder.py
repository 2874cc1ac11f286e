"""The data folder is its user's alone."""

import logging
import os
from pathlib import Path

import pytest

from headway.engine.data_folder import DataFolderOpen, open_data_folder
from tests.support.command_line import Terminal


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def test_a_new_one_is_closed_to_others(tmp_path: Path) -> None:
    open_data_folder(tmp_path / "deep" / "data")
    assert mode(tmp_path / "deep" / "data") == 0o700


@pytest.mark.parametrize("inside", ["headway.db", "logs", None])
@pytest.mark.parametrize("before", [0o755, 0o750, 0o777, 0o711])
def test_one_that_others_may_enter_is_closed_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, before: int, inside: str | None
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if inside:
        (data / inside).touch()
    data.chmod(before)
    with caplog.at_level(logging.WARNING, "headway"):
        open_data_folder(data)
        open_data_folder(data)
    assert mode(data) == 0o700
    [said] = [record.getMessage() for record in caplog.records]
    assert said == f"others could read the data folder {data} (mode {before:03o}); it is closed to them now"


def test_a_folder_of_other_things_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "srv"
    (shared / "www").mkdir(parents=True)
    shared.chmod(0o755)
    with pytest.raises(DataFolderOpen, match="holds other things") as caught:
        open_data_folder(shared)
    assert str(shared / "headway") in (caught.value.hint or "")
    assert mode(shared) == 0o755


def test_another_users_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: data.stat().st_uid + 1)
    with pytest.raises(DataFolderOpen, match="belongs to another user"):
        open_data_folder(data)
    data.chmod(0o700)
    open_data_folder(data)


@pytest.mark.slow
def test_a_command_says_that_it_closed_the_folder(sqlite_terminal: Terminal) -> None:
    sqlite_terminal.write("[jobs.a]\nrun = 'true'\n")
    sqlite_terminal.data.mkdir()
    sqlite_terminal.data.chmod(0o755)
    answer = sqlite_terminal.call("run")
    assert answer.code == 0, answer
    assert "it is closed to them now" in answer.complaint
    assert mode(sqlite_terminal.data) == 0o700
    assert "closed" not in sqlite_terminal.call("run").complaint
