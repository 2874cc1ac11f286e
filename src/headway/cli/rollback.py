"""`headway rollback`: the last good release back, by a person's wish."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.errors import WrongUse
from headway.cli.output import json_option
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.client.http import HeadwayClient
    from headway.engine.deployments.deployments import Result
    from headway.engine.deployments.hold import World
    from headway.engine.projects import Project
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
    asked = _Asked(
        environment=environment,
        target=target,
        direct=direct,
        without=without,
        force=force,
        wait=wait,
        as_json=as_json,
    )
    if not direct:
        with _else_direct(environment):
            if (server := server_for(settings, local=local)) is not None:
                return _on_server(server, asked)
    from headway.engine.projects import find_project

    project = find_project(Path.cwd())
    return _direct(settings, project, asked) if direct else _here(settings, project, asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line asks for."""

    environment: str
    #: A release in any of its ways; None: the last good one before what is live.
    target: str | None
    direct: bool
    without: tuple[str, ...]
    force: bool
    wait: bool
    as_json: bool


def _on_server(server: "HeadwayClient", asked: _Asked) -> int:
    from headway.cli import server_deploy
    from headway.engine.projects import service_name

    return server_deploy.roll_back(
        server,
        service=service_name(Path.cwd()),
        environment=asked.environment,
        to=asked.target,
        force=asked.force,
        without=asked.without,
        wait=asked.wait,
        as_json=asked.as_json,
    )


def _direct(settings: Settings, project: "Project", asked: _Asked) -> int:
    from headway.engine.deployments.direct import rollback_direct

    async def work(world: "World") -> "Result":
        return await rollback_direct(
            world, project, asked.environment, to=asked.target, force=asked.force, without=asked.without
        )

    return _play(settings, work, asked)


def _here(settings: Settings, project: "Project", asked: _Asked) -> int:
    from headway.drivers.git import Git
    from headway.engine.deployments.deployments import Deployments
    from headway.engine.deployments.rollback import rollback
    from headway.engine.keeping.upgrade import copy_first
    from headway.store.database import open_database

    git = Git(settings.environment, settings.mirrors)
    with (
        _else_direct(asked.environment),
        open_database(settings.database_url, before=copy_first(settings), create=False) as database,
    ):
        service = project.contract.service.name
        full = _whole(database, service, asked.target) if asked.target else None

        async def work(world: "World") -> "Result":
            deployments = Deployments(world, database, git, project)
            return await rollback(
                deployments, asked.environment, to=full, force=asked.force, without=asked.without
            )

        return _play(settings, work, asked)


def _play(settings: Settings, work: "Callable[[World], Awaitable[Result]]", asked: _Asked) -> int:
    from headway.cli.deployment_session import play, without_options

    again = [
        "rollback",
        asked.environment,
        *(["--to", asked.target] if asked.target else []),
        *(["--direct"] if asked.direct else []),
        *without_options(asked.without),
    ]
    return play(
        settings,
        work,
        environment=asked.environment,
        again=again,
        wait=asked.wait,
        as_json=asked.as_json,
        going_back=True,
    )


@contextmanager
def _else_direct(environment: str) -> Iterator[None]:
    """Whoever has to go back and finds no database or server is told first what goes without them."""
    from headway.client.errors import ServerUnreachable
    from headway.store.errors import DatabaseUnavailable, NoDatabase

    try:
        yield
    except (DatabaseUnavailable, NoDatabase, ServerUnreachable) as error:
        from headway.engine.deployments.rollback import go_direct

        error.hint = f"{go_direct(environment)}{f'; {error.hint}' if error.hint else ''}"
        raise


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
