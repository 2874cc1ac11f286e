"""People: accounts, roles, and links by which they come in. For who manages people."""

from typing import TypedDict

from litestar.params import JSONBody

from headway.api.access import ApiRequest, actor_of, caller, server_of
from headway.api.routes import Body, Name, Text, Word, posts, puts, reads
from headway.domain.people import Person, Role
from headway.engine.permissions import Action
from headway.engine.server.server import Server
from headway.wire.shapes_server import PersonDocument, person_json


class PersonPage(TypedDict):
    items: list[PersonDocument]
    next: str | None


class LinkDocument(TypedDict):
    #: Lets them in once, within three days.
    link: str
    handle: str | None


class NewPerson(Body):
    handle: Word
    name: Text = ""
    email: Text = ""
    role: Role = Role.DEVELOPER


class NewRole(Body):
    role: Role


@reads("/api/people", id="listPeople", does="All accounts.", of="people")
async def list_people(request: ApiRequest) -> PersonPage:
    await caller(request, Action.PEOPLE_MANAGE)
    server = server_of(request)
    return {"items": [_person(server, one) for one in await server.people.people()], "next": None}


@posts("/api/people", id="addPerson", does="Add an account; a link gives it a way in.", of="people")
async def add(request: ApiRequest, data: JSONBody[NewPerson]) -> PersonDocument:
    server, actor = server_of(request), await actor_of(request)
    made = await server.people.add_person(
        actor, data.handle, display_name=data.name, email=data.email, role=data.role
    )
    return _person(server, made)


@puts("/api/people/{handle:str}/role", id="setRole", does="Give somebody another role.", of="people")
async def set_role(request: ApiRequest, handle: Name, data: JSONBody[NewRole]) -> PersonDocument:
    server, actor = server_of(request), await actor_of(request)
    return _person(server, await server.people.set_role(actor, handle, data.role))


@posts(
    "/api/people/{handle:str}/disable",
    id="disablePerson",
    does="No longer let somebody in, by password, link, session or token.",
    of="people",
    status_code=200,
)
async def disable(request: ApiRequest, handle: Name) -> PersonDocument:
    server, actor = server_of(request), await actor_of(request)
    return _person(server, await server.people.disable(actor, handle))


@posts(
    "/api/people/{handle:str}/enable",
    id="enablePerson",
    does="Let somebody in again.",
    of="people",
    status_code=200,
)
async def enable(request: ApiRequest, handle: Name) -> PersonDocument:
    server, actor = server_of(request), await actor_of(request)
    return _person(server, await server.people.disable(actor, handle, undo=True))


@posts(
    "/api/people/{handle:str}/invite",
    id="invitePerson",
    does="A link that lets somebody in once; links given before no longer do.",
    of="people",
)
async def invite(request: ApiRequest, handle: Name) -> LinkDocument:
    server, actor = server_of(request), await actor_of(request)
    text = await server.people.invite(actor, handle)
    return {"link": f"{server.base_url}/sign-in/{text}", "handle": handle}


def _person(server: Server, person: Person) -> PersonDocument:
    return person_json(person, server.people.role_of(person))


ROUTES = (list_people, add, set_role, disable, enable, invite)
