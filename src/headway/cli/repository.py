"""`headway repository`: what the server takes pushes from, and what to set at the forge. Needs a server."""

import re
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from headway.base.errors import HeadwayError, WrongUse
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.cli.server_choice import needed_server
from headway.domain.intake import ForgeKind
from headway.engine.settings import Settings
from headway.wire.shapes_server import RepositoryDocument

if TYPE_CHECKING:
    from headway.client.http import HeadwayClient

_FORGES = [str(forge) for forge in ForgeKind if forge is not ForgeKind.HEADWAY]
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/:@]+@[^/:]+:|/")
_LONGEST_TOKEN = 4096


@click.group()
def command() -> None:
    """Repositories that the server takes pushes from."""


@command.command("add")
@click.argument("address", metavar="URL|NAME")
@click.option("--name", metavar="NAME", help="What people type: shop, team/shop; by the URL if not said.")
@click.option("--forge", type=click.Choice(_FORGES), help="By the URL if not said.")
@click.option(
    "--token-stdin",
    is_flag=True,
    help="Read the forge's token from standard input, or be asked for it at a terminal.",
)
@click.option("--ssh-key-file", type=click.Path(path_type=Path), metavar="FILE", help="A private key.")
@click.option(
    "--poll", type=click.IntRange(0, 86_400), metavar="SECONDS", help="How often to look; 0: never."
)
@click.option("--branch", metavar="NAME", help="The default branch; as the repository says, if not said.")
@json_option
@click.pass_obj
def add(
    settings: Settings,
    *,
    address: str,
    name: str | None,
    forge: str | None,
    token_stdin: bool,
    ssh_key_file: Path | None,
    poll: int | None,
    branch: str | None,
    as_json: bool,
) -> int:
    """Connect a repository by its URL, or have one hosted by its NAME alone.

    With the forge's token (it may set webhooks and commit statuses) the webhook is made there at once; without one this
    says what to set, and the repository is looked at each minute until then.
    """
    server = needed_server(settings)
    is_elsewhere = bool(_ADDRESS.match(address))
    token = _token() if token_stdin else None
    body = {
        "name": name or (_name_of(address) if is_elsewhere else address),
        "url": address if is_elsewhere else "",
        "forge": forge,
        "token": token,
        "ssh_key": _read_key(ssh_key_file) if ssh_key_file else None,
        "poll_every": poll,
        "default_branch": branch,
    }
    added = server.post("/api/repositories", body)
    repository = _typed(added["repository"])
    hook = _make_webhook(server, repository) if token else None
    if as_json:
        secret = None if hook else added["webhook_secret"]
        emit_json({"repository": repository, "webhook_secret": secret, "webhook_made": bool(hook)})
        return 0
    _tell(repository, added["webhook_secret"], is_made=bool(hook))
    return 0


@command.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> int:
    """List all of them, and how they fare."""
    found = [_typed(one) for one in needed_server(settings).get("/api/repositories")["items"]]
    if as_json:
        emit_json({"repositories": found})
    elif found:
        rows = [
            (one["name"], one["service"] or "-", one["forge"], _checked(one), one["url"], one["fault"] or "")
            for one in found
        ]
        print_table(("NAME", "SERVICE", "FORGE", "LOOKED AT", "URL", ""), rows)
    else:
        echo("there is no repository yet: headway repository add URL", err=True)
    return 0


@command.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def show(settings: Settings, *, name: str, as_json: bool) -> int:
    """Show one, and what it told last."""
    server = needed_server(settings)
    repository = _find(server, name)
    arrivals = server.get(f"/api/repositories/{repository['id']}/arrivals")["items"]
    if as_json:
        emit_json({"repository": repository, "arrivals": arrivals})
        return 0
    for label, value in (
        ("name", repository["name"]),
        ("service", repository["service"] or "none yet: no headway.toml was read"),
        ("team", repository["team"] or ""),
        ("url", repository["url"]),
        ("webhook", repository["webhook_url"] or ""),
        ("looked at", _checked(repository)),
        ("fault", repository["fault"] or ""),
    ):
        if value:
            echo(f"{label:<9} {value}")
    if arrivals:
        rows = [
            (one["received_at"][:16].replace("T", " "), one["kind"], one["ref"], one["state"], one["note"])
            for one in arrivals[:20]
        ]
        print_table(("WHEN (UTC)", "KIND", "REF", "STATE", ""), rows)
    return 0


