"""One call of `deploy` or `rollback`: the event loop, Ctrl-C and what it asks, the end of it."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import click

from headway.base.clock import SystemClock
from headway.base.errors import Cancelled, HeadwayError
from headway.cli.deployment_result import finish
from headway.cli.deployment_screen import Lines
from headway.deploy.rollout import Asked
from headway.drivers.ssh.connections import Connections
from headway.engine.deployments.hold import World
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.engine.deployments.deployments import Result


class GoOnWithoutMe(HeadwayError):
    """The person at the terminal leaves; another process of ours goes on."""


def without_options(hosts: Sequence[str]) -> list[str]:
    return [word for host in hosts for word in ("--without", host)]


def play(
    settings: Settings,
    work: "Callable[[World], Awaitable[Result]]",
    *,
    environment: str,
    again: Sequence[str],
    wait: bool,
    as_json: bool,
    going_back: bool = False,
) -> int:
    """Runs `work` to its end. `again` are the words of the command that goes on with it, should we leave.

    `going_back`: a deployment that was taken back is what was asked for, but not a rollback that was.
    """
    screen = Lines(err=as_json)
    try:
        result = asyncio.run(_run(settings, work, screen, environment=environment, wait=wait))
    except GoOnWithoutMe:
        return _leave(settings, again, screen, environment)
    except asyncio.CancelledError:
        raise Cancelled(
            f"left as it is: the step at hand ends by itself on its host, {environment} stays where it is",
            hint=f"headway {' '.join(again)} goes on with it; headway status {environment} shows it",
        ) from None
    return finish(result, as_json=as_json, going_back=going_back)


async def _run(
    settings: Settings,
    work: "Callable[[World], Awaitable[Result]]",
    screen: Lines,
    *,
    environment: str,
    wait: bool,
) -> "Result":
    async with Connections(settings.ssh) as connections:
        world = World(settings, SystemClock(), connections, watcher=screen, wait=wait)
        task = asyncio.ensure_future(work(world))

        async def question() -> Asked | None:
            """To whoever paused it: here at the terminal, or elsewhere (`headway deployment pause`) by the row."""
            told = world.interruption.told == Asked.PAUSE
            return await (world.interruption.until_told() if told else _ask(environment, screen))

        world.interruption.question = question

        def interrupted() -> None:
            if world.interruption.asked is None and world.interruption.armed:
                screen.say("\nfinishing the step at hand …  (Ctrl-C again leaves everything as it is)")
                world.interruption.ask(Asked.PAUSE)
            else:
                task.cancel()

        # SIGTERM and SIGHUP keep their way: they end this process like `kill -9`, and whoever comes next goes on.
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted)
        return await task


async def _ask(environment: str, screen: Lines) -> Asked:
    """The question of Ctrl-C. Asked in a thread of its own: the heartbeat goes on, and a second Ctrl-C need not wait."""
    if not sys.stdin.isatty():
        screen.say("no terminal to ask at: going back")
        return Asked.BACK
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[str] = loop.create_future()

    def take(answer: str) -> None:
        if not answered.done():
            answered.set_result(answer)

    def ask() -> None:
        try:
            answer = click.prompt(
                f"{environment}: go [b]ack, [s]tay as it is, go [o]n without me",
                type=click.Choice(["b", "s", "o"]),
                show_choices=False,
                err=True,
            )
        except (click.Abort, EOFError):
            answer = "b"
        loop.call_soon_threadsafe(take, answer)

    threading.Thread(target=ask, daemon=True, name="headway-question").start()
    match await answered:
        case "s":
            return Asked.STAY
        case "o":
            raise GoOnWithoutMe("goes on without this terminal")
    return Asked.BACK


def _leave(settings: Settings, again: Sequence[str], screen: Lines, environment: str) -> int:
    """Another process, of its own session, takes over once this one is gone."""
    folder = settings.logs / "deployments"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = folder / f"{environment}-{SystemClock().now():%Y%m%dT%H%M%S}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "headway", *again, "--wait"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    screen.say(
        f"process {process.pid} goes on; its words are in {log}; headway status {environment} shows it"
    )
    return 0
