"""`headway request`: what stands at the gates of environments, and what people say to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headway.base.errors import WrongUse
from headway.base.near import nearest
from headway.cli.output import echo, emit_json, json_option, styled
from headway.cli.request_lines import show_request
from headway.cli.server_choice import local_option, needed_server
from headway.engine.settings import Settings
from headway.wire.shapes_delivery import RequestDocument, WholeRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from headway.client.http import HeadwayClient

F = TypeVar("F", bound="Callable[..., Any]")


def service_option(function: F) -> F:
    return click.option(
        "--service", metavar="NAME", help="The one of this folder's headway.toml, if not said."
    )(function)


def comment_option(function: F) -> F:
    return click.option(
        "--comment", metavar="TEXT", default="", help="Others read it on its page and in the audit."
    )(function)


@click.group()
def command() -> None:
    """Requests for deployments: what waits at a gate, what was refused and why, and your word to it.

    REQUEST is an id, the beginning of one, or the environment in which one waits.
    """


@command.command("list")
@click.argument("environment", required=False)
@service_option
@click.option("--all", "everywhere", is_flag=True, help="What waits of any service; needs a server.")
@local_option
@json_option
@click.pass_obj
def list_(
    settings: Settings,
    *,
    environment: str | None,
    service: str | None,
    everywhere: bool,
    local: bool,
    as_json: bool,
) -> int:
    """List what waits, and what was refused last with nothing asked for or deployed there since."""
    if everywhere:
        found = _all_waiting(needed_server(settings), environment)
    else:
        found = _of_service(settings, service or _service_here(), environment, local=local)
    if as_json:
        emit_json({"requests": found})
        return 0
    for one in found:
        show_request(one, indent="")
    if not found:
        echo("nothing waits at a gate", err=True)
    return 0


@command.command("show")
@click.argument("request")
@service_option
@json_option
@click.pass_obj
def show(settings: Settings, *, request: str, service: str | None, as_json: bool) -> int:
    """Show one request: what is in its way, and what people said."""
    server = needed_server(settings)
    found = _whole(server, _find(server, service, request))
    if as_json:
        emit_json({"request": found})
        return 0
    show_request(found, indent="")
    echo(f"  commit {found['commit'][:12]}, since {found['requested_at']:%Y-%m-%d %H:%M} UTC")
    if found["state"] == "waiting":
        echo(f"  it is over on {found['expires_at']:%Y-%m-%d %H:%M} UTC, if nobody lets it pass")
    for said in found["approvals"]:
        word = styled("approved") if said["yes"] else styled("refused")
        comment = f": {said['comment']}" if said["comment"] else ""
        until = f", counts until {said['expires_at']:%Y-%m-%d %H:%M} UTC" if said["yes"] else ""
        echo(f"  {word} by {said['person']} at {said['at']:%Y-%m-%d %H:%M} UTC{until}{comment}")
    return 0


@command.command("approve")
@click.argument("request")
@service_option
@comment_option
@json_option
@click.pass_obj
def approve(settings: Settings, *, request: str, service: str | None, comment: str, as_json: bool) -> int:
    """Say yes to a request. It begins when nothing else stands in its way."""
    return _say(settings, service, request, "approve", {"yes": True, "comment": comment}, as_json=as_json)


@command.command("refuse")
@click.argument("request")
@service_option
@comment_option
@json_option
@click.pass_obj
def refuse(settings: Settings, *, request: str, service: str | None, comment: str, as_json: bool) -> int:
    """Say no to a request, which ends it, whoever else approved it."""
    return _say(settings, service, request, "approve", {"yes": False, "comment": comment}, as_json=as_json)


@command.command("withdraw")
@click.argument("request")
@service_option
@comment_option
@json_option
@click.pass_obj
def withdraw(settings: Settings, *, request: str, service: str | None, comment: str, as_json: bool) -> int:
    """Take a request back that waits. Nothing was deployed by it."""
    return _say(settings, service, request, "withdraw", {"reason": comment}, as_json=as_json)


def _say(
    settings: Settings, service: str | None, request: str, word: str, body: dict[str, Any], *, as_json: bool
) -> int:
    from headway.client.decode import typed
    from headway.client.http import segment

    server = needed_server(settings)
    id = _find(server, service, request)
    found = typed(server.post(f"/api/requests/{segment(id)}/{word}", body), RequestDocument)
    if as_json:
        emit_json({"request": found})
    else:
        show_request(found, indent="")
    return 0


def _service_here() -> str:
    from headway.engine.projects import service_name

    return service_name(Path.cwd())


def _of_service(
    settings: Settings, service: str, environment: str | None, *, local: bool
) -> list[RequestDocument]:
    from headway.cli.status import status_of

    return status_of(settings, service, environment, local=local)["requests"]


def _all_waiting(server: "HeadwayClient", environment: str | None) -> list[RequestDocument]:
    from headway.client.decode import typed

    found = typed(server.get("/api/requests")["items"], list[RequestDocument])
    return [one for one in found if environment in (None, one["environment"])]


def _find(server: "HeadwayClient", service: str | None, text: str) -> str:
    """The id of what is meant. Raises WrongUse."""
    from headway.client.decode import typed

    if service is None and text.startswith("req-"):
        # It may be of any service, and waits, most of the time.
        waiting = typed(server.get("/api/requests")["items"], list[RequestDocument])
        started = [one["id"] for one in waiting if one["id"].startswith(text)]
        if len(started) == 1:
            return started[0]
    name = service or _service_here()
    found = typed(server.get("/api/requests", service=name)["items"], list[RequestDocument])
    there = [one for one in found if one["environment"] == text]
    meant = [one["id"] for one in there if one["state"] == "waiting"] or [one["id"] for one in there[:1]]
    meant = meant or [one["id"] for one in found if one["id"].startswith(f"req-{text.removeprefix('req-')}")]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise WrongUse(f"'{text}' may be {len(meant)} requests of {name}", hint="type more of it")
    near = nearest(text, {one["environment"] for one in found})
    hint = f"did you mean {near}? headway request list shows all" if near else "headway request list"
    raise WrongUse(f"{name} has no request '{text}'", hint=hint)


def _whole(server: "HeadwayClient", id: str) -> WholeRequest:
    from headway.client.decode import typed
    from headway.client.http import segment

    return typed(server.get(f"/api/requests/{segment(id)}"), WholeRequest)
