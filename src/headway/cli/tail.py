"""`headway tail`: the service's own log, on all hosts of an environment."""

import json
from collections import deque
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.base.errors import Cancelled, HeadwayError
from headway.cli.host_lines import HostLines, run_interruptibly, seconds
from headway.cli.known_here import known_here
from headway.cli.output import echo, emit_json, json_option, styled
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.base.secret import Secret
    from headway.client.http import HeadwayClient
    from headway.deploy.plan import Plan
    from headway.engine.hosts.remote_commands import Outcome, Task
    from headway.store.database import Transaction

_DEFAULT_LINES = 100
_DEFAULT_SINCE = "24h"


@click.command()
@click.argument("environment")
@click.option(
    "--since", metavar="DURATION", help="Only what is younger, such as 10m; the log's command gets it."
)
@click.option("--grep", "wanted", metavar="TEXT", help="Only lines that hold this text.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "--lines",
    "-n",
    "count",
    type=click.IntRange(1, 1_000_000),
    help=f"The last lines of each host; {_DEFAULT_LINES} unless --since is given.",
)
@click.option(
    "--timeout", default="60s", show_default=True, metavar="DURATION", help="End a log's command after this."
)
@local_option
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    environment: str,
    since: str | None,
    wanted: str | None,
    follow: bool,
    count: int | None,
    timeout: str,
    local: bool,
    as_json: bool,
) -> int:
    """The service's own log, on all hosts of an environment.

    Runs the `logs` command of each process on its hosts, with HEADWAY_SINCE, HEADWAY_SINCE_EPOCH, HEADWAY_LINES and
    HEADWAY_FOLLOW in its environment, and shows what it prints, host by host, secrets masked.

    Exit code: 0, or 1 if a log's command failed, 3 if some host was not reached.
    """
    age = timedelta(seconds=seconds(since or _DEFAULT_SINCE, "--since"))
    limit = timedelta(seconds=seconds(timeout, "--timeout"))
    asked = count or (100_000 if since else _DEFAULT_LINES)
    filtered = wanted.encode("utf-8", "surrogateescape") if wanted else b""
    if (server := server_for(settings, local=local)) is not None:
        return _there(
            server,
            environment,
            filtered,
            age,
            as_json=as_json,
            lines=asked,
            follow=follow,
            timeout=limit.total_seconds(),
        )
    return _here(settings, environment, filtered, age, limit, asked, follow=follow, as_json=as_json)


def _here(  # noqa: PLR0917  (what was asked for)
    settings: Settings,
    environment: str,
    wanted: bytes,
    age: timedelta,
    limit: timedelta,
    asked: int,
    *,
    follow: bool,
    as_json: bool,
) -> int:
    """From this machine, by SSH."""
    from headway.base.clock import SystemClock
    from headway.engine.hosts.remote_commands import known_secrets
    from headway.engine.hosts.service_logs import log_tasks
    from headway.engine.projects import find_project
    from headway.engine.repositories.host_book import book_of

    contract = find_project(Path.cwd()).contract
    since = SystemClock().now().astimezone(UTC) - age
    live, stored = _known(settings, contract.service.name, environment)
    tasks = log_tasks(contract, environment, since=since, lines=asked, follow=follow, live=live)
    secrets = known_secrets(book_of(contract), settings, environment, stored=stored)
    tail = _Tail(tasks, wanted, asked, as_json)
    if follow:
        try:
            run_interruptibly(_follow(settings, tasks, secrets, tail), "")
        except Cancelled:
            return 0  # following ends when its reader has seen enough
    outcomes = run_interruptibly(_once(settings, tasks, secrets, tail, limit), "cancelled")
    return tail.finish(environment, outcomes)


def _known(
    settings: Settings, service: str, environment: str
) -> "tuple[Plan | None, Sequence[tuple[str | None, str]]]":
    """The live plan, and what `named_secrets` says."""
    from headway.engine.deployments.files import live_plan
    from headway.engine.deployments.named_secrets import named_secrets

    def read(tx: "Transaction") -> "tuple[Plan | None, Sequence[tuple[str | None, str]]]":
        return live_plan(tx, service, environment), named_secrets(tx, service, environment)

    without = (
        "the commands of the headway.toml here are used, and only what it names and the files hold is masked"
    )
    nothing: tuple[Plan | None, Sequence[tuple[str | None, str]]] = (None, ())
    return known_here(settings, read, nothing, without=without)


