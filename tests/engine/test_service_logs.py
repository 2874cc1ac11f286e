"""Which command reads a log, and what of it is new when it is run again."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.contract import Contract
from headway.domain.release import Release
from headway.engine.deployment_plan import compose
from headway.engine.service_logs import Fresh, Seen, log_tasks
from headway.wire.contract import read_contract

NOW = datetime(2026, 1, 2, tzinfo=UTC)


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


FILE = """\
contract = 1
[service]
name = "shop"
[deploy]
kind = "script"
run = "true"
logs = "cat {word}.log"
{more}
[environments.production]
hosts = ["web1", "web2"]
[environments.production.env]
LEVEL = "{word}"
[hosts.web1]
address = "a"
[hosts.web2]
address = "b"
"""


def test_logs_are_read_as_the_file_of_what_is_live_says() -> None:
    def contract(word: str, more: str = "") -> Contract:
        return read_contract(FILE.format(word=word, more=more), "headway.toml")

    then = contract(
        "then", "[processes.worker]\nactivate = 'true'\nlogs = 'cat worker.log'\nhosts = ['web1']"
    )
    release = Release("rel-a", "shop", "", "a" * 40, (), NOW, "ana")
    live = compose(then, then.environments["production"], release, deployment="dep-1", requested_by="ana")
    # Since then web2 has come, and nothing of it is known.
    live = replace(live, hosts=live.hosts[:1])
    tasks = log_tasks(contract("now"), "production", since=NOW, lines=10, follow=False, live=live)
    assert [
        (task.process, task.host.name, str(task.command).splitlines()[-1], task.env["LEVEL"])
        for task in tasks
    ] == [
        ("main", "web1", "cat then.log", "then"),
        ("main", "web2", "cat now.log", "now"),
        ("worker", "web1", "cat worker.log", "then"),
    ]
