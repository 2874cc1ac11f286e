"""Which command reads a log, and what of it is new when it is run again."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.contract import Contract
from headway.domain.release import Release
from headway.engine.deployments.plan import compose
from headway.engine.hosts.service_logs import Fresh, Seen, log_tasks
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


LOG = [b"line %d\n" % number for number in range(60)]


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 10)), max_size=6))
def test_a_log_that_is_followed_loses_and_doubles_no_line_where_it_is_broken_off(
    count: int, turns: list[tuple[int, int]]
) -> None:
    """Each time its command shows the last `count` lines and goes on with what comes; while it is cut off at most as
    many come as it shows."""
    seen, found, there = Seen(), [], count
    for meanwhile, followed in turns:
        there = min(len(LOG), there + min(meanwhile, count if seen.count else 0))
        fresh = Fresh(seen, found.append)
        end = min(len(LOG), there + followed)
        for line in LOG[there - count : end]:
            fresh.take(line)
        seen, there = fresh.broken_off(), end
    assert found == LOG[: len(found)]
    assert len(found) == (there if turns else 0)


def test_what_is_new_is_passed_on_at_once_while_the_command_goes_on() -> None:
    found: list[bytes] = []
    first = Fresh(Seen(), found.append)
    for line in LOG[:20]:
        first.take(line)
    second = Fresh(first.broken_off(), found.append)
    for line in LOG[12:25]:
        second.take(line)
    assert found == LOG[:25]
    third = Fresh(second.broken_off(), found.append)
    for line in LOG[40:42]:
        third.take(line)
    assert found[25:] == LOG[40:42]


def test_a_command_that_is_cut_off_while_it_repeats_itself_adds_nothing() -> None:
    found: list[bytes] = []
    first = Fresh(Seen(), found.append)
    for line in LOG[:20]:
        first.take(line)
    cut = Fresh(first.broken_off(), found.append)
    for line in LOG[10:15]:
        cut.take(line)
    again = Fresh(cut.broken_off(), found.append)
    for line in LOG[10:22]:
        again.take(line)
    assert found == LOG[:22]


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


def test_the_folder_is_that_of_deployments_wherever_the_login_begins(tmp_path: Path) -> None:
    login, home = tmp_path / "login", tmp_path / "home"
    (home / "apps/shop/releases/rel-1").mkdir(parents=True)
    (home / "apps/shop/current").symlink_to("releases/rel-1")
    (login / "current").mkdir(parents=True)

    def said(root: str) -> tuple[str, str]:
        text = FILE.format(word="now", more=f'root = "{root}"').replace(
            "cat now.log",
            'echo \\"$PWD ${HEADWAY_ROOT-none} $HEADWAY_RELEASE\\"; test \\"$HEADWAY_RELEASE\\"',
        )
        [task, _] = log_tasks(read_contract(text), "production", since=NOW, lines=5, follow=False)
        done = subprocess.run(  # noqa: PLW1510  (a failure is the point)
            ["sh", "-eu", "-c", str(task.command)],
            cwd=login,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        return done.stdout, done.stderr

    there = home / "apps/shop"
    assert said("apps/shop") == (f"{there}/current {there} rel-1\n", "")
    gone = home / "gone"
    assert said("gone") == (
        f"{login} none \n",
        f"headway: the folder {gone} cannot be entered, so this ran in {login}\n",
    )
