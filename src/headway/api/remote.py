"""Commands and logs on hosts, as a stream of JSON lines (`application/x-ndjson`), for operators.

First {"tasks": [{"host", "process"}, …]}; then {"task", "line"} for each line as it comes, masked, `task` counting from
0 and `line` without its newline ({"task", "trouble"} where a log that is followed is lost for a time); at the end
{"outcomes": [OUTCOME, …]} in the order of the tasks, with `hint` where there is one. A stream without its end broke.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar.params import JSONBody, QueryParameter
from litestar.response import Stream

from headway.api.access import ApiRequest, actor_of, server_of
from headway.api.requests import requests_here
from headway.api.routes import Body, Flag, Name, Word, posts, reads
from headway.base.durations import parse_duration
from headway.base.errors import HeadwayError, WrongUse
from headway.drivers.ssh.connections import Connections
from headway.engine.hosts.remote_commands import Outcome, Stage, Task, run_tasks
from headway.engine.hosts.service_logs import follow_tasks
from headway.engine.requests.host_calls import HostCall, exec_call, tail_call
from headway.engine.server.server import Server
from headway.wire.shapes_hosts import as_text

#: Somebody waits: a host that does not answer is given up sooner than in a deployment.
_CONNECT_WITHIN = 8.0
#: Bytes that a slow reader may leave lying; what comes then is left out, and said to be.
_MOST_LYING = 16 << 20
LINES = "application/x-ndjson"


class Exec(Body):
    #: A host's name, group:NAME or label:NAME=VALUE.
    hosts: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=1000)]
    command: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=100_000)]], msgspec.Meta(min_length=1, max_length=1000)
    ]
    #: Whose hosts; those of org.toml, if not said.
    service: Word | None = None
    user: Word | None = None
    #: Hosts at once.
    parallel: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 64
    #: Seconds; 0 waits for ever.
    timeout: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 60
    pty: bool = False


@posts(
    "/api/exec",
    id="exec",
    does="Run one command on many hosts; lines come as they are printed.",
    of="hosts",
    status_code=200,
    media_type=LINES,
)
async def exec_(request: ApiRequest, data: JSONBody[Exec]) -> Stream:
    """Whoever leaves ends it on the hosts."""
    server, actor = server_of(request), await actor_of(request)
    call = await exec_call(
        requests_here(server).tools,
        actor,
        service=data.service,
        selectors=data.hosts,
        words=data.command,
        user=data.user,
    )

    async def work(out: "_Out", connections: Connections) -> None:
        stage = Stage(
            connections,
            call.secrets,
            server.tools.clock,
            out.line,
            pty=data.pty,
            timeout=timedelta(seconds=data.timeout) if data.timeout else None,
        )
        out.outcomes(await run_tasks(stage, call.tasks, parallel=data.parallel))

    return _stream(server, call, work)


@reads(
    "/api/services/{service:str}/environments/{environment:str}/logs",
    id="tailLogs",
    does="The service's own logs, on all hosts of an environment.",
    of="hosts",
    media_type=LINES,
)
async def tail(
    request: ApiRequest,
    *,
    service: Name,
    environment: Name,
    since: Annotated[str, QueryParameter(max_length=20)] = "24h",
    lines: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 100,
    follow: Flag = False,
    timeout: Annotated[float, QueryParameter(ge=0, le=86_400)] = 60,
) -> Stream:
    """With `follow` until the reader leaves."""
    server, actor = server_of(request), await actor_of(request)
    call = await tail_call(
        requests_here(server).tools,
        actor,
        service=service,
        environment=environment,
        age=_age(since),
        lines=lines,
        follow=follow,
        now=server.now(),
    )

    async def work(out: "_Out", connections: Connections) -> None:
        stage = Stage(connections, call.secrets, server.tools.clock, out.line)
        if follow:
            await follow_tasks(stage, call.tasks, out.trouble)
        else:
            limited = replace(stage, timeout=timedelta(seconds=timeout) if timeout else None)
            out.outcomes(await run_tasks(limited, call.tasks))

    return _stream(server, call, work)


Work = Callable[["_Out", Connections], Awaitable[None]]


def _stream(server: Server, call: HostCall, work: Work) -> Stream:
    return Stream(_lines(server, call, work), media_type=LINES, headers={"Cache-Control": "no-store"})


async def _lines(server: Server, call: HostCall, work: Work) -> AsyncIterator[bytes]:
    out = _Out(call.tasks)
    tasks = [{"host": task.host.name, "process": task.process} for task in call.tasks]
    yield _line({"tasks": tasks})
    patience = replace(server.settings.ssh, connect_within=_CONNECT_WITHIN)

    async def act() -> None:
        try:
            async with Connections(patience) as connections:
                await work(out, connections)
        except HeadwayError as error:
            told = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
            out.put({"error": told})
        finally:
            out.put(None)

    acting = asyncio.create_task(act())
    try:
        while (said := await out.next()) is not None:
            yield said
    finally:
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)


class _Out:
    """What is to be sent, as fast as its reader takes it."""

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        self._number = {id(task): number for number, task in enumerate(tasks)}
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._lying = 0
        self._left_out = 0

    def line(self, task: Task, line: bytes) -> None:
        if self._lying > _MOST_LYING:
            self._left_out += 1
            return
        self.put({"task": self._number[id(task)], **as_text(line.removesuffix(b"\n"), "line")})

    def trouble(self, task: Task, reason: str) -> None:
        self.put({"task": self._number[id(task)], "trouble": reason})

    def outcomes(self, outcomes: list[Outcome]) -> None:
        self.put({"outcomes": [_outcome(one) for one in outcomes], "lines_left_out": self._left_out})

    def put(self, document: Mapping[str, Any] | None) -> None:
        data = None if document is None else _line(document)
        self._lying += len(data or b"")
        self._queue.put_nowait(data)

    async def next(self) -> bytes | None:
        data = await self._queue.get()
        self._lying -= len(data or b"")
        return data


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "host": outcome.host,
        "process": outcome.process,
        "state": outcome.state,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "reason": outcome.reason,
        **as_text(outcome.output),
        "dropped_bytes": outcome.dropped,
        "seconds": round(outcome.duration.total_seconds(), 3),
        "hint": outcome.hint,
    }


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _age(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise WrongUse(f"since: {error}", hint="write 10m or 24h") from error


ROUTES = (exec_, tail)
