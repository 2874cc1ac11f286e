"""`headway demo`: the whole road on real parts, in about a minute."""

import io
import json
import sys
from pathlib import Path

import click


@click.command(
    help="Show the whole road on real parts, in about a minute: a git repository, three SSH hosts, users.\n\n"
    "A server is started, and pushes to it go their way by themselves: a commit that works, one whose tests fail, one "
    "that is bad on one host and is taken back, a kill -9 of the server half-way through a rollout, a repair, and the "
    "delivery metrics of it all. Everything runs on this machine's loopback in a folder of its own; nothing stays "
    "behind unless you say --keep."
)
@click.option(
    "--json", "as_json", is_flag=True, help="End with one JSON object; the story goes to standard error."
)
@click.option("--no-server", is_flag=True, help="The same road with commands alone, without a server.")
@click.option(
    "--keep",
    is_flag=True,
    help="Leave the folder to play with; a server stays on until Ctrl-C, to look around.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the world is laid: a new or empty folder. A temporary one if absent.",
)
@click.option(
    "--ssh",
    type=click.Choice(["openssh", "asyncssh"]),
    help="What the hosts run. OpenSSH if absent and installed, else asyncssh.",
)
@click.option("--resume-hosts", is_flag=True, help="Start the hosts of a kept --folder again, until Ctrl-C.")
def command(
    *, as_json: bool, no_server: bool, keep: bool, folder: Path | None, ssh: str | None, resume_hosts: bool
) -> int:
    from rich.console import Console

    from headway.demo.show import play_on, show
    from headway.demo.teller import Teller
    from headway.demo.world import check_machine

    check_machine()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no ● gets a question mark in its place, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    teller = Teller(Console(stderr=as_json, highlight=False))
    if resume_hosts:
        if folder is None:
            raise click.UsageError("--resume-hosts needs --folder DIR, the folder that was kept.")
        return play_on(teller, folder)

    def ended(document: dict[str, object]) -> None:
        if as_json:
            click.echo(json.dumps(document, indent=2))

    return show(teller, folder, ssh=ssh, keep=keep, server=not no_server, ended=ended)
