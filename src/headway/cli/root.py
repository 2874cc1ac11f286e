"""The command group. Commands are imported when they are called: `headway --help` must not pay for asyncssh."""

import contextlib
import importlib
import json
import os
import pwd
import traceback
from collections.abc import Callable, Sequence
from getpass import getuser
from pathlib import Path

import click

from headway import __version__
from headway.base.errors import Errored, HeadwayError, wants_room
from headway.cli.output import echo
from headway.engine.settings import Settings

#: Command -> (module, the line in `headway --help`). The function in the module is called `command`.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("headway.cli.init", "Look at this project and write a headway.toml that runs."),
    "check": ("headway.cli.check", "Check headway.toml, all faults at once; with --hosts the hosts too."),
    "run": ("headway.cli.run", "Run the pipeline of this commit, or of the tree as it is."),
    "release": ("headway.cli.release", "List releases, or add one that another system built."),
    "deploy": ("headway.cli.deploy", "Deploy a release to an environment, host after host."),
    "request": (
        "headway.cli.request",
        "What waits at a gate, what was refused and why; approve, refuse, withdraw.",
    ),
    "rollback": ("headway.cli.rollback", "Put the last good release back."),
    "deployment": (
        "headway.cli.deployment",
        "Pause, stop or take back what goes on; record what another system deployed.",
    ),
    "status": ("headway.cli.status", "What runs where, from the database or from the hosts themselves."),
    "logs": ("headway.cli.logs", "The log of a run or of one of its jobs."),
    "tail": ("headway.cli.tail", "The service's own log, on all hosts of an environment."),
    "exec": ("headway.cli.exec", "Run one command on many hosts."),
    "metrics": ("headway.cli.metrics", "The five delivery metrics, with what they rest on."),
    "backup": ("headway.cli.backup", "Write the whole state into one file, while everything goes on."),
    "restore": ("headway.cli.restore", "Restore a backup into an empty place."),
    "export": ("headway.cli.export", "Write everything in open formats."),
    "secret": ("headway.cli.secret", "Store the values that jobs and environments name, encrypted."),
    "repository": ("headway.cli.repository", "Repositories that the server takes pushes from."),
    "webhook": ("headway.cli.webhook", "Programs that the server tells what happens."),
    "people": ("headway.cli.people", "Who may sign in to the server, and what they may do."),
    "token": ("headway.cli.token", "Tokens for programs that use the server."),
}


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from headway.base.near import nearest

            near = nearest(args[0], COMMANDS)
            meant = f" Did you mean '{near}'?" if near else ""
            ctx.fail(f"'{args[0]}' is not a headway command.{meant}")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="headway")
def headway() -> None:
    """One thread from a git commit to production, and back."""


def run_command_line(arguments: Sequence[str], settings: Callable[[], Settings]) -> int:
    """The exit code of one call; errors become one message on standard error (and one JSON object with --json)."""
    try:
        read = settings()
        # https://no-color.org; None: colours where a terminal looks.
        color = False if read.environment.get("NO_COLOR") else None
        answer = headway.main(
            list(arguments), prog_name="headway", standalone_mode=False, obj=read, color=color
        )
        return answer if isinstance(answer, int) else 0
    except SystemExit:
        # Only Click leaves this way, when the reader of our output is gone (`headway logs | head`): commands
        # return their exit codes. It has silenced the streams already, and nobody is left to tell.
        return 0
    except Exception as error:
        return _code_of(error, as_json="--json" in arguments)


def _code_of(error: Exception, *, as_json: bool) -> int:
    """The exit code that fits what ended the call, and its message."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort():
            return 130
        case click.ClickException():
            if as_json:
                _emit_error(error.format_message(), None, error.exit_code)
            error.show()
            return error.exit_code
        case HeadwayError() | OSError():
            named = error if isinstance(error, HeadwayError) else _of_the_machine(error)
            show_error(named, as_json=as_json)
            return named.exit_code
        case _:
            # Nothing a user did should end here: keep the whole trace, and the exit code of a failing platform.
            traceback.print_exception(error)
            echo("headway: this is a fault in Headway itself; the lines above say where", err=True)
            return Errored.exit_code


def _of_the_machine(error: OSError) -> Errored:
    """A refusal of the operating system that no driver gave a name to: the file and the cause, without a trace."""
    place = f"{error.filename}: " if error.filename else ""
    if wants_room(error):
        return Errored(
            f"{place}the disk is full",
            hint="make room and call the same command again; it goes on where it stood",
        )
    hint = _owner_of(error.filename) if isinstance(error, PermissionError) and error.filename else None
    if hint:
        return Errored(f"{error.filename} may not be opened by {getuser()}", hint=hint)
    return Errored(f"{place}{error.strerror or error}")


def _owner_of(file: str | bytes) -> str | None:
    """As whom to call it again: whoever the file, or the folder that is closed to us, belongs to."""
    for place in (Path(os.fsdecode(file)), *Path(os.fsdecode(file)).parents):
        with contextlib.suppress(OSError, KeyError):
            if (found := place.stat()).st_uid != os.geteuid():
                owner = pwd.getpwuid(found.st_uid).pw_name
                return f"{place} is {owner}'s; call it as that user: sudo -u {owner} headway …"
            return None
    return None


def show_error(error: HeadwayError, *, as_json: bool) -> None:
    if as_json:
        _emit_error(error.message, error.hint, error.exit_code)
    echo(f"headway: {error.message}", err=True)
    if error.hint:
        echo(f"  next: {error.hint}", err=True)


def _emit_error(message: str, hint: str | None, exit_code: int) -> None:
    # Where there is no room for the answer there is none for this; standard error still tells.
    with contextlib.suppress(OSError):
        click.echo(json.dumps({"error": {"message": message, "hint": hint, "exit_code": exit_code}}))
