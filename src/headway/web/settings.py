"""Settings: repositories with their webhooks, the organisation's file, the system itself."""

import asyncio
from typing import Any

from litestar import get, post

from headway import __version__
from headway.domain.intake import ForgeKind, Repository
from headway.engine.permissions import Action
from headway.engine.views.system import read_outbox, read_repository
from headway.store.repositories import repositories as all_repositories
from headway.web.asking import Consequence
from headway.web.rendering import segment
from headway.web.visit import NothingThere, PageRequest, PageResponse, Visit, enter, go

#: The pages of the settings: key, name, address.
WAYS = (
    ("you", "You", "/settings/you"),
    ("tokens", "Tokens", "/settings/tokens"),
    ("repositories", "Repositories", "/settings/repositories"),
    ("people", "People", "/settings/people"),
    ("secrets", "Secrets", "/settings/secrets"),
    ("organisation", "Organisation", "/settings/organisation"),
    ("system", "System", "/settings/system"),
)
#: Repositories on one page; more are found by a part of their name.
_MOST_SHOWN = 200
FORGES = (
    ("", "as its address says"),
    (ForgeKind.GITHUB, "GitHub"),
    (ForgeKind.GITLAB, "GitLab"),
    (ForgeKind.GITEA, "Gitea or Forgejo"),
    (ForgeKind.GIT, "none: it is asked for news"),
    (ForgeKind.HEADWAY, "Headway hosts it"),
)


async def show(visit: Visit, template: str, tab: str, title: str, **values: Any) -> PageResponse:
    """A page of the settings, with its ways beside it."""
    return await visit.page(template, title=title, here="settings", tab=tab, settings_ways=WAYS, **values)


@get("/settings")
async def settings(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    return go("/settings/repositories" if visit.may_add_repository else "/settings/you")


# Repositories


@get("/settings/repositories")
async def repositories(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    found = await visit.read(all_repositories)
    return await _repositories(visit, found)


async def _repositories(visit: Visit, found: list[Repository]) -> PageResponse:
    search = visit.query.get("q", "")[:200]
    matching = [one for one in found if search.lower() in one.name.lower()]
    # Those that cannot be reached first: somebody has to look.
    matching.sort(key=lambda one: (one.faults == 0, one.name))
    return await show(
        visit,
        "settings_repositories.html",
        "repositories",
        "Repositories",
        repositories=matching[:_MOST_SHOWN],
        more=max(0, len(matching) - _MOST_SHOWN),
        total=len(found),
        search=search,
        forges=FORGES,
        may_add=visit.may_add_repository,
    )


@post("/settings/repositories")
async def add_repository(request: PageRequest) -> PageResponse:
    """Answers with the page itself: the webhook's secret is shown this once, and stands in no address."""
    visit = await enter(request)
    form = await visit.form()
    forge = form.get("forge", "")
    hosted = forge == ForgeKind.HEADWAY
    added = await visit.server.repositories.add(
        visit.actor,
        name=form.get("name", "").strip(),
        url="" if hosted else form.get("url", "").strip(),
        forge=ForgeKind(forge) if forge in set(ForgeKind) else None,
        token=form.get("token", "").strip() or None,
        default_branch=form.get("branch", "").strip() or None,
    )
    return await _with_secret(visit, added.repository, added.hook_secret, "is connected")


async def _with_secret(visit: Visit, repository: Repository, secret: str, done: str) -> PageResponse:
    return await show(
        visit,
        "settings_secret_once.html",
        "repositories",
        repository.name,
        repository=repository,
        secret=secret,
        done=done,
        hook=f"{visit.server.base_url}/hooks/{repository.id}",
        git=f"{visit.server.base_url}/git/{repository.name}.git",
    )


@get("/settings/repositories/{id:str}")
async def repository(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    id = visit.path["id"]
    view = await visit.read(lambda tx: read_repository(tx, id))
    if view is None:
        raise NothingThere("There is no such repository; it may have been removed.")
    return await show(
        visit,
        "settings_repository.html",
        "repositories",
        view.repository.name,
        view=view,
        may_change=visit.may_add_repository,
        hook=f"{visit.server.base_url}/hooks/{id}",
        git=f"{visit.server.base_url}/git/{view.repository.name}.git",
    )


@get("/settings/repositories/{id:str}/{deed:str}")
async def ask_repository(request: PageRequest) -> PageResponse:
    visit, found = await _repository(request)
    visit.need(Action.REPOSITORY_ADD)
    consequence = {
        "remove": Consequence(
            f"Remove {found.name}?",
            "Headway no longer looks at it and answers none of its webhooks. Its runs, releases and deployments stay; "
            "its webhook's secret and its token are deleted.",
            f"Remove {found.name}",
            danger=True,
        ),
        "renew-secret": Consequence(
            f"Make a new webhook secret for {found.name}?",
            "The one before is no longer accepted at once: set the new one at the forge right after. Polling goes on.",
            "Make a new secret",
        ),
    }.get(visit.path["deed"])
    if consequence is None:
        raise NothingThere("A repository can be looked at, removed, and given a new secret.")
    return await visit.ask(consequence, leave=f"/settings/repositories/{segment(found.id)}")


@post("/settings/repositories/{id:str}/{deed:str}")
async def change_repository(request: PageRequest) -> PageResponse:
    visit, found = await _repository(request)
    deed, known = visit.path["deed"], visit.server.repositories
    here = f"/settings/repositories/{segment(found.id)}"
    if deed == "look":
        visit.need(Action.RUN_START, found.team)
        await known.look_soon(found.id)
        visit.server.duties.wake("look")
        return visit.done(here, "It is asked for news now.")
    if deed == "remove":
        await known.remove(visit.actor, found)
        return visit.done("/settings/repositories", f"{found.name} is removed.")
    if deed == "renew-secret":
        secret = await known.renew_hook_secret(visit.actor, found)
        return await _with_secret(visit, found, secret, "has a new secret")
    raise NothingThere("A repository can be looked at, removed, and given a new secret.")


async def _repository(request: PageRequest) -> tuple[Visit, Repository]:
    visit = await enter(request)
    found = await visit.server.repositories.by_id(visit.path["id"])
    if found is None:
        raise NothingThere("There is no such repository; it may have been removed.")
    return visit, found


# The organisation and the system


@get("/settings/organisation")
async def organisation(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    keeper = visit.server.org
    # The text may name people's addresses: the file itself is for who administers.
    text = keeper.text if visit.may(Action.SYSTEM_SETTINGS) else ""
    return await show(
        visit,
        "settings_organisation.html",
        "organisation",
        "Organisation",
        keeper=keeper,
        org=keeper.current,
        text=text,
    )


@get("/settings/system")
async def system(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    server = visit.server
    outbox, sizes = await asyncio.gather(
        visit.read(read_outbox), server.disk.sizes(server.database, visit.now)
    )
    return await show(
        visit,
        "settings_system.html",
        "system",
        "System",
        version=__version__,
        server=server,
        duties=server.duties.all,
        troubles=server.troubles.at(visit.now),
        disk=server.disk.state,
        sizes=sizes,
        outbox=outbox,
        data=str(server.settings.data) if visit.may(Action.SYSTEM_SETTINGS) else "",
        dialect="SQLite" if server.database.dialect == "sqlite" else "PostgreSQL",
    )


ROUTES = [
    settings,
    repositories,
    add_repository,
    repository,
    ask_repository,
    change_repository,
    organisation,
    system,
]
