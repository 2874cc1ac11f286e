"""`headway exec` and `headway tail` on a server: lines and outcomes of its stream, given to the code that draws them here."""

from collections.abc import Callable, Iterator
from typing import Any

from headway.base.errors import Cancelled, HeadwayError
from headway.client.decode import outcome_of
from headway.client.errors import ServerUnreachable
from headway.client.http import HeadwayClient, segment
from headway.domain.contract import HostSpec
from headway.engine.remote_commands import Outcome, Task
from headway.wire.shapes_hosts import as_bytes

OnLine = Callable[[Task, bytes], None]
OnTrouble = Callable[[Task, str], None]


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


def _error(told: Any) -> HeadwayError:
    from headway.client.errors import error_of

    status = 503 if told["exit_code"] == 3 else 400
    return error_of(status, {"detail": told["message"], "hint": told["hint"], "exit_code": told["exit_code"]})
