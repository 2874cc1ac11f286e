"""The surroundings that the suite sets for itself, so that it does not matter who calls it, from where, and how.

A test run under `nohup … &` begins with SIGINT and SIGHUP ignored, and programs inherit that; an editor's terminal sets
COLUMNS; a git hook sets GIT_DIR. All tests, and what they start, begin from the same place instead.
"""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Generator
from typing import Any

import pytest

_SET_BY_CALLERS = ("HEADWAY_", "GIT_", "LC_")
_KEPT = ("HEADWAY_TESTS_",)
_TERMINAL = (
    "LANG",
    "LANGUAGE",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "TZ",
    "EDITOR",
    "PAGER",
    # A caller who wants no bytecode has every `headway` that a test starts compile itself anew.
    "PYTHONDONTWRITEBYTECODE",
)


def pytest_configure(config: pytest.Config) -> None:
    """In each process of the suite, before it collects."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (
        signal.SIGHUP,
        signal.SIGTERM,
        signal.SIGQUIT,
        signal.SIGTSTP,
        signal.SIGTTOU,
        signal.SIGCHLD,
    ):
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    sys.dont_write_bytecode = False
    for name in list(os.environ):
        if name in _TERMINAL or (name.startswith(_SET_BY_CALLERS) and not name.startswith(_KEPT)):
            del os.environ[name]
    os.environ["LC_ALL"] = "C.UTF-8"
    os.environ["TERM"] = "xterm"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", metavar="SEED", help="run the tests in the order that this seed says")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if seed := config.getoption("--shuffle"):
        random.Random(seed).shuffle(items)


_started: list["subprocess.Popen[Any]"] = []
_start = subprocess.Popen.__init__


def _start_and_note(process: "subprocess.Popen[Any]", *words: Any, **options: Any) -> None:
    _start(process, *words, **options)
    _started.append(process)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """What a test that failed has left running is ended with it: the next test does not meet it, nor its warning."""
    _started.clear()
    subprocess.Popen.__init__ = _start_and_note  # type: ignore[method-assign]
    try:
        yield
    except BaseException:
        for process in _started:
            _end(process)
        raise
    finally:
        subprocess.Popen.__init__ = _start  # type: ignore[method-assign]
        _started.clear()


def _end(process: "subprocess.Popen[Any]") -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                pass  # a pipe that nobody reads any more
