"""The suite itself: it judges no speed, and does not care who calls it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
_CLOCKS = {"monotonic", "perf_counter", "process_time", "time"}


def _reads_a_clock(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _CLOCKS and not node.args


def _judged_speed(tree: ast.AST) -> list[int]:
    """Lines that assert how long something took. `assert monotonic() < end` is a guard against hanging, no verdict."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        and any(
            isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub) and _reads_a_clock(part.left)
            for part in ast.walk(node.test)
        )
    ]


def test_no_test_judges_how_long_something_took() -> None:
    judged = [
        f"{path}:{line}"
        for path in TESTS.rglob("*.py")
        for line in _judged_speed(ast.parse(path.read_text()))
    ]
    assert judged == []


def test_a_verdict_on_speed_would_be_seen() -> None:
    assert _judged_speed(ast.parse("assert time.monotonic() - began < 3")) == [1]
    assert _judged_speed(ast.parse("assert time.monotonic() < end, 'it did not come'")) == []


CALLERS_TEST = """
import os, signal, subprocess

def test_surroundings():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    assert not [name for name in os.environ if name.startswith(("GIT_", "HEADWAY_DATA"))]
    assert (os.environ["LC_ALL"], os.umask(0o022)) == ("C.UTF-8", 0o022)
    child = subprocess.run(["sh", "-c", "kill -INT $$; echo lived"], capture_output=True, text=True)
    assert child.stdout == "", "what a test starts can be interrupted"
"""


def test_it_does_not_matter_who_calls_the_suite(tmp_path: Path) -> None:
    """Signals ignored and blocked as under `nohup … &`, another umask and locale, variables of git and Headway."""
    (tmp_path / "test_called.py").write_text(CALLERS_TEST)
    script = (
        "import os, signal, sys\n"
        "for one in (signal.SIGINT, signal.SIGHUP): signal.signal(one, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "os.umask(0o077)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'pytest', '-q', '--rootdir', sys.argv[1], '-c', os.devnull,\n"
        "         '-p', 'tests.support.surroundings', sys.argv[1]])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=TESTS.parent,
        env=os.environ
        | {"LC_ALL": "C", "GIT_DIR": "/nowhere", "HEADWAY_DATA": "/nowhere", "PYTHONPATH": str(TESTS.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_not_installed_is_said_in_one_line_with_the_command_that_brings_it() -> None:
    done = subprocess.run(
        ["/bin/sh", "tools/outside"],
        cwd=TESTS.parent,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    [line] = done.stdout.splitlines()
    assert line.startswith("Not installed:") and " chromium" in line
    assert line.endswith("Their tests are skipped; `make outside` installs them.")
