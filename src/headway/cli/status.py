"""`headway status`: what runs where, since when, by whom, and what goes on."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli.output import echo, emit_json, json_option, print_table, styled
from headway.cli.request_lines import show_request
from headway.cli.server_choice import local_option, server_for
from headway.engine.settings import Settings
from headway.wire.shapes_delivery import DeploymentDocument, EnvironmentDocument, StatusDocument

if TYPE_CHECKING:
    from headway.engine.deployments.hosts import HostStatus
    from headway.store.database import Database


@click.command()
@click.argument("environment", required=False)
@click.option("--from-hosts", is_flag=True, help="Ask the hosts themselves; changes nothing there.")
@local_option
@json_option
@click.pass_obj
def command(
    settings: Settings, *, environment: str | None, from_hosts: bool, local: bool, as_json: bool
) -> int:
    """What runs where, from the database or from the hosts themselves."""
    if from_hosts:
        return _from_hosts(settings, environment, local=local, as_json=as_json)
    from headway.engine.projects import service_name

    status = status_of(settings, service_name(Path.cwd()), environment, local=local)
    if environment is not None and _is_blank(status):
        # A name that was only typed wrong must not read as an environment without anything in it.
        from headway.engine.deployments.plan import environment_of
        from headway.engine.projects import find_project

        environment_of(find_project(Path.cwd()).contract, environment)
    if as_json:
        emit_json(status)
    else:
        _show(status)
    return 0


def status_of(
    settings: Settings, service: str, environment: str | None, *, local: bool = False
) -> StatusDocument:
    """As the server has it, or this machine's database."""
    if (server := server_for(settings, local=local)) is None:
        return _read(settings, service, environment)
    from headway.client.decode import typed
    from headway.client.http import segment

    found = server.get(f"/api/services/{segment(service)}/status", environment=environment)
    return typed(found, StatusDocument)


def _read(settings: Settings, service: str, environment: str | None) -> StatusDocument:
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.standing.status import read_status
    from headway.engine.views.documents import status_document
    from headway.store.database import open_database

    with open_database(settings.database_url, before=copy_first(settings), create=False) as database:
        return status_document(read_status(database, service, environment))


def _from_hosts(settings: Settings, environment: str | None, *, local: bool, as_json: bool) -> int:
    import asyncio
    from contextlib import nullcontext

    from headway.base.clock import SystemClock
    from headway.drivers.ssh.connections import Connections
    from headway.engine.deployments.hold import World
    from headway.engine.deployments.hosts import read_hosts
    from headway.engine.projects import find_project

    project = find_project(Path.cwd())

    database = _database_here(settings, local=local)

    async def read() -> "tuple[list[HostStatus], list[str]]":
        async with Connections(settings.ssh) as connections:
            world = World(settings, SystemClock(), connections)
            return await read_hosts(world, project, environment, database)

    with database or nullcontext():
        hosts, news = asyncio.run(read())
    service = project.contract.service.name
    if as_json:
        emit_json({"service": service, "hosts": [_host_document(host) for host in hosts], "news": news})
    else:
        _show_hosts(service, hosts)
        if news:
            echo(f"  the database here did not know that of {', '.join(news)}, and has it now")
    # A picture with holes is not the picture that was asked for.
    return 3 if any(host.error for host in hosts) else 0


def _database_here(settings: Settings, *, local: bool) -> "Database | None":
    """None where there is none, where it cannot be used, and where a server has it: that one asks the hosts itself."""
    from headway.base.errors import HeadwayError
    from headway.engine.keeping.upgrade import copy_first
    from headway.store.database import open_database

    try:
        if server_for(settings, local=local) is not None:
            return None
        return open_database(settings.database_url, before=copy_first(settings), create=False)
    except HeadwayError:
        # The hosts are asked because of that.
        return None


def _is_blank(status: StatusDocument) -> bool:
    return not status["requests"] and not any(
        found["live"] or found["unfinished"] or found["last"] for found in status["environments"]
    )


def _show(status: StatusDocument) -> None:
    echo(click.style(status["service"], bold=True))
    if not status["environments"]:
        echo("  nothing was deployed yet: headway deploy ENVIRONMENT")
    for environment in status["environments"]:
        _show_environment(environment)
    for request in status["requests"]:
        show_request(request)
    for run in status["runs"]:
        echo(f"  run {run['number']} of {run['commit'][:12]}: {styled(run['state'])}  {run['reason']}")


