"""The page of one request: what it waits for, who said what; asking for a deployment, approving, taking back."""

import asyncio
import logging

from litestar import get, post

from headway.base.errors import HeadwayError
from headway.domain.deployment import DeploymentKind
from headway.domain.release import Release
from headway.engine.deployment_standing import live_deployment
from headway.engine.permissions import Action
from headway.engine.requests import Requests
from headway.engine.views.deployments import RequestView, read_request, usual
from headway.store.database import Transaction
from headway.store.deployments import environments_of
from headway.store.releases import get_release
from headway.web import words
from headway.web.asking import WITHOUT, Consequence, Field, left_out, requests_of
from headway.web.rendering import segment
from headway.web.visit import NothingThere, PageRequest, PageResponse, Visit, enter

log = logging.getLogger("headway.web")


async def _found(visit: Visit) -> RequestView:
    service, id = visit.path["service"], visit.path["id"]
    view = await visit.read(lambda tx: read_request(tx, service, id))
    if view is None:
        raise NothingThere(f"{service} has no such request.")
    return view


def _address(view: RequestView) -> str:
    return f"/services/{segment(view.request.service)}/requests/{segment(view.request.id)}"


@get("/services/{service:str}/requests/{id:str}")
async def request_page(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    view = await _found(visit)
    team = await visit.team_of(view.request.service)
    stands = view.request.state == "waiting" and requests_of(visit.server) is not None
    return await visit.page(
        "request.html",
        title=f"{view.request.service} to {view.request.environment}",
        here="deployments",
        view=view,
        base=_address(view),
        may_speak=stands and visit.may(Action.DEPLOYMENT_APPROVE, team),
        wants_approval=any(one.kind == "approval" for one in view.request.obstacles),
        may_withdraw=stands and visit.may(Action.DEPLOYMENT_REQUEST, team),
    )


@get("/services/{service:str}/requests/{id:str}/{word:str}")
async def word_page(request: PageRequest) -> PageResponse:
    """Before approving, refusing or withdrawing."""
    visit = await enter(request)
    view, word = await _found(visit), visit.path["word"]
    team = await visit.team_of(view.request.service)
    consequence = _consequence(view, word)
    if consequence is None:
        raise NothingThere("A request can be approved, refused or withdrawn.")
    visit.need(Action.DEPLOYMENT_REQUEST if word == "withdraw" else Action.DEPLOYMENT_APPROVE, team)
    return await visit.ask(consequence, leave=_address(view))


@post("/services/{service:str}/requests/{id:str}/{word:str}")
async def say_word(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    view, word = await _found(visit), visit.path["word"]
    requests, comment = _requests(visit), (await visit.form()).get("comment", "")
    if word in ("approve", "refuse"):
        await requests.approve(visit.actor, view.request.id, yes=word == "approve", comment=comment)
    elif word == "withdraw":
        await requests.withdraw(visit.actor, view.request.id, comment)
    else:
        raise NothingThere("A request can be approved, refused or withdrawn.")
    said = {"approve": "You approved it.", "refuse": "You refused it.", "withdraw": "It is withdrawn."}[word]
    return visit.done(_address(view), said)


def _consequence(view: RequestView, word: str) -> Consequence | None:
    it = view.request
    facts = [
        ("Release", f"{it.release} ({words.short(it.commit)})"),
        ("To", f"{it.environment} of {it.service}"),
    ]
    if it.without:
        facts.append(("Without", ", ".join(it.without)))
    if view.usual:
        facts.append(("On", words.count(view.usual.hosts, "host")))
        facts.append(("Last time", f"deployment {view.usual.number} took {words.duration(view.usual.took)}"))
    comment = Field("comment", "Comment", "Others read it on this page and in the audit.", rows=3)
    if word == "approve":
        return Consequence(
            f"Approve {it.release} for {it.environment}?",
            "Your approval counts until it runs out. The deployment begins when nothing else stands in its way.",
            f"Approve for {it.environment}",
            facts=facts,
            fields=[comment],
        )
    if word == "refuse":
        return Consequence(
            f"Refuse {it.release} for {it.environment}?",
            "One no ends the request, whoever else approved it. It can be asked for again.",
            f"Refuse for {it.environment}",
            facts=facts,
            fields=[comment],
            danger=True,
        )
    if word == "withdraw":
        return Consequence(
            f"Withdraw the request for {it.environment}?",
            "It leaves the gate. Nothing was deployed by it.",
            "Withdraw the request",
            facts=facts,
            fields=[comment],
        )
    return None


# Asking for a deployment


@get("/services/{service:str}/releases/{id:str}/deploy")
async def deploy_page(request: PageRequest) -> PageResponse:
    """Where to, and what will happen there."""
    visit = await enter(request)
    service, id = visit.path["service"], visit.path["id"]
    visit.need(Action.DEPLOYMENT_REQUEST, await visit.team_of(service))
    release = await visit.read(lambda tx: get_release(tx, id))
    if release is None or release.service != service:
        raise NothingThere(f"{service} has no release {id}.")
    names = await environments(_requests(visit), release)
    chosen = visit.query.get("environment") or (names[0] if names else "")
    consequence = await visit.read(lambda tx: _deploy_consequence(tx, release, names, chosen))
    return await visit.ask(consequence, leave=f"/services/{segment(service)}/releases/{segment(id)}")


@post("/services/{service:str}/releases/{id:str}/deploy")
async def deploy(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    form, service = await visit.form(), visit.path["service"]
    made = await _requests(visit).request_deployment(
        visit.actor,
        service=service,
        environment=form.get("environment", ""),
        release=visit.path["id"],
        kind=DeploymentKind.HOTFIX if form.get("kind") == "hotfix" else DeploymentKind.PLANNED,
        force=form.get("kind") == "again",
        without=left_out(form),
    )
    return visit.done(f"/services/{segment(service)}/requests/{segment(made.id)}")


async def environments(requests: Requests, release: Release) -> list[str]:
    """What the release's own headway.toml declares; where that cannot be read, where the service was deployed to."""
    tools = requests.tools
    try:
        project = await asyncio.to_thread(
            tools.projects.of, release.repository, release.commit, release.service
        )
    except (HeadwayError, OSError) as error:
        log.info("the environments of %s cannot be read: %s", release.id, error)
        return await tools.database.fetch(lambda tx: environments_of(tx, release.service))
    return list(project.contract.environments)


def _deploy_consequence(tx: Transaction, release: Release, names: list[str], chosen: str) -> Consequence:
    live = live_deployment(tx, release.service, chosen) if chosen else None
    before = usual(tx, release.service, chosen) if chosen else None
    facts = [("Release", f"{release.id} ({words.short(release.commit)})")]
    if live is not None:
        same = live.release == release.id
        facts.append((f"Live in {chosen}", f"{live.release}{', this very release' if same else ''}"))
    if before is not None:
        facts.append(
            ("Last time there", f"{words.count(before.hosts, 'host')}, {words.duration(before.took)}")
        )
    return Consequence(
        f"Deploy {words.short(release.id)} of {release.service}?",
        "It stands at the gate of the environment until nothing is in its way: the environment before it, approvals, "
        "freezes. Then it goes host by host, and goes back by itself when a host is not healthy.",
        "Ask for the deployment",
        facts=facts,
        fields=[
            Field("environment", "To", choices=[(name, name) for name in names], value=chosen, required=True),
            Field(
                "kind",
                "Kind",
                "A hotfix repairs what is live: where the last deployment failed it passes freezes that say so, and the metrics count it as repair.",
                choices=[
                    ("planned", "planned"),
                    ("hotfix", "hotfix"),
                    ("again", "again, although it is live with these settings"),
                ],
            ),
            WITHOUT,
        ],
    )


def _requests(visit: Visit) -> Requests:
    found = requests_of(visit.server)
    if found is None:
        raise NothingThere("This server leaves deployments to another one; ask there.")
    return found


ROUTES = [request_page, word_page, say_word, deploy_page, deploy]
