"""The page of one request: what it waits for, who said what; asking for a deployment, approving, taking back."""

import asyncio
import logging
from collections.abc import Mapping
from urllib.parse import urlencode

from litestar import get, post

from headway.base.errors import HeadwayError
from headway.domain.deployment import DeploymentKind
from headway.domain.release import Release
from headway.engine.permissions import Action, to_steer
from headway.engine.requests.requests import Approving, Requests
from headway.engine.standing.what_runs import live_deployment, read_what_runs
from headway.engine.views.deployments import RequestView, read_request, usual
from headway.engine.views.hosts import natural
from headway.store.database import Transaction
from headway.store.deployments import environments_of
from headway.store.releases import get_release
from headway.web import words
from headway.web.asking import Consequence, Field, left_out, requests_of, without
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
    may_speak = stands and visit.may(Action.DEPLOYMENT_APPROVE, team)
    wants_approval = any(one.kind == "approval" for one in view.request.obstacles)
    approving = await _approving(visit, view) if may_speak and wants_approval else None
    it = view.request
    may_withdraw = stands and await visit.may_there(to_steer(it.kind), it.service, it.environment)
    return await visit.page(
        "request.html",
        title=f"{view.request.service} to {view.request.environment}",
        here="deployments",
        view=view,
        base=_address(view),
        may_speak=may_speak,
        wants_approval=wants_approval,
        why_not_approve=approving.why_not if approving else "",
        may_withdraw=may_withdraw,
        leave_out=await _leave_out(visit, view) if may_withdraw else "",
    )


async def _approving(visit: Visit, view: RequestView) -> Approving | None:
    """None where it cannot be told now: saying it will tell."""
    try:
        return await _requests(visit).approving(visit.actor, view.request)
    except (HeadwayError, OSError) as error:
        log.info("what an approval of %s needs cannot be read: %s", view.request.id, error)
        return None


async def _leave_out(visit: Visit, view: RequestView) -> str:
    """Where the same can be asked for without a host that is away; empty where that makes no sense."""
    it = view.request
    if not any(one.kind in ("fault", "lock") for one in it.obstacles):
        return ""
    service = segment(it.service)
    if it.kind is not DeploymentKind.ROLLBACK:
        kind = "again" if it.force else str(it.kind)
        query = urlencode({"environment": it.environment, "kind": kind})
        return f"/services/{service}/releases/{segment(it.release)}/deploy?{query}"
    if view.live is None:
        return ""
    return f"/services/{service}/deployments/{view.live.number}/roll-back?{urlencode({'to': it.release})}"


@get("/services/{service:str}/requests/{id:str}/{word:str}")
async def word_page(request: PageRequest) -> PageResponse:
    """Before approving, refusing or withdrawing."""
    visit = await enter(request)
    consequence, leave = await _word_sheet(visit)
    return await visit.ask(consequence, leave=leave)


async def _word_sheet(visit: Visit) -> tuple[Consequence, str]:
    view, word = await _found(visit), visit.path["word"]
    team = await visit.team_of(view.request.service)
    approving = await _approving(visit, view) if word == "approve" and requests_of(visit.server) else None
    consequence = _consequence(view, word, needs_comment=approving is not None and approving.needs_comment)
    if consequence is None:
        raise NothingThere("A request can be approved, refused or withdrawn.")
    if word == "withdraw":
        await visit.need_there(to_steer(view.request.kind), view.request.service, view.request.environment)
    else:
        visit.need(Action.DEPLOYMENT_APPROVE, team)
    return consequence, _address(view)