def _there(
    server: "HeadwayClient",
    environment: str,
    wanted: bytes,
    age: timedelta,
    *,
    as_json: bool,
    follow: bool,
    **asked: Any,
) -> int:
    """By the server, from where it stands."""
    from headway.base.clock import SystemClock
    from headway.cli.server_hosts import FollowedTail, HostStream, tail_stream
    from headway.engine.projects import service_name

    service = service_name(Path.cwd())

    def ask(since: timedelta) -> HostStream:
        young = f"{max(1, round(since.total_seconds()))}s"
        return tail_stream(server, service, environment, follow=follow, since=young, **asked)

    if not follow:
        stream = ask(age)
        tail = _Tail(stream.tasks, wanted, asked["lines"], as_json)
        return tail.finish(environment, stream.play(tail.keep))
    tail = _Tail((), wanted, asked["lines"], as_json)

    def asked_anew(since: timedelta) -> HostStream:
        stream = ask(since)
        tail.name(stream.tasks)
        return stream

    following = FollowedTail(
        SystemClock(), asked_anew, tail.live, tail.trouble, tail.broke, patience=server.patience
    )
    try:
        following.follow(age)
    except (Cancelled, KeyboardInterrupt):
        pass  # following ends when its reader has seen enough
    return 0


async def _follow(
    settings: Settings, tasks: "Sequence[Task]", secrets: "Sequence[Secret]", tail: "_Tail"
) -> None:
    from headway.base.clock import SystemClock
    from headway.drivers.ssh.connections import Connections
    from headway.engine.hosts.remote_commands import Stage
    from headway.engine.hosts.service_logs import follow_tasks

    async with Connections(settings.ssh) as connections:
        await follow_tasks(Stage(connections, secrets, SystemClock(), tail.live), tasks, tail.trouble)


async def _once(
    settings: Settings, tasks: "Sequence[Task]", secrets: "Sequence[Secret]", tail: "_Tail", limit: timedelta
) -> "list[Outcome]":
    from headway.base.clock import SystemClock
    from headway.drivers.ssh.connections import Connections
    from headway.engine.hosts.remote_commands import Stage, run_tasks

    async with Connections(settings.ssh) as connections:
        stage = Stage(connections, secrets, SystemClock(), tail.keep, timeout=limit or None)
        return await run_tasks(stage, tasks)


class _Tail:
    """The lines of all hosts, on their way to the terminal or into one document."""

    def __init__(self, tasks: "Sequence[Task]", wanted: bytes, count: int, as_json: bool) -> None:
        self._wanted = wanted
        self._as_json = as_json
        self._kept: dict[int, deque[bytes]] = {id(task): deque(maxlen=count) for task in tasks}
        self.name(tasks)

    def name(self, tasks: "Sequence[Task]") -> None:
        """What is shown from now on is of these."""
        self._tasks = tasks
        # A host with several processes needs them told apart.
        several = len({task.process for task in tasks}) > 1
        self._names = {
            id(task): f"{task.host.name} {task.process}" if several else task.host.name for task in tasks
        }
        self._lines = HostLines(list(self._names.values()))

    def keep(self, task: "Task", line: bytes) -> None:
        if self._wanted in line:
            self._kept[id(task)].append(line)

    def live(self, task: "Task", line: bytes) -> None:
        if self._wanted not in line:
            return
        if self._as_json:
            text = line.removesuffix(b"\n").decode("utf-8", "replace")
            click.echo(json.dumps({"host": task.host.name, "process": task.process, "line": text}))
        else:
            self._lines.show(self._names[id(task)], line)

    def trouble(self, task: "Task", reason: str) -> None:
        echo(f"{self._names[id(task)]}: {reason}; trying again", err=True)

    def broke(self, error: HeadwayError) -> None:
        echo(f"{error.message}; asking again", err=True)

    def finish(self, environment: str, outcomes: "Sequence[Outcome]") -> int:
        """Shows what was kept, host by host; the exit code."""
        states = {outcome.state.value for outcome in outcomes}
        code = 3 if "errored" in states else 1 if "failed" in states else 0
        if self._as_json:
            emit_json(self._document(environment, outcomes, code))
            return code
        for task, outcome in zip(self._tasks, outcomes, strict=True):
            name = self._names[id(task)]
            for line in self._kept[id(task)]:
                self._lines.show(name, line)
            if outcome.state.value != "succeeded":
                echo(f"{name}: {styled(outcome.state.value)}: {outcome.reason}", err=True)
                if outcome.hint:
                    echo(f"  next: {outcome.hint}", err=True)
        return code

    def _document(self, environment: str, outcomes: "Sequence[Outcome]", code: int) -> dict[str, object]:
        hosts = [
            {
                "host": task.host.name,
                "process": task.process,
                "state": outcome.state.value,
                "reason": outcome.reason,
                "lines": [
                    line.removesuffix(b"\n").decode("utf-8", "replace") for line in self._kept[id(task)]
                ],
            }
            for task, outcome in zip(self._tasks, outcomes, strict=True)
        ]
        return {"environment": environment, "exit_code": code, "hosts": hosts}