@command.command("give")
@click.argument("name")
@click.argument("team", required=False)
@json_option
@click.pass_obj
def give(settings: Settings, *, name: str, team: str | None, as_json: bool) -> int:
    """Say which TEAM one belongs to: whose roles and secrets count there.

    The first headway.toml of its default branch says it, of a team that owns nothing yet; no later push does. Without
    TEAM it belongs to none.
    """
    server = needed_server(settings)
    repository = _find(server, name)
    given = _typed(server.post(f"/api/repositories/{repository['id']}/team", {"team": team}))
    if as_json:
        emit_json({"repository": given})
    else:
        echo(f"{given['name']} belongs to {given['team'] or 'no team'}")
    return 0


@command.command("remove")
@click.argument("name")
@json_option
@click.pass_obj
def remove(settings: Settings, *, name: str, as_json: bool) -> int:
    """Forget one; its runs, releases and deployments stay."""
    server = needed_server(settings)
    repository = _find(server, name)
    server.delete(f"/api/repositories/{repository['id']}")
    if as_json:
        emit_json({"removed": {"id": repository["id"], "name": repository["name"]}})
    else:
        echo(f"removed {repository['name']}; its runs stay")
    return 0


def _tell(repository: RepositoryDocument, secret: str, *, is_made: bool) -> None:
    """What to do next."""
    echo(f"added {repository['name']}: {repository['url']}")
    if repository["forge"] == ForgeKind.HEADWAY:
        echo("  next, make a token, which is the password that git asks for (any name will do):")
        echo(f"    headway token create {quote(repository['name'])} --scope push")
        echo("  then, in your repository:")
        echo(f"    git remote add headway {repository['url']}")
        echo("    git push headway HEAD")
    elif is_made:
        echo("  its webhook is set at the forge; push, and it runs")
    elif repository["forge"] == ForgeKind.GIT:
        echo(f"  it is looked at each {repository['poll_every']} s")
    else:
        echo("  set a webhook at the forge, for pushes, tags and pull requests, as JSON:")
        echo(f"    address  {repository['webhook_url']}")
        echo(f"    secret   {secret}")
        echo(f"  the secret is shown this once; until then it is looked at each {repository['poll_every']} s")


def _make_webhook(server: "HeadwayClient", repository: RepositoryDocument) -> bool:
    """What keeps it from being made is said; the repository stays."""
    if repository["forge"] in (ForgeKind.GIT, ForgeKind.HEADWAY):
        return False
    try:
        server.post(f"/api/repositories/{repository['id']}/webhook")
    except HeadwayError as error:
        echo(f"headway: the webhook was not made: {error.message}", err=True)
        return False
    return True


def _find(server: "HeadwayClient", name: str) -> RepositoryDocument:
    found = server.get("/api/repositories", name=name)["items"]
    if not found:
        raise WrongUse(f"there is no repository '{name[:100]}'", hint="see: headway repository list")
    return _typed(found[0])


def _typed(document: Any) -> RepositoryDocument:
    from headway.client.decode import typed

    return typed(document, RepositoryDocument)


def _name_of(url: str) -> str:
    """`https://github.com/acme/shop.git` is acme/shop."""
    path = re.sub(r"^[a-z][a-z0-9+.-]*://[^/]*/|^[^/:@]+@[^/:]+:", "", url).strip("/").removesuffix(".git")
    return "/".join(path.split("/")[-2:])


def _token() -> str:
    if sys.stdin.isatty():
        typed: str = click.prompt("token of the forge", hide_input=True, err=True)
        return typed.strip()
    token = sys.stdin.buffer.read(_LONGEST_TOKEN).decode(errors="replace").strip()
    if not token:
        raise WrongUse(
            "standard input holds no token", hint="headway repository add URL --token-stdin < FILE"
        )
    return token


def _read_key(file: Path) -> str:
    try:
        return file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"the key {file} cannot be read: {error}", hint="a private key for ssh") from error


def _checked(repository: RepositoryDocument) -> str:
    return f"{repository['checked_at']:%Y-%m-%d %H:%M}" if repository["checked_at"] else "never"
