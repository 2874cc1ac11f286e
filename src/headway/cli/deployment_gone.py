"""`headway deployment empty` and `forget`: hosts that an environment does not name any more."""

import asyncio
from pathlib import Path

import click

from headway.cli.output import echo, emit_json, json_option
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings

_SAID = {
    "empty": "{host} is empty: {release} was ended and is no longer current there",
    "forget": "{host} is forgotten; what runs there ({release}) was left as it is",
}


def command_for(what: str, told: str) -> click.Command:
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


def _here(settings: Settings, what: str, service: str, environment: str, host: str) -> str | None:
    from headway.base.clock import SystemClock
    from headway.cli.accounts import owner
    from headway.engine.deployment_gone import empty_host, forget_host
    from headway.engine.upgrade import copy_first
    from headway.store.database import open_database

    actor, clock = owner(settings), SystemClock()
    with open_database(settings.database_url, before=copy_first(settings)) as database:
        if what == "forget":
            now = clock.now()
            return database.transact(
                lambda tx: forget_host(tx, actor, service, environment, host, now)
            ).release

        async def empty() -> str | None:
            from headway.drivers.ssh.connections import Connections
            from headway.engine.deployment_hold import World

            async with Connections(settings.ssh) as connections:
                world = World(settings, clock, connections)
                return (await empty_host(world, database, actor, service, environment, host)).release

        return asyncio.run(empty())
