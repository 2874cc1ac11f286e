"""Settings of people: oneself, one's tokens, and (for who manages them) everybody."""

from datetime import timedelta
from typing import Any

from litestar import get, post

from headway.domain.people import Role, Scope
from headway.engine.access.sessions import COOKIE
from headway.engine.permissions import Action
from headway.web.asking import Consequence, Field
from headway.web.rendering import segment
from headway.web.settings import show
from headway.web.visit import NothingThere, PageRequest, PageResponse, Visit, enter, go

_ENDS = (("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"), ("", "never"))
ROLES = tuple((role, str(role)) for role in Role)


# Oneself


@get("/settings/you")
async def you(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    people = visit.server.people
    person = await people.person(visit.actor.name)
    sessions = await people.sessions.list(visit.actor)
    return await show(visit, "settings_you.html", "you", "You", person=person, sessions=sessions)


@post("/settings/you/password")
async def change_password(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    form = await visit.form()
    await visit.server.people.set_password(
        visit.actor,
        form.get("password", "")[:1000],
        current=form.get("current", "")[:1000] or None,
        session=visit.session,
    )
    return visit.done("/settings/you", "Your password is changed; you are signed out everywhere else.")


@post("/settings/you/sessions/{id:str}")
async def end_session(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    await visit.server.people.sessions.end_one(visit.actor, visit.path["id"])
    return visit.done("/settings/you", "That browser is signed out.")


@post("/settings/you/sign-out-everywhere")
async def end_sessions(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    await visit.server.people.sign_out_everywhere(visit.actor)
    answer = go("/sign-in")
    answer.delete_cookie(COOKIE)
    return answer


# Tokens


@get("/settings/tokens")
async def tokens(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    return await _tokens(visit)


async def _tokens(visit: Visit, **values: Any) -> PageResponse:
    everybody = visit.query.get("whose") == "all" and visit.may(Action.PEOPLE_MANAGE)
    found = await visit.server.people.tokens.list(visit.actor, everybody=everybody)
    return await show(
        visit,
        "settings_tokens.html",
        "tokens",
        "Tokens",
        tokens=sorted(
            found, key=lambda token: (not token.is_in_force(visit.now), -token.created_at.timestamp())
        ),
        scopes=tuple(Scope),
        ends=_ENDS,
        everybody=everybody,
        may_see_all=visit.may(Action.PEOPLE_MANAGE),
        **({"made": None} | values),
    )


@post("/settings/tokens")
async def create_token(request: PageRequest) -> PageResponse:
    """Answers with the page itself: the token is shown this once."""
    visit = await enter(request)
    form = await visit.form()
    scopes = [scope for scope in Scope if form.get(f"scope-{scope}")]
    days = form.get("ends", "90")
    ends = visit.now + timedelta(days=int(days)) if days in ("30", "90", "365") else None
    made = await visit.server.people.create_token(visit.actor, form.get("name", "").strip(), scopes, ends)
    return await _tokens(visit, made=made)


@get("/settings/tokens/{id:str}/revoke")
async def ask_revoke(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    all_of_them = visit.may(Action.PEOPLE_MANAGE)
    found = await visit.server.people.tokens.list(visit.actor, everybody=all_of_them)
    token = next((one for one in found if one.id == visit.path["id"]), None)
    if token is None:
        raise NothingThere("There is no such token.")
    consequence = Consequence(
        f"Revoke the token {token.name}?",
        f"Whatever uses it ({token.prefix}…, of {token.person}) is refused from now on. This cannot be undone.",
        f"Revoke {token.name}",
        danger=True,
    )
    return await visit.ask(consequence, leave="/settings/tokens")


@post("/settings/tokens/{id:str}/revoke")
async def revoke(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    token = await visit.server.people.revoke_token(visit.actor, visit.path["id"])
    return visit.done("/settings/tokens", f"{token.name} is revoked.")


# Everybody


@get("/settings/people")
async def people(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    return await _people(visit)


async def _people(visit: Visit, **values: Any) -> PageResponse:
    known = visit.server.people
    found = await known.people()
    org = visit.server.org.current
    teams = {
        person.name: [
            (team.name, team.members[person.name])
            for team in org.teams.values()
            if person.name in team.members
        ]
        for person in found
    }
    return await show(
        visit,
        "settings_people.html",
        "people",
        "People",
        people=found,
        roles_now={person.name: known.role_of(person) for person in found},
        teams=teams,
        without_account=sorted(set(org.people) - {person.name for person in found}),
        roles=ROLES,
        may_manage=visit.may(Action.PEOPLE_MANAGE),
        **({"invited": None} | values),
    )


@post("/settings/people")
async def add_person(request: PageRequest) -> PageResponse:
    """The account, and the link that lets its person in; the link is shown this once."""
    visit = await enter(request)
    form, known = await visit.form(), visit.server.people
    role = form.get("role", "")
    person = await known.add_person(
        visit.actor,
        form.get("handle", "").strip().lower(),
        display_name=form.get("display_name", "").strip(),
        email=form.get("email", "").strip(),
        role=Role(role) if role in set(Role) else Role.VIEWER,
    )
    text = await known.invite(visit.actor, person.name)
    return await _people(visit, invited=(person.name, f"{visit.server.base_url}/sign-in/{text}"))


@get("/settings/people/{handle:str}/{deed:str}")
async def ask_person(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    visit.need(Action.PEOPLE_MANAGE)
    handle = visit.path["handle"]
    deeds = {
        "invite": Consequence(
            f"Make a sign-in link for {handle}?",
            "It works once, for three days; links made before no longer do. It is shown to you, and you pass it on.",
            "Make a link",
        ),
        "disable": Consequence(
            f"Disable {handle}?",
            "Their password, links, sessions and tokens let nobody in from now on. What they did stays in the audit.",
            f"Disable {handle}",
            danger=True,
        ),
        "enable": Consequence(
            f"Enable {handle}?",
            "Their password lets them in again. Sessions that ended stay ended.",
            f"Enable {handle}",
        ),
        "sign-out": Consequence(
            f"Sign {handle} out everywhere?", "Their browsers have to sign in again.", f"Sign {handle} out"
        ),
        "role": Consequence(
            f"Change the role of {handle}?",
            "This is the role everywhere. A team's members may have more within its services: that stands in org.toml.",
            "Change the role",
            fields=[Field("role", "Role", choices=ROLES, value=await _role_of(visit, handle))],
        ),
    }
    consequence = deeds.get(visit.path["deed"])
    if consequence is None:
        raise NothingThere("People can be invited, disabled, enabled, signed out, and given another role.")
    return await visit.ask(consequence, leave="/settings/people")


async def _role_of(visit: Visit, handle: str) -> str:
    if visit.path["deed"] != "role":
        return ""
    return str((await visit.server.people.person(handle)).role)


@post("/settings/people/{handle:str}/{deed:str}")
async def change_person(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    handle, deed, known = visit.path["handle"], visit.path["deed"], visit.server.people
    if deed == "invite":
        text = await known.invite(visit.actor, handle)
        return await _people(visit, invited=(handle, f"{visit.server.base_url}/sign-in/{segment(text)}"))
    if deed in ("disable", "enable"):
        await known.disable(visit.actor, handle, undo=deed == "enable")
        said = f"{handle} is {deed}d."
    elif deed == "sign-out":
        ended = await known.sign_out_everywhere(visit.actor, handle)
        said = f"{handle} was signed out of {ended} browser{'' if ended == 1 else 's'}."
    elif deed == "role":
        role = (await visit.form()).get("role", "")
        if role not in set(Role):
            raise NothingThere("There is no such role.")
        await known.set_role(visit.actor, handle, Role(role))
        said = f"{handle} is {role} now."
    else:
        raise NothingThere("People can be invited, disabled, enabled, signed out, and given another role.")
    return visit.done("/settings/people", said)


ROUTES = [
    you,
    change_password,
    end_session,
    end_sessions,
    tokens,
    create_token,
    ask_revoke,
    revoke,
    people,
    add_person,
    ask_person,
    change_person,
]
