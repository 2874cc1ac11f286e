"""Settings of secrets: their names and places, never their values."""

from collections.abc import Mapping

from litestar import get, post

from headway.base.errors import WrongUse
from headway.domain.secrets import SecretScope, environment_scope, service_scope, team_scope
from headway.engine.permissions import Action, allows
from headway.engine.secrets.access import list_secrets, remove_secret, set_secret
from headway.store.database import Transaction
from headway.store.repositories import repositories
from headway.web.asking import Consequence
from headway.web.rendering import link
from headway.web.settings import show
from headway.web.visit import NothingThere, PageRequest, PageResponse, enter


@get("/settings/secrets")
async def secrets(request: PageRequest) -> PageResponse:
    visit = await enter(request)

    def look(tx: Transaction) -> tuple[object, bool, list[str]]:
        known = repositories(tx)
        may_set = allows(visit.actor, Action.SECRET_SET, team=None) or any(
            allows(visit.actor, Action.SECRET_SET, team=one.team) for one in known
        )
        return list_secrets(tx, visit.actor), may_set, sorted({one.service for one in known if one.service})

    found, may_set, services = await visit.read(look)
    return await show(
        visit,
        "settings_secrets.html",
        "secrets",
        "Secrets",
        secrets=found,
        may_set=may_set,
        services=services[:500],
    )


@post("/settings/secrets")
async def put_secret(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    form, server = await visit.form(), visit.server
    scope = _scope(form.get("of", ""), form.get("owner", "").strip(), form.get("environment", "").strip())
    name = form.get("name", "").strip()
    # A text field's line ends are CRLF; keys and certificates want what was pasted.
    value = form.get("value", "").replace("\r\n", "\n")
    await set_secret(server.database, server.vault, visit.actor, scope, name=name, value=value, now=visit.now)
    return visit.done("/settings/secrets", f"{name} of {scope} is set.")


@get("/settings/secrets/remove")
async def ask_remove(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    scope, name = _scope_of_query(visit.query), visit.query.get("name", "")
    consequence = Consequence(
        f"Remove {name} of {scope}?",
        "Jobs and deployments that name it fail from now on, saying that it is missing. Its value cannot be brought back.",
        f"Remove {name}",
        danger=True,
        hidden={"of": scope.kind, "owner": scope.owner, "name": name},
    )
    return await visit.ask(consequence, leave="/settings/secrets")


@post("/settings/secrets/remove")
async def remove(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    form, server = await visit.form(), visit.server
    scope, name = _scope_of_query(form), form.get("name", "")
    if not await remove_secret(server.database, server.vault, visit.actor, scope, name, now=visit.now):
        raise NothingThere(f"{scope} has no secret {name}.")
    return visit.done("/settings/secrets", f"{name} of {scope} is removed.")


def remove_address(scope: SecretScope, name: str) -> str:
    return link("/settings/secrets/remove", of=scope.kind, owner=scope.owner, name=name)


def _scope(of: str, owner: str, environment: str) -> SecretScope:
    if not owner:
        raise WrongUse("whose secret it is was left empty", hint="name a service or a team")
    if of == "team":
        return team_scope(owner)
    return environment_scope(owner, environment) if environment else service_scope(owner)


def _scope_of_query(given: Mapping[str, str]) -> SecretScope:
    of, owner = given.get("of", ""), given.get("owner", "")
    if of == "environment":
        service, _, environment = owner.rpartition("/")
        return _scope("environment", service, environment)
    return _scope(of, owner, "")


ROUTES = [secrets, put_secret, ask_remove, remove]
