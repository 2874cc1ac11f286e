"""`headway token`: what programs show in place of a password."""

from datetime import datetime
from typing import Any

import click

from headway.base.errors import WrongUse
from headway.cli.accounts import owner, with_people
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.domain.access import Token
from headway.domain.people import Scope
from headway.engine.settings import Settings

_SCOPES = [str(scope) for scope in Scope]


@click.group()
def command() -> None:
    """Tokens of programs. Acts on the database of this data folder.

    A token may what its person may, within its scopes: read, run, release, deploy, push, hosts, secrets, admin.
    """


@command.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", type=click.Choice(_SCOPES), multiple=True, required=True, help="Repeat for several."
)
@click.option("--expires", metavar="AGE", default="90d", show_default=True, help="After this, or: never.")
@click.option("--for", "person", metavar="HANDLE", help="Whose it is; not needed where there is one account.")
@json_option
@click.pass_obj
def create(
    settings: Settings,
    *,
    name: str,
    scopes: tuple[str, ...],
    expires: str,
    person: str | None,
    as_json: bool,
) -> int:
    """Make a token and show it, once: only its hash is kept."""
    from headway.base.clock import SystemClock

    now = SystemClock().now()
    expires_at = _end(expires, now)

    async def work(people: Any) -> Any:
        handle = person or _only([found.name for found in await people.people() if not found.disabled_at])
        actor = owner(settings, handle)
        return await people.create_token(actor, name, {Scope(scope) for scope in scopes}, expires_at)

    made = with_people(settings, work)
    if as_json:
        emit_json({"token": {**token_document(made.token, now), "text": made.text}})
    else:
        echo(made.text)
        until = f"until {expires_at:%Y-%m-%d}" if expires_at else "for ever"
        echo(f"shown this once; of {made.token.person}, {', '.join(sorted(scopes))}, {until}", err=True)
    return 0


@command.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> int:
    """List everybody's tokens, newest first, those out of force included."""
    from headway.base.clock import SystemClock

    async def work(people: Any) -> Any:
        return await people.tokens.list(owner(settings), everybody=True)

    now, found = SystemClock().now(), with_people(settings, work)
    if as_json:
        emit_json({"tokens": [token_document(token, now) for token in found]})
    elif found:
        rows = [
            (
                token.id,
                f"{token.prefix}…",
                token.name,
                token.person,
                ", ".join(sorted(token.scopes)),
                _state(token, now),
                f"{token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never",
            )
            for token in found
        ]
        print_table(("ID", "TOKEN", "NAME", "OF", "SCOPES", "IN FORCE", "LAST USED"), rows)
    else:
        echo("there is no token yet: headway token create NAME --scope run", err=True)
    return 0


@command.command("revoke")
@click.argument("id")
@json_option
@click.pass_obj
def revoke(settings: Settings, *, id: str, as_json: bool) -> int:
    """End a token at once. ID is as headway token list shows it."""
    from headway.base.clock import SystemClock

    async def work(people: Any) -> Any:
        await people.revoke_token(owner(settings), id)
        [found] = [
            token for token in await people.tokens.list(owner(settings), everybody=True) if token.id == id
        ]
        return found

    token = with_people(settings, work)
    if as_json:
        emit_json({"token": token_document(token, SystemClock().now())})
    else:
        echo(f"revoked {token.name} of {token.person}")
    return 0


def token_document(token: Token, now: datetime) -> dict[str, Any]:
    """The JSON of a token, as docs/json.md describes it."""
    return {
        "id": token.id,
        "name": token.name,
        "person": token.person,
        "prefix": token.prefix,
        "scopes": sorted(token.scopes),
        "in_force": token.is_in_force(now),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }


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


def _state(token: Token, now: datetime) -> str:
    if token.revoked_at is not None:
        return f"revoked {token.revoked_at:%Y-%m-%d}"
    if not token.is_in_force(now):
        return "run out"
    return f"until {token.expires_at:%Y-%m-%d}" if token.expires_at else "for ever"
