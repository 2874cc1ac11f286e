"""`headway init` as it is typed: writes once, never over a file, and what it writes runs."""

import tomllib
from pathlib import Path

from headway.wire.contract import read_contract
from tests.support.command_line import Terminal


def test_it_writes_a_contract_that_runs(sqlite_terminal: Terminal) -> None:
    terminal = sqlite_terminal
    terminal.repository.commit({"Makefile": "test:\n\ttest -f Makefile\n"})
    deep = terminal.repository.folder / "deep"
    deep.mkdir()
    answer = terminal.call("init", folder=deep)
    file = terminal.repository.folder / "headway.toml"
    assert (answer.code, answer.text) == (
        0,
        f"wrote {file}: a Makefile with test; jobs test\n  next: headway run\n",
    )
    assert terminal.call("check").code == 0
    assert terminal.call("run").code == 0


def test_it_never_writes_over_a_file(sqlite_terminal: Terminal) -> None:
    file = sqlite_terminal.repository.folder / "headway.toml"
    file.write_text("mine")
    answer = sqlite_terminal.call("init")
    assert answer.code == 2
    assert answer.complaint == (
        f"headway: {file} is there already\n  next: headway check, or headway init --print to see a new one\n"
    )
    file.unlink()
    file.symlink_to("nowhere")
    assert sqlite_terminal.call("init").code == 2 and file.is_symlink()


def test_a_file_of_before_there_was_anything_is_written_anew_unless_somebody_changed_it(
    sqlite_terminal: Terminal,
) -> None:
    terminal = sqlite_terminal
    file = terminal.repository.folder / "headway.toml"
    assert terminal.call("init").code == 0
    placeholder = file.read_text()
    assert "Nothing was recognised" in placeholder
    # As long as there is still nothing to be recognised it says so.
    assert terminal.call("init").code == 2
    terminal.repository.write({"Makefile": "test:\n\ttrue\n"})
    again = terminal.call("init")
    assert (again.code, "a Makefile with test" in again.text) == (0, True)
    assert 'run = "make test"' in file.read_text()
    file.write_text(placeholder + "# mine\n")
    assert terminal.call("init").code == 2
    assert file.read_text() == placeholder + "# mine\n"


def test_print_writes_nothing(sqlite_terminal: Terminal) -> None:
    answer = sqlite_terminal.call("init", "--print")
    assert answer.code == 0
    assert list(read_contract(answer.text).jobs) == ["check"]
    assert not (sqlite_terminal.repository.folder / "headway.toml").exists()


def test_json(sqlite_terminal: Terminal) -> None:
    document = sqlite_terminal.call("init", "--json").document
    file = Path(document["file"])
    assert file == sqlite_terminal.repository.folder / "headway.toml"
    assert document["text"] == file.read_text() and tomllib.loads(document["text"])["contract"] == 1
    assert document["jobs"] == ["check"] and document["missing_programs"] == []
    assert document["found"] == ["no kind of project that is known here"]


def test_without_a_repository(sqlite_terminal: Terminal, tmp_path: Path) -> None:
    answer = sqlite_terminal.call("init", folder=tmp_path)
    assert answer.code == 2
    assert answer.complaint.startswith(f"headway: {tmp_path} is in no git repository\n  next: git init")
    assert not (tmp_path / "headway.toml").exists()