@post("/services/{service:str}/requests/{id:str}/{word:str}")
async def say_word(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    return await visit.answer(lambda: _say(visit), lambda: _word_sheet(visit))


async def _say(visit: Visit) -> PageResponse:
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


def _consequence(view: RequestView, word: str, *, needs_comment: bool) -> Consequence | None:
    it = view.request
    facts = [
        ("Release", f"{it.release} ({words.short(it.commit)})"),
        ("To", f"{it.environment} of {it.service}"),
    ]
    if it.without:
        facts.append(("Without", ", ".join(it.without)))
    if view.usual:
        facts.append(("On", words.count(max(0, view.usual.hosts - len(it.without)), "host")))
        facts.append(("Last time", f"deployment {view.usual.number} took {words.duration(view.usual.took)}"))
    comment = Field(
        "comment", "Comment", "Others read it on this page and in the audit.", rows=3, required=needs_comment
    )
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
    consequence, leave = await _deploy_sheet(visit, visit.query)
    return await visit.ask(consequence, leave=leave)


async def _deploy_sheet(visit: Visit, wanted: Mapping[str, str]) -> tuple[Consequence, str]:
    service, id = visit.path["service"], visit.path["id"]
    visit.need(Action.DEPLOYMENT_REQUEST, await visit.team_of(service))
    release = await visit.read(lambda tx: get_release(tx, id))
    if release is None or release.service != service:
        raise NothingThere(f"{service} has no release {id}.")
    names = await environments(_requests(visit), release)
    if not names:
        raise NothingThere(
            f"The headway.toml of this release of {service} names no environment to deploy to: add one, and make a release."
        )
    chosen = wanted.get("environment") or names[0]
    kind = wanted.get("kind") or "planned"
    consequence = await visit.read(lambda tx: _deploy_consequence(tx, release, names, chosen, kind))
    return consequence, f"/services/{segment(service)}/releases/{segment(id)}"


@post("/services/{service:str}/releases/{id:str}/deploy")
async def deploy(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    form, service = await visit.form(), visit.path["service"]

    async def do() -> PageResponse:
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

    return await visit.answer(do, lambda: _deploy_sheet(visit, form))


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


def _deploy_consequence(
    tx: Transaction, release: Release, names: list[str], chosen: str, kind: str
) -> Consequence:
    """Of one environment: what is said is true of that one, and the button names it."""
    base = f"/services/{segment(release.service)}/releases/{segment(release.id)}/deploy"
    facts = [("Release", f"{release.id} ({words.short(release.commit)})"), ("To", chosen)]
    live = live_deployment(tx, release.service, chosen)
    before = usual(tx, release.service, chosen)
    runs = read_what_runs(tx, release.service, chosen)
    if runs.hosts and not runs.is_whole:
        facts.append((f"Live in {chosen}", runs.sentence))
    elif live is not None:
        same = live.release == release.id
        facts.append((f"Live in {chosen}", f"{live.release}{', this very release' if same else ''}"))
    if before is not None:
        facts.append(
            ("Last time there", f"{words.count(before.hosts, 'host')}, {words.duration(before.took)}")
        )
    return Consequence(
        f"Deploy {words.short(release.id)} of {release.service} to {chosen}?",
        "It stands at the gate of the environment until nothing is in its way: the environment before it, approvals, "
        "freezes. Then it goes host by host, and goes back by itself when a host is not healthy.",
        f"Ask to deploy to {chosen}",
        facts=facts,
        choose="Where to",
        choices=[(name, f"{base}?{urlencode({'environment': name})}", name == chosen) for name in names],
        hidden={"environment": chosen},
        fields=[
            Field(
                "kind",
                "Kind",
                "A hotfix repairs what is live: where the last deployment failed it passes freezes that say so, and the metrics count it as repair.",
                choices=[
                    ("planned", "planned"),
                    ("hotfix", "hotfix"),
                    ("again", "again, although it is live with these settings"),
                ],
                value=kind,
            ),
            without(sorted((one.host for one in runs.hosts), key=natural)),
        ],
    )


def _requests(visit: Visit) -> Requests:
    found = requests_of(visit.server)
    if found is None:
        raise NothingThere("This server leaves deployments to another one; ask there.")
    return found


ROUTES = [request_page, word_page, say_word, deploy_page, deploy]
