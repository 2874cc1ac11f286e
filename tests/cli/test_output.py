"""What commands print for people: nothing in it may drive the terminal, whoever wrote it."""

import ast
import os
import pwd
from datetime import UTC, datetime
from pathlib import Path

import pytest

import headway.cli
from headway.base.errors import WrongUse
from headway.cli.output import print_table, shown
from headway.cli.root import _of_the_machine, show_error
from headway.cli.run_lines import run_lines
from headway.domain.run import Run
from headway.domain.states import State
from tests.support.command_line import Terminal

CLEAR, TITLE, REPLY, C1 = "\x1b[2J", "\x1b]0;gone\x07", "\x1b[6n", "\x9b2J"


@pytest.mark.parametrize(
    "bad", [CLEAR, TITLE, REPLY, "\x1bc", "\x1b[1A", "\x08", "\x7f", "\r", "\x85", "\x9d0;x\x07"]
)
def test_what_could_drive_the_terminal_stays_out(bad: str) -> None:
    left = shown(f"a{bad}b")
    assert left.isprintable()
    assert (left[0], left[-1]) == ("a", "b")


def test_colours_lines_and_all_letters_pass() -> None:
    text = "\x1b[31mfailed\x1b[0m\n\tnaïve 漢字 …"
    assert shown(text) == text
    assert shown("no\udcffUTF-8") == "no\\udcffUTF-8"


def test_errors_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(WrongUse(f"said {CLEAR}no", hint=f"try {TITLE}this"), as_json=False)
    print_table(["host", "why"], [["web1", f"{C1}down"], ["web22", "up"]])
    captured = capsys.readouterr()
    assert captured.err == "headway: said no\n  next: try this\n"
    # Only the number of the C1 sequence is left; columns are as wide as what is seen.
    assert captured.out == "host   why\nweb1   2Jdown\nweb22  up\n"


def test_every_line_for_people_goes_through_the_filter() -> None:
    """`click.echo` is for bytes that were filtered before, for JSON, and for a file that is to be piped."""
    allowed = {"output.py": 3, "exec.py": 1, "host_lines.py": 1, "init.py": 1, "root.py": 1, "tail.py": 1}
    for path in Path(headway.cli.__path__[0]).glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        direct = [call for call in calls if ast.unparse(call.func) in ("click.echo", "click.secho", "print")]
        assert len(direct) == allowed.get(path.name, 0), path.name


@pytest.mark.slow
def test_hostile_names_of_all_kinds_in_a_run(sqlite_terminal: Terminal) -> None:
    terminal = sqlite_terminal
    report = '<testsuite name="s"><testcase name="t&#x9b;2J"><failure message="m&#x9d;0;x&#x9c;"/></testcase></testsuite>'
    terminal.repository.write({"report.xml": report})
    terminal.write(
        "[jobs.test]\n"
        'matrix = { axis = ["\\u001b[2J", "\\u009b2J"] }\n'
        'run = [{ name = "\\u001b]0;x\\u0007step", run = "printf \'\\\\033[2J\\\\033c\'; false" }]\n'
        'reports = { junit = "report.xml" }\n'
    )
    terminal.repository.git("checkout", "--quiet", "-b", "evil\x9b2J")
    terminal.repository.commit(message=f"Subject {CLEAR}{C1}")
    for words in (["run"], ["logs", "last"], ["status"], ["logs", "nobody\x1b[2J"], ["check"]):
        answer = terminal.call(*words)
        said = answer.text + answer.complaint
        assert said
        assert not set(said) & {"\x1b", "\x9b", "\x9d", "\x07"}, (words, said)


def test_a_file_of_another_user_names_whom_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "headway.db"
    owner = pwd.getpwuid(os.geteuid()).pw_name
    file.touch()
    monkeypatch.setattr("os.geteuid", lambda: 54321)
    named = _of_the_machine(PermissionError(13, "Permission denied", str(file)))
    assert named.message.startswith(f"{file} may not be opened by ")
    assert named.hint == f"{file} is {owner}'s; call it as that user: sudo -u {owner} headway …"


def test_runs_of_several_services_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    run = Run(
        id="run-1", number=7, service="shop", repository="/src/shop", commit="c" * 40, tree="t" * 40, dirty=False,
        branch="main", state=State.SUCCEEDED, reason="", created_at=at,
    )  # fmt: skip
    run_lines([run], with_service=True)
    assert capsys.readouterr().out.split()[:2] == ["service", "run"]
