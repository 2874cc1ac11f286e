"""`headway token`: what programs show in place of a password."""

from datetime import datetime
from typing import Any

import click

from headway.base.errors import WrongUse
from headway.cli.accounts import owner, with_people
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.cli.server_choice import local_option, server_for
from headway.domain.people import Scope
from headway.engine.settings import Settings
from headway.wire.shapes_server import TokenDocument, token_json

_SCOPES = [str(scope) for scope in Scope]


@click.group()
def command() -> None:
    """Tokens of programs. Acts on the server, or on the database of this data folder.

    A token may what its person may, within its scopes: read, run, release, deploy, push, hosts, secrets, admin.
    """


@command.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", type=click.Choice(_SCOPES), multiple=True, required=True, help="Repeat for several."
)
@click.option("--expires", metavar="AGE", default="90d", show_default=True, help="After this, or: never.")
@click.option("--for", "person", metavar="HANDLE", help="Whose it is; not needed where there is one account.")
@local_option
@json_option
@click.pass_obj
def create(
    settings: Settings,
    *,
    name: str,
    scopes: tuple[str, ...],
    expires: str,
    person: str | None,
    local: bool,
    as_json: bool,
) -> int:
    """Make a token and show it, once: only its hash is kept. With HEADWAY_SERVER it is your own."""
    from headway.base.clock import SystemClock

    now = SystemClock().now()
    expires_at = _end(expires, now)

    async def work(people: Any) -> TokenDocument:
        handle = person or _only([found.name for found in await people.people() if not found.disabled_at])
        actor = owner(settings, handle)
        made = await people.create_token(actor, name, {Scope(scope) for scope in scopes}, expires_at)
        return token_json(made.token, now, text=made.text)

    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import create_token

        made = create_token(server, name, scopes, expires_at, person=person)
    else:
        made = with_people(settings, work)
    if as_json:
        emit_json({"token": made})
    else:
        echo(made["text"])
        until = f"until {expires_at:%Y-%m-%d}" if expires_at else "for ever"
        echo(f"shown this once; of {made['person']}, {', '.join(sorted(scopes))}, {until}", err=True)
    return 0


@command.command("list")
@local_option
@json_option
@click.pass_obj
def list_(settings: Settings, *, local: bool, as_json: bool) -> int:
    """List tokens, newest first, those out of force included: everybody's for who manages people, else your own."""
    from headway.base.clock import SystemClock

    now = SystemClock().now()

    async def work(people: Any) -> list[TokenDocument]:
        return [token_json(one, now) for one in await people.tokens.list(owner(settings), everybody=True)]

    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import list_tokens

        found = list_tokens(server)
    else:
        found = with_people(settings, work, create=False)
    if as_json:
        emit_json({"tokens": found})
    elif found:
        rows = [
            (
                token["id"],
                f"{token['prefix']}…",
                token["name"],
                token["person"],
                ", ".join(token["scopes"]),
                _state(token),
                f"{token['last_used_at']:%Y-%m-%d %H:%M}" if token["last_used_at"] else "never",
            )
            for token in found
        ]
        print_table(("ID", "TOKEN", "NAME", "OF", "SCOPES", "IN FORCE", "LAST USED"), rows)
    else:
        echo("there is no token yet: headway token create NAME --scope run", err=True)
    return 0


@command.command("revoke")
@click.argument("id")
@local_option
@json_option
@click.pass_obj
def revoke(settings: Settings, *, id: str, local: bool, as_json: bool) -> int:
    """End a token at once. ID is as headway token list shows it."""
    from headway.base.clock import SystemClock

    async def work(people: Any) -> TokenDocument:
        await people.revoke_token(owner(settings), id)
        everything = await people.tokens.list(owner(settings), everybody=True)
        [found] = [token for token in everything if token.id == id]
        return token_json(found, SystemClock().now())

    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import revoke_token

        token = revoke_token(server, id)
    else:
        token = with_people(settings, work)
    if as_json:
        emit_json({"token": token})
    else:
        echo(f"revoked {token['name']} of {token['person']}")
    return 0


def _end(text: str, now: datetime) -> datetime | None:
    from headway.base.durations import parse_duration

    if text == "never":
        return None
    try:
        return now + parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise WrongUse(f"--expires: {error}", hint="write 90d, 12h, or never") from error


def _only(handles: list[str]) -> str:
    if len(handles) == 1:
        return handles[0]
    if not handles:
        raise WrongUse("there is nobody whom a token could belong to", hint="headway people add HANDLE")
    raise WrongUse(f"whose token? There are {', '.join(handles[:10])}", hint="say --for HANDLE")


def _state(token: TokenDocument) -> str:
    if token["revoked_at"] is not None:
        return f"revoked {token['revoked_at']:%Y-%m-%d}"
    if not token["in_force"]:
        return "run out"
    return f"until {token['expires_at']:%Y-%m-%d}" if token["expires_at"] else "for ever"
