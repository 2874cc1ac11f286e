"""`headway secret`: values for jobs and deployments, stored encrypted; set from the terminal or standard input only."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.errors import WrongUse
from headway.cli.accounts import owner
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.cli.server_choice import local_option, server_for
from headway.domain.secrets import (
    ScopeKind,
    SecretScope,
    StoredSecret,
    environment_scope,
    service_scope,
    team_scope,
)
from headway.engine.settings import Settings
from headway.wire.shapes_server import SecretDocument, secret_json

if TYPE_CHECKING:
    from headway.domain.contract import Contract

_service_option = click.option(
    "--service", metavar="NAME", help="Of this service; if not said, of the one here."
)
_environment_option = click.option(
    "--environment", metavar="NAME", help="For deployments to this environment only."
)
_team_option = click.option("--team", metavar="NAME", help="For all services of a team.")


@click.group()
def command() -> None:
    """Secrets of services, environments and teams. Acts on the server, or on the database of this data folder.

    Nobody can read a value back. Jobs and environments are given those that they name in headway.toml.
    """


@command.command("set")
@click.argument("name")
@_service_option
@_environment_option
@_team_option
@local_option
@json_option
@click.pass_obj
def set_(
    settings: Settings,
    *,
    name: str,
    service: str | None,
    environment: str | None,
    team: str | None,
    local: bool,
    as_json: bool,
) -> int:
    """Set a secret. Its value is asked for twice, or read from standard input; it is never an argument."""
    from headway.engine.secrets.vault import require_sound

    scope = _scope(service, environment, team)
    require_sound(name, "only the name")
    value = _read_value(name)
    require_sound(name, value)
    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import set_secret

        stored = set_secret(server, scope, name, value)
    else:
        stored = _set_here(settings, scope, name, value)
    if as_json:
        emit_json({"secret": stored})
    else:
        echo(f"set {name} of {scope}")
    return 0


def _set_here(settings: Settings, scope: SecretScope, name: str, value: str) -> SecretDocument:
    from headway.base.clock import SystemClock
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.secrets.lost_keys import open_fitting_vault
    from headway.store.database import open_database

    now = SystemClock().now()
    with open_database(settings.database_url, before=copy_first(settings)) as database:
        vault = open_fitting_vault(settings, database)
        database.transact(lambda tx: vault.put(tx, scope, name, value, owner(settings), now))
    return secret_json(StoredSecret(scope, name, vault.key_id, now, settings.user), None)


@command.command("list")
@local_option
@json_option
@click.pass_obj
def list_(settings: Settings, *, local: bool, as_json: bool) -> int:
    """List the names of all secrets: whose they are, who set them and when, and what names them here."""
    from headway.engine.secrets.uses import uses_of

    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import list_secrets

        found = [_stored(secret) for secret in list_secrets(server)]
    else:
        found = _stored_here(settings)
    contract, unread = _contract_here()
    uses = [None if contract is None else uses_of(secret, contract) for secret in found]
    if as_json:
        emit_json({"secrets": [secret_json(*each) for each in zip(found, uses, strict=True)]})
    elif found:
        rows = [
            (
                secret.name,
                str(secret.scope),
                f"{secret.updated_at:%Y-%m-%d %H:%M} UTC",
                secret.updated_by,
                ", ".join(named or ()) or "-",
            )
            for secret, named in zip(found, uses, strict=True)
        ]
        print_table(("NAME", "OF", "SET", "BY", "NAMED HERE BY"), rows)
    else:
        echo("no secret is stored yet: headway secret set NAME", err=True)
    if unread:
        echo("headway.toml has faults, so what names them is not known: headway check", err=True)
    return 0


def _stored_here(settings: Settings) -> list[StoredSecret]:
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.secrets.vault import FOR_JOBS
    from headway.store.database import open_database
    from headway.store.secrets import all_secrets

    with open_database(settings.database_url, before=copy_first(settings), create=False) as database:
        return [sealed.stored for sealed in database.read(lambda tx: all_secrets(tx, kinds=FOR_JOBS))]


def _stored(secret: SecretDocument) -> StoredSecret:
    scope = SecretScope(ScopeKind(secret["scope"]), secret["owner"])
    return StoredSecret(scope, secret["name"], secret["key"], secret["updated_at"], secret["updated_by"])


@command.command("remove")
@click.argument("name")
@_service_option
@_environment_option
@_team_option
@local_option
@json_option
@click.pass_obj
def remove(
    settings: Settings,
    *,
    name: str,
    service: str | None,
    environment: str | None,
    team: str | None,
    local: bool,
    as_json: bool,
) -> int:
    """Remove a secret. What names it finds it in another place, or fails before it begins."""
    scope = _scope(service, environment, team)
    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import remove_secret

        remove_secret(server, scope, name)
    elif not _remove_here(settings, scope, name):
        raise WrongUse(f"{scope} has no secret '{name[:80]}'", hint="headway secret list shows them")
    if as_json:
        emit_json({"removed": {"name": name, "scope": scope.kind, "owner": scope.owner}})
    else:
        echo(f"removed {name} of {scope}")
    return 0


def _remove_here(settings: Settings, scope: SecretScope, name: str) -> bool:
    from headway.base.clock import SystemClock
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.secrets.vault import open_vault
    from headway.store.database import open_database

    now, vault = SystemClock().now(), open_vault(settings)
    with open_database(settings.database_url, before=copy_first(settings), create=False) as database:
        return database.transact(lambda tx: vault.remove(tx, scope, name, owner(settings), now))


@command.command("rotate-key")
@json_option
@click.pass_obj
def rotate_key(settings: Settings, *, as_json: bool) -> int:
    """Encrypt all secrets with a new key. May be interrupted and called again; a running server goes on."""
    from headway.base.clock import SystemClock
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.secrets.keys import KeySource
    from headway.engine.secrets.lost_keys import open_fitting_vault
    from headway.store.database import open_database

    with open_database(settings.database_url, before=copy_first(settings), create=False) as database:
        source, vault = KeySource.of(settings), open_fitting_vault(settings, database)
        count, key_id = vault.rotate(database, source, owner(settings), SystemClock().now())
    if as_json:
        emit_json({"key": key_id, "secrets": count})
    else:
        echo(f"{count} secret{'' if count == 1 else 's'} encrypted with the new key {key_id}")
        if not source.is_given:
            echo(f"keep a copy of {source.file} apart from the database's backups", err=True)
    return 0


def _scope(service: str | None, environment: str | None, team: str | None) -> SecretScope:
    if team is not None:
        if service is not None or environment is not None:
            raise WrongUse(
                "a secret is of a team, or of a service and its environment", hint="say one of both"
            )
        return team_scope(_sound("team", team))
    if service is None:
        from headway.engine.projects import service_name

        service = service_name(Path.cwd())
    if environment is None:
        return service_scope(_sound("service", service))
    return environment_scope(_sound("service", service), _sound("environment", environment))


def _sound(what: str, name: str) -> str:
    """A slash would make one scope look like another."""
    if not name or "/" in name or len(name) > 100 or not name.isprintable():
        raise WrongUse(f"'{name[:80]}' is no name of {what}", hint="write it as it stands in headway.toml")
    return name


def _read_value(name: str) -> str:
    from headway.engine.secrets.vault import LONGEST_VALUE

    if sys.stdin.isatty():
        typed: str = click.prompt(f"{name}", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    data = sys.stdin.buffer.read(LONGEST_VALUE + 2)
    try:
        # Not chained: that error would carry the value.
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise WrongUse("standard input is not UTF-8", hint="encode a binary secret, for example with base64")
    return text.removesuffix("\n").removesuffix("\r")


def _contract_here() -> "tuple[Contract | None, bool]":
    """Of the folder we stand in, when it is a service's; and whether there is one that cannot be read."""
    from headway.base.errors import HeadwayError
    from headway.engine.projects import ContractUnreadable, find_project
    from headway.wire.contract import ContractInvalid

    try:
        return find_project(Path.cwd()).contract, False
    except (ContractInvalid, ContractUnreadable):
        return None, True
    except HeadwayError:
        return None, False
