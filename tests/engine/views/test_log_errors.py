"""At which line a failed step's log opens."""

import tracemalloc

import pytest

from headway.engine.views import log_errors
from headway.engine.views.log_errors import first_error


@pytest.mark.parametrize(
    "line",
    [
        "E   assert Decimal('2.50') == Decimal('2.52')",
        "Traceback (most recent call last):",
        "error: could not compile `shop`",
        "error[E0308]: mismatched types",
        "ERROR tests/test_cart.py - ImportError",
        "FAILED tests/test_prices.py::test_half_even - assert 1 == 2",
        "--- FAIL: TestRound (0.00s)",
        "ValueError: no such price",
        "java.lang.NullPointerException: at Shop.price",
        "src/main.c:12:5: error: expected ';'",
        "src/shop.py:3: error: Incompatible types  [assignment]",
        "npm ERR! code ELIFECYCLE",
        "  ✕ rounds half-even (3 ms)",
        "not ok 4 - rounds",
        "sh: 1: pytset: not found",
        "bash: ./deploy: Permission denied",
        "cat: settings.toml: No such file or directory",
        "make: *** [Makefile:12: test] Error 2",
        "thread 'main' panicked at src/main.rs:2:5:",
        "fatal: not a git repository",
        "\x1b[1m\x1b[31mError: it broke\x1b[0m",
        "[ERROR] Failed to execute goal",
    ],
)
def test_what_looks_like_an_error(line):
    log = f"compiling\nall 3 files\n{line}\nmore\n".encode()
    assert first_error(log) == len(b"compiling\nall 3 files\n")


@pytest.mark.parametrize(
    "line",
    [
        "0 errors, 0 warnings",
        "error: 0 failed",
        "ERROR count: no errors",
        "test_error_handling ok",
        "errors are collected in errors.log",
        "tests/test_error.py .....  [100%]",
        "installing python-errors 1.2",
        "failover is configured",
        "",
    ],
)
def test_what_does_not(line):
    assert first_error(f"a\n{line}\nb\n".encode()) is None


def test_the_first_of_several_counts():
    assert first_error(b"ok\nE   assert 1 == 2\nERROR later\n") == 3


def test_a_megabyte_without_an_error_is_read_in_a_moment():
    assert first_error(b"compiling object file number something\n" * 26_000) is None
    assert first_error(b"x" * 1_000_000) is None


@pytest.mark.parametrize(
    "line", [b" ", b"\t", b"\x1b[1m", b"\x1b[1", b"a.", b"thread '", b":1", b"no ", b"0 "]
)
def test_a_log_of_one_endless_line_is_read_once(line):
    """What a search would come back to, it has to remember: half a gigabyte, for 8 MiB of blanks."""
    log = line * (1_000_000 // len(line))
    tracemalloc.start()
    try:
        assert first_error(log) is None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 500_000


def test_lines_that_only_count_are_not_begun_anew_for_each(monkeypatch):
    """Searches per line must not each go on to the end of the log."""
    searched = []

    class Counted:
        def __init__(self, pattern):
            self._pattern = pattern

        def search(self, lines, begin):
            match = self._pattern.search(lines, begin)
            searched.append((match.end() if match else len(lines)) - begin)
            return match

    for name in ("_BEGINNING", "_HOLDING"):
        monkeypatch.setattr(log_errors, name, Counted(getattr(log_errors, name)))
    log = b"error: 0 failed\n" * 10_000
    assert first_error(log) is None
    assert sum(searched) < 3 * len(log)


def test_behind_a_line_longer_than_a_window_others_are_looked_at():
    long = b"x" * 200_000 + b" error: not a beginning"
    assert first_error(long + b"\nok\nerror: it broke\n") == len(long) + 4
    assert first_error(b"ok\n" * 50_000 + b"sh: 1: pytset: not found\n") == 150_000
    assert first_error(b"error: " + long) == 0
