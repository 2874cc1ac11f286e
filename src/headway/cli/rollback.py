"""`headway rollback`: the last good release back, by a person's wish."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.errors import WrongUse
from headway.cli.output import json_option
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.client.http import HeadwayClient
    from headway.store.database import Database


@click.command()
@click.argument("environment")
@click.option(
    "--to",
    "target",
    metavar="R",
    help="A release that was good there; the last one before the live one if not said.",
)
@click.option("--direct", is_flag=True, help="With SSH alone: asks the hosts, needs no database.")
@click.option(
    "--without",
    multiple=True,
    metavar="HOST",
    help="Leave this host out, because it is away; may be repeated. status shows it until it has caught up.",
)
@click.option("--force", is_flag=True, help='Also past a `once` that is declared rollback = "incompatible".')
@click.option(
    "--wait/--no-wait", default=False, help="Wait for whoever holds the environment, or say so (exit 4)."
)
@local_option
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    environment: str,
    target: str | None,
    direct: bool,
    without: tuple[str, ...],
    force: bool,
    wait: bool,
    local: bool,
    as_json: bool,
) -> int:
    """Put the last good release back.

    An unfinished deployment goes back to what was before it. Needs more than half of the hosts; one that does not
    answer is not waited for and told at the end, one that is left out (--without) is not even tried. With --direct neither Headway's database nor its artifacts are needed: the hosts
    know what they had.
    """
    if not direct:
        with _else_direct(environment):
            server = server_for(settings, local=local)
            if server is not None:
                return _on_server(
                    server, environment, target, force=force, without=without, wait=wait, as_json=as_json
                )
    from headway.cli.deployment_session import play, without_options
    from headway.engine.deployment_hold import World
    from headway.engine.deployments import Deployments, Result
    from headway.engine.projects import find_project

    project = find_project(Path.cwd())
    again = [
        "rollback",
        environment,
        *(["--to", target] if target else []),
        *(["--direct"] if direct else []),
        *without_options(without),
    ]
    if direct:
        from headway.engine.deployment_direct import rollback_direct

        async def work_direct(world: World) -> Result:
            return await rollback_direct(world, project, environment, to=target, force=force, without=without)

        return play(
            settings,
            work_direct,
            environment=environment,
            again=again,
            wait=wait,
            as_json=as_json,
            going_back=True,
        )

    from headway.drivers.git import Git
    from headway.engine.deployment_rollback import rollback
    from headway.engine.upgrade import copy_first
    from headway.store.database import open_database

    git = Git(settings.environment, settings.mirrors)
    with (
        _else_direct(environment),
        open_database(settings.database_url, before=copy_first(settings), create=False) as database,
    ):
        full = _whole(database, project.contract.service.name, target) if target else None

        async def work(world: World) -> Result:
            deployments = Deployments(world, database, git, project)
            return await rollback(deployments, environment, to=full, force=force, without=without)

        return play(
            settings, work, environment=environment, again=again, wait=wait, as_json=as_json, going_back=True
        )


@contextmanager
def _else_direct(environment: str) -> Iterator[None]:
    """Whoever has to go back and finds no database or server is told first what goes without them."""
    from headway.client.errors import ServerUnreachable
    from headway.store.errors import DatabaseUnavailable, NoDatabase

    try:
        yield
    except (DatabaseUnavailable, NoDatabase, ServerUnreachable) as error:
        from headway.engine.deployment_rollback import go_direct

        error.hint = f"{go_direct(environment)}{f'; {error.hint}' if error.hint else ''}"
        raise


def _on_server(
    server: "HeadwayClient",
    environment: str,
    target: str | None,
    *,
    force: bool,
    without: Sequence[str],
    wait: bool,
    as_json: bool,
) -> int:
    from headway.cli import server_deploy
    from headway.engine.projects import service_name

    return server_deploy.roll_back(
        server,
        service=service_name(Path.cwd()),
        environment=environment,
        to=target,
        force=force,
        without=without,
        wait=wait,
        as_json=as_json,
    )


def _whole(database: "Database", service: str, text: str) -> str:
    """The whole id of the release that a beginning of it names; also of one whose artifacts are gone."""
    from headway.store.releases import releases_by_prefix

    prefix = text if text.startswith("rel-") else f"rel-{text}"
    found = database.read(lambda tx: releases_by_prefix(tx, service, prefix))
    if len(found) == 1:
        return found[0].id
    if not found:
        raise WrongUse(f"{service} has no release {text}", hint="headway release lists them")
    raise WrongUse(f"'{text}' may be {len(found)} releases of {service}", hint="type more of it")
