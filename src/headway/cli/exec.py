"""`headway exec`: one command on many hosts."""

import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli.here import service_here
from headway.cli.host_lines import HostLines, as_text, run_interruptibly, seconds
from headway.cli.known_here import known_here
from headway.cli.output import echo, emit_json, json_option, styled
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.client.http import HeadwayClient
    from headway.engine.hosts.remote_commands import Outcome, Task
    from headway.store.database import Transaction

#: Somebody waits at a terminal: a host that does not answer is given up sooner than in a deployment.
_CONNECT_WITHIN = 8.0


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--hosts",
    "-H",
    "selectors",
    multiple=True,
    required=True,
    metavar="SELECTOR",
    help="A host's name, group:NAME or label:NAME=VALUE; several with commas or by repeating.",
)
@click.option(
    "--user", metavar="NAME", help="Sign in as this user, whatever headway.toml and the ssh config say."
)
@click.option(
    "--parallel", type=click.IntRange(1, 1000), default=64, show_default=True, help="Hosts at once."
)
@click.option(
    "--timeout",
    default="60s",
    show_default=True,
    metavar="DURATION",
    help="End the command on a host after this; 0s waits for ever.",
)
@click.option("--pty", is_flag=True, help="Give the command a terminal.")
@click.option("--merge", is_flag=True, help="Wait for all, then show equal outputs once with their hosts.")
@local_option
@json_option
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENT]...")
@click.pass_obj
def command(
    settings: Settings,
    *,
    selectors: tuple[str, ...],
    user: str | None,
    parallel: int,
    timeout: str,
    pty: bool,
    merge: bool,
    local: bool,
    as_json: bool,
    words: tuple[str, ...],
) -> int:
    """Run one command on many hosts.

    The words reach the program exactly as they are; for pipes and variables of the hosts' own shell write
    sh -c 'COMMAND'. Standard input is empty. Lines come as they are printed, each with its host before it; secrets
    of the service are masked. Ctrl-C ends the command on all hosts.

    Exit code: 0 all succeeded, 1 some failed, 3 some host was not reached.
    """
    limit = seconds(timeout, "--timeout")
    quiet = merge or as_json
    if (server := server_for(settings, local=local)) is not None:
        body = {
            "hosts": list(selectors),
            "command": list(words),
            # None outside of any service: then the server's own hosts are meant.
            "service": service_here(),
            "user": user,
            "parallel": parallel,
            "timeout": limit,
            "pty": pty,
        }
        outcomes, lines = _there(server, body, quiet=quiet)
    else:
        asked = _Asked(selectors, words, user, parallel, limit, pty)
        outcomes, lines = _here(settings, asked, quiet=quiet)
    code = _exit_code(outcomes)
    if as_json:
        emit_json(_document(words, outcomes, code))
        return code
    if merge:
        _show_merged(outcomes, lines)
    _sum_up(outcomes)
    return code


@dataclasses.dataclass(frozen=True)
class _Asked:
    selectors: tuple[str, ...]
    words: tuple[str, ...]
    user: str | None
    parallel: int
    #: Seconds; 0: for ever.
    limit: float
    pty: bool


def _here(settings: Settings, asked: _Asked, *, quiet: bool) -> "tuple[list[Outcome], HostLines]":
    """From this machine, by SSH."""
    from headway.domain.selection import select_hosts
    from headway.engine.hosts.remote_commands import Task, known_secrets
    from headway.engine.repositories.host_book import read_host_book

    book = read_host_book(Path.cwd())
    without = "only the secrets that headway.toml names and those in files are masked"
    stored: Sequence[tuple[str | None, str]] = known_here(
        settings, lambda tx: _named(tx, book.service), (), without=without
    )
    selected = [part for text in asked.selectors for part in text.split(",") if part.strip()]
    hosts = select_hosts(book, selected)
    if asked.user is not None:
        hosts = tuple(dataclasses.replace(host, user=asked.user) for host in hosts)
    tasks = [Task(host, asked.words) for host in hosts]
    lines = HostLines([host.name for host in hosts])

    def on_line(task: "Task", line: bytes) -> None:
        if not quiet:
            lines.show(task.host.name, line)

    async def work() -> "list[Outcome]":
        from headway.base.clock import SystemClock
        from headway.drivers.ssh.connections import Connections
        from headway.engine.hosts.remote_commands import Stage, run_tasks

        patience = dataclasses.replace(settings.ssh, connect_within=_CONNECT_WITHIN)
        async with Connections(patience) as connections:
            stage = Stage(
                connections,
                known_secrets(book, settings, stored=stored),
                SystemClock(),
                on_line,
                pty=asked.pty,
                timeout=timedelta(seconds=asked.limit) if asked.limit else None,
            )
            return await run_tasks(stage, tasks, parallel=asked.parallel)

    return run_interruptibly(work(), "cancelled: the command was ended on the hosts"), lines


