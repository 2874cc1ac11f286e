"""`headway deployment rename`: an environment that has another name in headway.toml keeps what it has."""

import asyncio
import sys
from pathlib import Path

import click

from headway.base.errors import WrongUse
from headway.cli.output import echo, emit_json, json_option
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings


@click.command(
    "rename", short_help="Give OLD's roots, hosts and history to NEW, as headway.toml calls it now."
)
@click.argument("old")
@click.argument("new")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask first.")
@local_option
@json_option
@click.pass_obj
def command(settings: Settings, *, old: str, new: str, is_sure: bool, local: bool, as_json: bool) -> int:
    """Give OLD's roots, hosts and history to NEW, as headway.toml calls it now.

    Rename it in headway.toml first (on a server: on the default branch). Every host has to answer. Its secrets stay
    under the old name: set them anew with headway secret set.
    """
    from headway.engine.projects import service_name

    service = service_name(Path.cwd())
    what = f"{old} of {service} becomes {new}: its roots on the hosts, what stands there, and its history"
    if not is_sure:
        if as_json or not sys.stdin.isatty():
            raise WrongUse(f"{what}; nothing was done", hint="say --yes to do it")
        click.confirm(f"{what}. Do it?", abort=True, err=True)
    if (server := server_for(settings, local=local)) is not None:
        from headway.client.http import segment

        place = f"/api/services/{segment(service)}/environments/{segment(old)}"
        hosts = server.post(f"{place}/rename", {"to": new})["hosts"]
    else:
        hosts = list(_here(settings, old, new))
    if as_json:
        emit_json({"environment": new, "before": old, "hosts": hosts})
    else:
        echo(f"{old} is {new} now, on {', '.join(hosts)}")
    return 0


def _here(settings: Settings, old: str, new: str) -> tuple[str, ...]:
    from headway.base.clock import SystemClock
    from headway.cli.accounts import owner
    from headway.drivers.ssh.connections import Connections
    from headway.engine.deployments.hold import World
    from headway.engine.deployments.rename import rename_environment
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.projects import find_project
    from headway.store.database import open_database

    contract = find_project(Path.cwd()).contract

    with open_database(settings.database_url, before=copy_first(settings)) as database:

        async def rename() -> tuple[str, ...]:
            async with Connections(settings.ssh) as connections:
                world = World(settings, SystemClock(), connections)
                return await rename_environment(world, database, owner(settings), contract, old=old, new=new)

        return asyncio.run(rename())
