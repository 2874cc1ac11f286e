"""`headway exec` and `headway tail` on a server: lines and outcomes of its stream, given to the code that draws them here."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from headway.base.clock import Clock
from headway.base.errors import Cancelled, HeadwayError
from headway.base.patience import Patience
from headway.client.decode import outcome_of
from headway.client.errors import ServerFailed, ServerUnreachable
from headway.client.http import HeadwayClient, segment
from headway.domain.contract import HostSpec
from headway.engine.hosts.remote_commands import Outcome, Task
from headway.engine.hosts.service_logs import Fresh, Seen
from headway.wire.shapes_hosts import as_bytes

OnLine = Callable[[Task, bytes], None]
OnTrouble = Callable[[Task, str], None]
#: Seconds before a server that broke off is asked anew.
_PAUSE = 0.5
#: One question and the pause after it take no longer while this process runs.
_TICK = 40.0


class HostStream:
    """The first line names the tasks; the rest is read by `play`."""

    def __init__(self, server: HeadwayClient, lines: Iterator[Any]) -> None:
        self._server = server
        self._lines = lines
        first = next(lines, None)
        if first is None:
            raise self._broken()
        self.tasks = [
            Task(HostSpec(task["host"], task["host"]), "", process=task["process"]) for task in first["tasks"]
        ]

    def play(self, on_line: OnLine, on_trouble: OnTrouble = lambda task, reason: None) -> list[Outcome]:
        """To its end. Raises what went wrong there, and ServerUnreachable for a stream that breaks off."""
        try:
            for said in self._lines:
                if "outcomes" in said:
                    return [outcome_of(one) for one in said["outcomes"]]
                if "error" in said:
                    raise _error(said["error"])
                task = self.tasks[said["task"]]
                if "trouble" in said:
                    on_trouble(task, said["trouble"])
                else:
                    on_line(task, as_bytes(said, "line") + b"\n")
        except KeyboardInterrupt:
            raise Cancelled("cancelled: the command was ended on the hosts") from None
        raise self._broken()

    def _broken(self) -> ServerUnreachable:
        return ServerUnreachable(
            f"the line to {self._server.name} broke; what ran on the hosts was ended",
            hint="call it again",
        )


def exec_stream(server: HeadwayClient, body: dict[str, Any]) -> HostStream:
    return HostStream(server, server.lines("POST", "/api/exec", body))


def tail_stream(server: HeadwayClient, service: str, environment: str, **query: Any) -> HostStream:
    path = f"/api/services/{segment(service)}/environments/{segment(environment)}/logs"
    return HostStream(server, server.lines("GET", path, **query))


@dataclass
class FollowedTail:
    """`tail --follow` that outlives its server: it asks again, and shows what had not been shown.

    The log's command has no offset. It is run again with the same `since` and as many lines, and what it printed before
    is left out: so a line is lost only where more came meanwhile than the command shows again.
    """

    clock: Clock
    #: A stream that begins this long ago. Raises ServerUnreachable, ServerFailed.
    ask: Callable[[timedelta], HostStream]
    on_line: OnLine
    on_trouble: OnTrouble
    #: The line broke; told once, until it holds again.
    on_break: Callable[[HeadwayError], None]
    #: Seconds without any answer after which it ends.
    patience: float
    sleep: Callable[[float], None] = time.sleep
    _seen: dict[tuple[str, str | None], Seen] = field(default_factory=dict)

    def follow(self, age: timedelta) -> None:
        """Until its reader leaves. Raises what the server refuses, and ServerUnreachable when it is away for too long."""
        began, has_begun = self.clock.monotonic(), False
        patience: Patience | None = None
        while True:
            try:
                stream = self.ask(age + timedelta(seconds=self.clock.monotonic() - began))
                patience, has_begun = None, True
                self._play(stream)
            except (ServerUnreachable, ServerFailed) as error:
                if not has_begun or (patience is not None and patience.left() <= 0):
                    raise
                if patience is None:
                    patience = Patience(self.clock.monotonic, self.patience, tick=_TICK)
                    self.on_break(error)
            self.sleep(_PAUSE)

    def _play(self, stream: HostStream) -> None:
        fresh: dict[tuple[str, str | None], Fresh] = {}

        def take(task: Task, line: bytes) -> None:
            place = (task.host.name, task.process)
            if place not in fresh:
                fresh[place] = Fresh(self._seen.get(place, Seen()), partial(self.on_line, task))
            fresh[place].take(line)

        try:
            stream.play(take, self.on_trouble)
        finally:
            self._seen |= {place: one.broken_off() for place, one in fresh.items()}


def _error(told: Any) -> HeadwayError:
    from headway.client.errors import error_of

    status = 503 if told["exit_code"] == 3 else 400
    return error_of(status, {"detail": told["message"], "hint": told["hint"], "exit_code": told["exit_code"]})
