"""`headway deployment empty` and `forget`: hosts that an environment does not name any more."""

import asyncio
from pathlib import Path
from typing import Literal

import click

from headway.cli.output import echo, emit_json, json_option
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings

_What = Literal["empty", "forget"]
_SAID = {
    "empty": "{host} is empty: {release} was ended and is no longer current there",
    "forget": "{host} is forgotten; what runs there ({release}) was left as it is",
}


def command_for(what: _What, told: str) -> click.Command:
    @click.command(what, help=told, short_help=told)
    @click.argument("environment")
    @click.argument("host")
    @local_option
    @json_option
    @click.pass_obj
    def gone(settings: Settings, *, environment: str, host: str, local: bool, as_json: bool) -> int:
        from headway.engine.projects import service_name

        service = service_name(Path.cwd())
        if (server := server_for(settings, local=local)) is not None:
            from headway.client.http import segment

            place = (
                f"/api/services/{segment(service)}/environments/{segment(environment)}/hosts/{segment(host)}"
            )
            release = server.post(f"{place}/{what}", {})["release"]
        else:
            release = _here(settings, what, service, environment, host)
        if as_json:
            emit_json({"host": host, "release": release})
        else:
            echo(_SAID[what].format(host=host, release=release))
        return 0

    return gone


def _here(settings: Settings, what: _What, service: str, environment: str, host: str) -> str | None:
    from headway.base.clock import SystemClock
    from headway.cli.accounts import owner
    from headway.drivers.ssh.connections import Connections
    from headway.engine.deployments.gone import end_gone
    from headway.engine.deployments.hold import World
    from headway.engine.keeping.upgrade import copy_first
    from headway.store.database import open_database

    async def end() -> str | None:
        async with Connections(settings.ssh) as connections:
            world = World(settings, SystemClock(), connections)
            known = await end_gone(world, database, owner(settings), service, environment, host, what)
            return known.release

    with open_database(settings.database_url, before=copy_first(settings)) as database:
        return asyncio.run(end())
