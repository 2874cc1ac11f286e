"""`headway people`: accounts, roles, and the links by which people come in."""

from datetime import datetime
from typing import Any

import click

from headway.cli.accounts import owner, with_people
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.domain.people import Person, Role
from headway.engine.settings import Settings

_ROLE = click.Choice([str(role) for role in Role])
_url_option = click.option(
    "--url",
    metavar="URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where the server is reached, for the link.",
)


@click.group()
def command() -> None:
    """People who may sign in, and what they may do. Acts on the database of this data folder.

    Roles: viewer, developer, operator, administrator; each may do all that those before it may. org.toml gives more by
    team.
    """


@command.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> int:
    """List all accounts."""

    async def work(people: Any) -> list[tuple[Person, Role]]:
        return [(person, people.role_of(person)) for person in await people.people()]

    found = with_people(settings, work)
    if as_json:
        emit_json({"people": [person_document(person, role) for person, role in found]})
    elif found:
        rows = [
            (
                person.name,
                role if role is person.role else f"{role} (org.toml)",
                person.display_name,
                person.email,
                _state(person),
            )
            for person, role in found
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
@json_option
@click.pass_obj
def add(settings: Settings, *, handle: str, name: str, email: str, role: str, as_json: bool) -> int:
    """Add an account; headway people invite HANDLE gives it a way in."""

    async def work(people: Any) -> Person:
        found: Person = await people.add_person(
            owner(settings), handle, display_name=name, email=email, role=Role(role)
        )
        return found

    return _present(with_people(settings, work), "added", as_json=as_json)


@command.command("role")
@click.argument("handle")
@click.argument("role", type=_ROLE)
@json_option
@click.pass_obj
def role(settings: Settings, *, handle: str, role: str, as_json: bool) -> int:
    """Give somebody another role, from this moment on."""

    async def work(people: Any) -> Person:
        found: Person = await people.set_role(owner(settings), handle, Role(role))
        return found

    return _present(with_people(settings, work), f"is {role} now", as_json=as_json)


@command.command("disable")
@click.argument("handle")
@click.option("--undo", is_flag=True, help="Let them in again.")
@json_option
@click.pass_obj
def disable(settings: Settings, *, handle: str, undo: bool, as_json: bool) -> int:
    """No longer let somebody in: their sessions end, their tokens and links are worth nothing."""

    async def work(people: Any) -> Person:
        found: Person = await people.disable(owner(settings), handle, undo=undo)
        return found

    return _present(
        with_people(settings, work), "is let in again" if undo else "is disabled", as_json=as_json
    )


@command.command("invite")
@click.argument("handle")
@_url_option
@json_option
@click.pass_obj
def invite(settings: Settings, *, handle: str, url: str, as_json: bool) -> int:
    """Print a link that lets somebody in once, within 3 days; they choose a password there.

    Links printed for them before no longer work. Who stands in org.toml gets an account by this.
    """

    async def work(people: Any) -> str:
        found: str = await people.invite(owner(settings), handle)
        return found

    return _link(url, with_people(settings, work), handle, as_json=as_json)


@command.command("link")
@_url_option
@json_option
@click.pass_obj
def link(settings: Settings, *, url: str, as_json: bool) -> int:
    """Print a link for the first administrator, good for one day, when no administrator can come in."""
    from headway.base.clock import SystemClock
    from headway.engine.people import PeopleError

    async def work(people: Any) -> str | None:
        found: str | None = await people.ensure_first_link(SystemClock().now())
        return found

    text = with_people(settings, work)
    if text is None:
        raise PeopleError(
            "there is an administrator who can sign in",
            hint="headway people invite HANDLE prints a link for a certain person",
        )
    return _link(url, text, None, as_json=as_json)


def person_document(person: Person, role: Role) -> dict[str, Any]:
    """The JSON of a person, as docs/json.md describes it."""
    return {
        "handle": person.name,
        "name": person.display_name,
        "email": person.email,
        "role": role,
        "created_at": person.created_at,
        "disabled_at": person.disabled_at,
        "has_password": person.has_password,
    }


def _present(person: Person, done: str, *, as_json: bool) -> int:
    if as_json:
        emit_json({"person": person_document(person, person.role)})
    elif done == "added":
        echo(f"added {person.name}, {person.role}; next: headway people invite {person.name}")
    else:
        echo(f"{person.name} {done}")
    return 0


def _link(url: str, text: str, handle: str | None, *, as_json: bool) -> int:
    link = f"{url.rstrip('/')}/sign-in/{text}"
    if as_json:
        emit_json({"link": link, "handle": handle})
    else:
        echo(link)
    return 0


def _state(person: Person) -> str:
    if person.disabled_at is not None:
        return f"disabled {_day(person.disabled_at)}"
    return "" if person.has_password else "no password"


def _day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d}"