def _show_environment(environment: EnvironmentDocument) -> None:
    live, name, troubles = environment["live"], environment["name"], environment["troubles"]
    since = _since(environment)
    told = f", {since}" if since else ""
    if live is None:
        echo(
            f"  {name}: nothing is live"
            if environment["runs"] == "nothing"
            else f"  {name}: {environment['runs']}"
        )
    elif environment["is_whole"] or not environment["hosts"]:
        release = live["release"] if troubles else click.style(live["release"], fg="green")
        echo(
            f"  {name}: {release} (commit {live['commit'][:12]})"
            f"{told}, by {live['requested_by']}, deployment {live['number']}"
        )
    else:
        echo(f"  {name}: {click.style(environment['runs'], fg='yellow')}")
        echo(f"    {live['release']} is commit {live['commit'][:12]}{told}, deployment {live['number']}")
        _show_gone(environment)
    if troubles:
        said = "; ".join(one["sentence"] for one in troubles)
        echo(f"    {click.style('in trouble', fg='red' if troubles[0]['is_broken'] else 'yellow')}: {said}")
    if environment["hosts"]:
        echo(f"    {_asked(environment['asked_at'])}")
    for deployment in environment["unfinished"]:
        echo(f"    {_line(deployment)}")
        print_table(
            ["    host", "state", "since", "reason"],
            [
                [
                    f"    {row['host']}",
                    row["state"],
                    f"{row['switched_at']:%H:%M:%S}" if row["switched_at"] else "",
                    row["reason"],
                ]
                for row in deployment["hosts"]
            ],
        )
    if environment["last"] is not None:
        echo(f"    {_line(environment['last'])}")
    lock = environment["lock"]
    if lock is not None:
        alive = {True: "", False: " (its process is dead: the next deployment takes over)", None: ""}[
            lock["alive"]
        ]
        echo(
            f"    locked by {lock['user']} (process {lock['pid']}): {lock['reason']}, since {lock['since']}{alive}"
        )


def _since(environment: EnvironmentDocument) -> str:
    live = environment["live"]
    at = live and (live["verified_at"] or live["finished_at"])
    if at is None or live is None or not live["finished_at"]:
        stands = [one["since"] for one in environment["hosts"] if live and one["release"] == live["release"]]
        at = max((one for one in stands if one is not None), default=None)
    return f"since {at:%Y-%m-%d %H:%M} UTC" if at else ""


def _asked(at: datetime | None) -> str:
    return f"as its hosts said on {at:%Y-%m-%d at %H:%M} UTC" if at else "not all of its hosts were asked yet"


def _show_gone(environment: EnvironmentDocument) -> None:
    for host in environment["hosts"]:
        if not host["member"]:
            named = f"{environment['name']} {host['host']}"
            echo(
                f"    empty it: headway deployment empty {named}; "
                f"or, if it is gone for good: headway deployment forget {named}"
            )


def _line(found: DeploymentDocument) -> str:
    return f"deployment {found['number']} of {found['release']}: {styled(found['state'])}  {found['reason']}"


def _show_hosts(service: str, hosts: "list[HostStatus]") -> None:
    echo(click.style(service, bold=True))
    rows = []
    for host in hosts:
        notes = [
            *([host.error] if host.error else []),
            *host.in_the_way,
            *(["not finished"] if host.unfinished else []),
            *([f"locked by {host.lock}"] if host.lock else []),
            *([f"{len(host.going)} steps under way"] if host.going else []),
        ]
        rows.append(
            [
                f"  {host.environment}",
                host.host,
                host.release or "-",
                str(host.live.get("commit", ""))[:12],
                str(host.live.get("at", "")),
                str(host.live.get("by", "")),
                "; ".join(notes),
            ]
        )
    print_table(["  environment", "host", "release", "commit", "since", "by", ""], rows)


def _host_document(host: "HostStatus") -> dict[str, Any]:
    return {
        "environment": host.environment,
        "host": host.host,
        "release": host.release,
        "commit": host.live.get("commit"),
        "deployed": host.deployed,
        "unfinished": host.unfinished,
        "lock": host.lock,
        "going": list(host.going),
        "error": host.error,
        "in_the_way": list(host.in_the_way),
    }
