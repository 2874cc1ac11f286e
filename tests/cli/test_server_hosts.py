"""A log that is followed through a server goes on when the server does: nothing lost, nothing doubled."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest

from headway.base.errors import HeadwayError
from headway.cli.server_hosts import FollowedTail, HostStream
from headway.client.errors import ServerUnreachable
from headway.client.http import HeadwayClient
from tests.support.clocks import HandClock


class Named:
    name = "https://headway.example.org"


def stream(*lines: str, host: str = "web1", process: str | None = "main", **last: Any) -> HostStream:
    """Breaks off after its lines, unless `last` says how it ends."""

    def documents() -> Iterator[Any]:
        yield {"tasks": [{"host": host, "process": process}]}
        yield from ({"task": 0, "line": line} for line in lines)
        if last:
            yield last

    return HostStream(cast(HeadwayClient, Named()), documents())


class Reader:
    """Asks for one stream after the other; an error among them is raised; the end of them is the reader's Ctrl-C."""

    def __init__(self, *turns: HostStream | HeadwayError) -> None:
        self.clock = HandClock()
        self.turns = list(turns)
        self.lines: list[str] = []
        self.ages: list[float] = []
        self.breaks: list[str] = []
        self.following = FollowedTail(
            self.clock,
            self.ask,
            lambda task, line: self.lines.append(f"{task.host.name} {line.decode().strip()}"),
            lambda task, reason: None,
            lambda error: self.breaks.append(error.message),
            patience=60,
            sleep=lambda seconds: self.clock.pass_(timedelta(seconds=seconds)),
        )

    def ask(self, age: timedelta) -> HostStream:
        self.ages.append(age.total_seconds())
        if not self.turns:
            raise KeyboardInterrupt
        turn = self.turns.pop(0)
        if isinstance(turn, HeadwayError):
            raise turn
        return turn

    def read(self) -> list[str]:
        with pytest.raises(KeyboardInterrupt):
            self.following.follow(timedelta(hours=1))
        return self.lines


AWAY = ServerUnreachable("the server is not reached")


def test_a_server_that_comes_again_shows_only_what_was_not_shown() -> None:
    reader = Reader(stream("a", "b", "c"), AWAY, stream("b", "c", "d"), stream("c", "d", "e", "f"))
    assert reader.read() == [f"web1 {line}" for line in "abcdef"]
    # From the same instant on, however long it took; and each break is said once.
    assert reader.ages == [3600, 3600.5, 3601, 3601.5, 3602]
    assert len(reader.breaks) == 3


def test_what_is_cut_off_while_it_repeats_itself_is_not_shown_twice() -> None:
    reader = Reader(stream("a", "b", "c"), stream("a"), stream("a", "b"), stream("a", "b", "c", "d"))
    assert reader.read() == [f"web1 {line}" for line in "abcd"]


def test_each_host_and_process_has_its_own_place() -> None:
    reader = Reader(stream("a"), stream("a", host="web2"), stream("a", process="worker"), stream("a", "b"))
    assert reader.read() == ["web1 a", "web2 a", "web1 a", "web1 b"]


def test_a_server_that_was_never_reached_or_stays_away_is_told() -> None:
    with pytest.raises(ServerUnreachable):
        Reader(AWAY).following.follow(timedelta(hours=1))
    reader = Reader(stream("a"), *[AWAY] * 200)
    with pytest.raises(ServerUnreachable):
        reader.following.follow(timedelta(hours=1))
    assert (reader.lines, len(reader.breaks)) == (["web1 a"], 1)
    assert 60 <= reader.ages[-1] - 3600 <= 62


def test_what_the_server_refuses_is_not_asked_for_again() -> None:
    refused = {"message": "not for you", "hint": "", "exit_code": 2}
    reader = Reader(stream("a", error=refused), stream("b"))
    with pytest.raises(HeadwayError, match="not for you"):
        reader.following.follow(timedelta(hours=1))
    assert reader.lines == ["web1 a"]
