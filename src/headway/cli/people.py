"""`headway people`: accounts, roles, and the links by which people come in."""

from typing import Any

import click

from headway.cli.accounts import owner, with_people
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.cli.server_choice import local_option, server_for
from headway.domain.people import Person, Role
from headway.engine.settings import Settings
from headway.wire.shapes_server import PersonDocument, person_json

_ROLE = click.Choice([str(role) for role in Role])
_url_option = click.option(
    "--url",
    metavar="URL",
    help="Where the server is reached, for the link; not needed where one runs on this data folder.",
)


@click.group()
def command() -> None:
    """People who may sign in, and what they may do. Acts on the server, or on the database of this data folder.

    Roles: viewer, developer, operator, administrator; each may do all that those before it may. org.toml gives more by
    team.
    """


@command.command("list")
@local_option
@json_option
@click.pass_obj
def list_(settings: Settings, *, local: bool, as_json: bool) -> int:
    """List all accounts."""

    async def work(people: Any) -> list[PersonDocument]:
        return [person_json(person, people.role_of(person)) for person in await people.people()]

    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import list_people

        found = list_people(server)
    else:
        found = with_people(settings, work, create=False)
    if as_json:
        emit_json({"people": found})
    elif found:
        rows = [
            (person["handle"], _role(person), person["name"], person["email"], _state(person))
            for person in found
        ]
        print_table(("HANDLE", "ROLE", "NAME", "EMAIL", ""), rows)
    else:
        echo("there is nobody yet: headway people link gives the first administrator a link", err=True)
    return 0


@command.command("add")
@click.argument("handle")
@click.option("--name", default="", help="As people read it.")
@click.option("--email", default="", help="For what is sent to them.")
@click.option("--role", type=_ROLE, default=str(Role.DEVELOPER), show_default=True)
@local_option
@json_option
@click.pass_obj
def add(
    settings: Settings, *, handle: str, name: str, email: str, role: str, local: bool, as_json: bool
) -> int:
    """Add an account; headway people invite HANDLE gives it a way in."""

    async def work(people: Any) -> Person:
        found: Person = await people.add_person(
            owner(settings), handle, display_name=name, email=email, role=Role(role)
        )
        return found

    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import add_person

        body = {"handle": handle, "name": name, "email": email, "role": role}
        return _present(add_person(server, body), "added", as_json=as_json)
    return _present(_document(with_people(settings, work)), "added", as_json=as_json)


@command.command("role")
@click.argument("handle")
@click.argument("role", type=_ROLE)
@local_option
@json_option
@click.pass_obj
def role(settings: Settings, *, handle: str, role: str, local: bool, as_json: bool) -> int:
    """Give somebody another role, from this moment on."""

    async def work(people: Any) -> Person:
        found: Person = await people.set_role(owner(settings), handle, Role(role))
        return found

    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import set_role

        found = set_role(server, handle, role)
    else:
        found = _document(with_people(settings, work))
    return _present(found, f"is {role} now", as_json=as_json)


@command.command("disable")
@click.argument("handle")
@click.option("--undo", is_flag=True, help="Let them in again.")
@local_option
@json_option
@click.pass_obj
def disable(settings: Settings, *, handle: str, undo: bool, local: bool, as_json: bool) -> int:
    """No longer let somebody in: their sessions end, their tokens and links are worth nothing."""

    async def work(people: Any) -> Person:
        found: Person = await people.disable(owner(settings), handle, undo=undo)
        return found

    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import disable_person

        found = disable_person(server, handle, undo=undo)
    else:
        found = _document(with_people(settings, work))
    return _present(found, "is let in again" if undo else "is disabled", as_json=as_json)


@command.command("invite")
@click.argument("handle")
@_url_option
@local_option
@json_option
@click.pass_obj
def invite(settings: Settings, *, handle: str, url: str | None, local: bool, as_json: bool) -> int:
    """Print a link that lets somebody in once, within 3 days; they choose a password there.

    Links printed for them before no longer work. Who stands in org.toml gets an account by this.
    """

    async def work(people: Any) -> str:
        found: str = await people.invite(owner(settings), handle)
        return found

    if (server := server_for(settings, local=local)) is not None:
        from headway.cli.server_accounts import invite_person

        return _link(invite_person(server, handle), handle, as_json=as_json)
    return _link(_address(settings, url, with_people(settings, work)), handle, as_json=as_json)


@command.command("link")
@_url_option
@json_option
@click.pass_obj
def link(settings: Settings, *, url: str | None, as_json: bool) -> int:
    """Print a link for the first administrator, good for one day, when no administrator can come in.

    Acts on the database of this data folder: who has that folder needs no way in.
    """
    from headway.base.clock import SystemClock
    from headway.engine.access.people import PeopleError

    async def work(people: Any) -> str | None:
        found: str | None = await people.ensure_first_link(SystemClock().now())
        return found

    text = with_people(settings, work, create=False)
    if text is None:
        raise PeopleError(
            "there is an administrator who can sign in",
            hint="headway people invite HANDLE prints a link for a certain person",
        )
    return _link(_address(settings, url, text), None, as_json=as_json)


def _document(person: Person) -> PersonDocument:
    return person_json(person, person.role)


def _present(person: PersonDocument, done: str, *, as_json: bool) -> int:
    handle = person["handle"]
    if as_json:
        emit_json({"person": person})
    elif done == "added":
        echo(f"added {handle}, {person['own_role']}; next: headway people invite {handle}")
    else:
        echo(f"{handle} {done}")
    return 0


def _address(settings: Settings, url: str | None, text: str) -> str:
    """Where the server is really reached: as said, as the one that runs here has it, as it was started last."""
    from headway.engine.server_lock import running_server

    running = running_server(settings.data)
    known = url or (running.url if running else "") or settings.environment.get("HEADWAY_URL", "")
    if not known:
        known = "http://127.0.0.1:8080"
        echo(
            f"no server runs on {settings.data}, so its address is a guess: --url says another one",
            err=True,
        )
    return f"{known.rstrip('/')}/sign-in/{text}"


def _link(link: str, handle: str | None, *, as_json: bool) -> int:
    if as_json:
        emit_json({"link": link, "handle": handle})
    else:
        echo(link)
    return 0


def _role(person: PersonDocument) -> str:
    role = person["role"]
    return str(role) if role == person["own_role"] else f"{role} (org.toml)"


def _state(person: PersonDocument) -> str:
    if person["disabled_at"] is not None:
        return f"disabled {person['disabled_at']:%Y-%m-%d}"
    return "" if person["has_password"] else "no password"
