"""The face that all commands share: help, near words, errors, exit codes."""

import json
import os
import subprocess
import sys

import click
import pytest

from headway.base.errors import Held
from headway.cli import root
from headway.main.settings import read_settings


def call(*arguments, capsys):
    code = root.run_command_line(list(arguments), lambda: read_settings({"HEADWAY_DATA": "/nowhere"}))
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def test_help_names_every_command(capsys):
    code, out, _ = call("--help", capsys=capsys)
    assert code == 0
    for name in root.COMMANDS:
        assert f"\n  {name} " in out


def test_a_mistyped_command_gets_the_near_word_and_exit_2(capsys):
    code, _, err = call("depoly", capsys=capsys)
    assert code == 2
    assert "'depoly' is not a headway command. Did you mean 'deploy'?" in err


def test_wrong_words_are_a_document_too_with_json(capsys):
    code, out, err = call("status", "--nope", "--json", capsys=capsys)
    assert code == 2
    assert json.loads(out)["error"] == {"message": "No such option '--nope'.", "hint": None, "exit_code": 2}
    assert "Usage: headway status" in err


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, None), ({"NO_COLOR": ""}, None), ({"NO_COLOR": "1"}, False)]
)
def test_no_color_is_heeded(variables, coloured, monkeypatch):
    seen = []
    asked = click.Command("ask", callback=lambda: seen.append(click.get_current_context().color))
    monkeypatch.setattr(root.LazyGroup, "get_command", lambda *_: asked)
    assert (
        root.run_command_line(["ask"], lambda: read_settings({"HEADWAY_DATA": "/nowhere", **variables})) == 0
    )
    assert seen == [coloured]


@pytest.mark.parametrize("as_json", [False, True])
def test_an_error_is_one_message_with_the_next_step(as_json, capsys):
    error = Held("production is locked by ana@desk since 14:02", hint="headway status production")
    root.show_error(error, as_json=as_json)
    seen = capsys.readouterr()
    assert seen.err.splitlines() == [
        "headway: production is locked by ana@desk since 14:02",
        "  next: headway status production",
    ]
    if as_json:
        assert json.loads(seen.out)["error"] == {"message": error.message, "hint": error.hint, "exit_code": 4}


@pytest.mark.parametrize("name", list(root.COMMANDS))
def test_every_command_explains_itself_and_has_json(name, capsys):
    code, out, _ = call(name, "--help", capsys=capsys)
    assert code == 0
    assert "Usage: headway" in out


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (OSError(28, "No space left on device", "/data/x"), 3, "headway: /data/x: the disk is full"),
        (PermissionError(13, "Permission denied", "/data/x"), 3, "headway: /data/x: Permission denied"),
        (
            ZeroDivisionError("boom"),
            3,
            "headway: this is a fault in Headway itself; the lines above say where",
        ),
    ],
)
def test_what_no_driver_named_is_an_error_of_the_platform(raised, code, said, capsys, monkeypatch):
    def fails(*_, **__):
        raise raised

    monkeypatch.setattr(root.headway, "main", fails)
    seen_code, _, err = call("status", capsys=capsys)
    assert seen_code == code
    assert said in err.splitlines()
    assert ("Traceback" in err) == isinstance(raised, ZeroDivisionError)


def test_a_reader_that_leaves_early_is_no_failure(tmp_path):
    script = f"{sys.executable} -m headway --help; echo exit $? >&2"
    done = subprocess.run(
        ["sh", "-c", f"({script}) | true"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HEADWAY_DATA": str(tmp_path)},
    )
    assert done.stderr == "exit 0\n"


@pytest.mark.parametrize(
    ("words", "redirection", "code"),
    [
        ("status", ">&-", 2),
        ("status --json", ">&- <&-", 2),
        ("status", "2>&-", 2),
        ("--version", "<&- >&- 2>&-", 0),
        ("status --json", ">/dev/full", 2),
        ("--version", ">/dev/full", 3),
    ],
)
def test_streams_that_are_closed_or_full_leave_the_exit_code(words, redirection, code, tmp_path):
    line = f"exec {sys.executable} -m headway {words} {redirection}"
    ended = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr


def test_closed_streams_keep_their_numbers(tmp_path):
    """What is opened after them must not be printed into."""
    script = (
        "from headway.main.entry import open_what_is_closed; open_what_is_closed(); "
        "assert open('x', 'w').fileno() > 2"
    )
    line = f'exec {sys.executable} -c "{script}" <&- >&-'
    ended = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
