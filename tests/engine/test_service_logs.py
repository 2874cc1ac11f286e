"""What of a log is new when its command is run again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.engine.service_logs import Fresh, Seen


def shown(*runs: list[bytes]) -> list[bytes]:
    """Everything that is passed on while the command prints these lines run after run."""
    seen, found = Seen(), []
    for run in runs:
        fresh = Fresh(seen, found.append)
        for line in run:
            fresh.take(line)
        seen = fresh.end()
    return found


A, B, C, D = b"a\n", b"b\n", b"c\n", b"d\n"


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([[A, B], [A, B, C], [A, B, C, D]], [A, B, C, D]),
        ([[A, A], [A, A, A]], [A, A, A]),
        ([[A, B, C], [B, C, D]], [A, B, C, D]),
        ([[A, B], [C, D]], [A, B, C, D]),
        ([[A], [], [A, B]], [A, B]),
        ([[A, B], [A, B]], [A, B]),
        ([[], [], [A]], [A]),
        ([[A, B, C], [A]], [A, B, C, A]),
    ],
)
def test_what_is_new(runs: list[list[bytes]], expected: list[bytes]) -> None:
    assert shown(*runs) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([A, B]), max_size=30), st.lists(st.integers(0, 5), max_size=8))
def test_a_log_that_grows_is_shown_exactly_once(lines: list[bytes], growth: list[int]) -> None:
    runs, length = [], 0
    for grown in [*growth, len(lines)]:
        length = min(length + grown, len(lines))
        runs.append(lines[:length])
    assert shown(*runs) == lines


def test_a_log_longer_than_what_is_remembered_still_grows_line_by_line() -> None:
    log = [b"%d\n" % number for number in range(20_000)]
    assert shown(log[:12_000], log[:12_500], log) == log