def _named(tx: "Transaction", service: str) -> Sequence[tuple[str | None, str]]:
    from headway.engine.deployments.named_secrets import named_secrets

    return named_secrets(tx, service)


def _there(
    server: "HeadwayClient", body: dict[str, Any], *, quiet: bool
) -> "tuple[list[Outcome], HostLines]":
    """By the server, from where it stands."""
    from headway.cli.server_hosts import exec_stream

    stream = exec_stream(server, body)
    lines = HostLines([task.host.name for task in stream.tasks])

    def on_line(task: "Task", line: bytes) -> None:
        if not quiet:
            lines.show(task.host.name, line)

    return stream.play(on_line), lines


def _exit_code(outcomes: "Sequence[Outcome]") -> int:
    states = {outcome.state.value for outcome in outcomes}
    return 3 if "errored" in states else 1 if "failed" in states else 0


def _document(words: Sequence[str], outcomes: "Sequence[Outcome]", code: int) -> dict[str, object]:
    from headway.engine.hosts.remote_commands import merged

    return {
        "command": [word.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for word in words],
        "exit_code": code,
        "hosts": [
            {
                "host": outcome.host,
                "state": outcome.state.value,
                "exit_code": outcome.exit_code,
                "signal": outcome.signal,
                "reason": outcome.reason,
                **as_text(outcome.output),
                "dropped_bytes": outcome.dropped,
                "seconds": round(outcome.duration.total_seconds(), 3),
            }
            for outcome in outcomes
        ],
        "same": [list(group.hosts) for group in merged(outcomes)],
    }


def _show_merged(outcomes: "Sequence[Outcome]", lines: HostLines) -> None:
    from headway.engine.hosts.remote_commands import merged

    for group in merged(outcomes):
        outcome = group.outcome
        count = f"{len(group.hosts)} hosts" if len(group.hosts) > 1 else "1 host"
        echo(click.style(f"── {', '.join(group.hosts)} ({count}): {outcome.reason}", bold=True))
        for line in outcome.output.splitlines():
            click.echo(lines.safe(line) + b"\n", nl=False)


def _sum_up(outcomes: "Sequence[Outcome]") -> None:
    """Who failed, who was not reached, and who says something else than most; on standard error."""
    from headway.engine.hosts.remote_commands import merged

    width = max(len(outcome.host) for outcome in outcomes)
    good = [outcome for outcome in outcomes if outcome.state.value == "succeeded"]
    groups = merged(good)
    several = f"{len(outcomes)} hosts" if len(outcomes) > 1 else outcomes[0].host
    if len(good) == len(outcomes):
        same = ", all with the same output" if len(groups) == 1 and len(outcomes) > 1 else ""
        echo(f"{several}: {styled('succeeded')}{same}", err=True)
    elif len(outcomes) > 1:
        echo(f"{several}: {len(good)} succeeded, {len(outcomes) - len(good)} did not", err=True)
    for outcome in outcomes:
        if outcome.state.value != "succeeded":
            padding = " " * (len("succeeded") - len(outcome.state.value))
            echo(
                f"  {styled(outcome.state.value)}{padding} {outcome.host:<{width}}  {outcome.reason}",
                err=True,
            )
    for hint in dict.fromkeys(outcome.hint for outcome in outcomes if outcome.hint):
        echo(f"  next: {hint}", err=True)
    if len(groups) > 1 and len(groups[0].hosts) > len(good) / 2:
        others = [host for group in groups[1:] for host in group.hosts]
        echo(
            f"  differs: {', '.join(others)} printed something else than the other {len(groups[0].hosts)}",
            err=True,
        )
