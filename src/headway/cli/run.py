"""`headway run`: the pipeline of this commit, or of the tree as it is."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.errors import WrongUse
from headway.cli.here import service_here
from headway.cli.output import json_option
from headway.cli.server_choice import local_option, needed_server, server_for
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.cli import server_run
    from headway.client.http import HeadwayClient

_CANCEL_ALONE = "--cancel stops a run; it goes with no --job, no --parameter, no --rerun and no --fail-fast"


@click.command()
@click.option(
    "--job", "only", multiple=True, metavar="NAME", help="Only this job and what it needs; may be repeated."
)
@click.option(
    "--parameter",
    "-p",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="A value of [parameters]; may be repeated. The others have their defaults.",
)
@click.option("--fail-fast", is_flag=True, help="The first job that fails stops the others.")
@click.option(
    "--jobs",
    "-j",
    "limit",
    type=click.IntRange(1, 1000),
    help="Jobs at the same time; the number of cores if not said.",
)
@click.option(
    "--cancel", "cancelled", metavar="RUN", help="Stop this run (a number, an id, or 'last') and run nothing."
)
@click.option(
    "--server", "insists", is_flag=True, help="On a server; what it lacks of the tree is sent to it (a try)."
)
@click.option(
    "--rerun", "repeats", is_flag=True, help="On a server: repeat the commit's last run, with its parameters."
)
@local_option
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    only: tuple[str, ...],
    given: tuple[str, ...],
    repeats: bool,
    fail_fast: bool,
    limit: int | None,
    cancelled: str | None,
    insists: bool,
    local: bool,
    as_json: bool,
) -> int:
    """Run the pipeline of this commit, or of the tree as it is.

    A tree with uncommitted changes is run as it stands now, is marked dirty, and makes no release. Called again on
    the same tree while a run of it goes on, it looks on; if that run's process is gone, it goes on in its place.

    Ctrl-C cancels the run. SIGTERM, SIGHUP and a closed terminal leave it as it is: its jobs go on, and the next
    `headway run` here takes it up.

    With a server (HEADWAY_SERVER, or one that runs on this data folder) a clean commit of one of its branches is run
    there, anew also where it was run before (--rerun repeats that run); one whose run goes on is looked on at, unless
    --parameter or --job ask for another: those always make a new run there. Anything else is tried there: what the
    server lacks is sent, and no release is made of it.
    """
    from headway.engine.runs.wishes import read_given

    values = read_given(given)
    if insists and local:
        raise WrongUse("--server and --local say the opposite of each other")
    server = needed_server(settings) if insists else server_for(settings, local=local)
    if server is not None:
        from headway.cli.server_run import Wanted

        wanted = Wanted(only, values, repeats=repeats, fail_fast=fail_fast)
        return _on_server(server, settings, wanted, limit, cancelled, as_json=as_json)
    if repeats:
        raise WrongUse("--rerun is for a server: here each run is a new one", hint="headway run --help")
    # All imports come before the run is begun: it is timed from there.
    from headway.cli.run_session import Session
    from headway.engine.runs.runs import Wish, begin, open_tools

    if cancelled is not None:
        if only or values or fail_fast:
            raise WrongUse(_CANCEL_ALONE)
        return _cancel(settings, cancelled, as_json=as_json)
    from headway.engine.projects import find_project

    project = find_project(Path.cwd())
    tools = open_tools(settings)
    try:
        source = tools.git.inspect(project.root)
        begun = begin(tools, project.contract, source, Wish(only, values, fail_fast))
        return Session(tools, begun, project, limit=limit or _cores(), as_json=as_json, quiet=as_json).play()
    finally:
        tools.database.close()


def _on_server(
    server: "HeadwayClient",
    settings: Settings,
    wanted: "server_run.Wanted",
    limit: int | None,
    cancelled: str | None,
    *,
    as_json: bool,
) -> int:
    from headway.cli import server_run

    if limit is not None:
        raise WrongUse("--jobs is for this machine; a server has its slots", hint="or run it here: --local")
    if cancelled is not None:
        if wanted != server_run.Wanted():
            raise WrongUse(_CANCEL_ALONE)
        return server_run.cancel(server, settings, cancelled, service_here(), as_json=as_json)
    return server_run.run(server, settings, wanted, as_json=as_json)


def _cancel(settings: Settings, text: str, *, as_json: bool) -> int:
    from headway.cli.run_session import Session
    from headway.engine.runs.runs import find_run, open_tools, request_cancel

    tools = open_tools(settings, create=False)
    try:
        run = find_run(tools.database, text, service_here())
        if run.state.is_final:
            raise WrongUse(
                f"run {run.number} of {run.service} has ended already: {run.state}",
                hint=f"headway logs {run.number} shows it",
            )
        begun = request_cancel(tools, run)
        code = Session(tools, begun, None, limit=1, as_json=as_json, quiet=True, cancels=True).play()
        # That it was cancelled is what was asked for.
        return 0 if code == 130 else code
    finally:
        tools.database.close()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)
