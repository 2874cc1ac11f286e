"""The pages of deployments: the list with what stands at gates, one of them, and what can be asked of it."""

from litestar import get, post

from headway.domain.deployment import Deployment
from headway.engine.deployment_rollback import target_of
from headway.engine.permissions import Action
from headway.engine.views.deployments import DeploymentView, read_deployment, read_deployments, usual
from headway.engine.work_faults import WorkFault
from headway.store.database import Transaction
from headway.web import words
from headway.web.asking import WITHOUT, Consequence, left_out, requests_of
from headway.web.rendering import segment
from headway.web.visit import NothingThere, PageRequest, PageResponse, Visit, enter

GROUPS = (
    ("", "All"),
    ("running", "Running"),
    ("waiting", "Waiting"),
    ("succeeded", "Succeeded"),
    ("failed", "Failed or taken back"),
    ("cancelled", "Cancelled"),
)


def address(service: str, number: int) -> str:
    return f"/services/{segment(service)}/deployments/{number}"


@get("/deployments")
async def deployments(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    query = visit.query
    view = await visit.read(
        lambda tx: read_deployments(
            tx,
            service=query.get("service", ""),
            environment=query.get("environment", ""),
            group=query.get("state", ""),
            before=query.get("before", ""),
        )
    )
    return await visit.page(
        "deployments.html", title="Deployments", here="deployments", view=view, groups=GROUPS
    )


async def _found(visit: Visit) -> DeploymentView:
    service, number = visit.path["service"], visit.path["number"]
    view = await visit.read(lambda tx: read_deployment(tx, service, number))
    if view is None:
        raise NothingThere(f"{service} has no deployment {number}.")
    return view


@get("/services/{service:str}/deployments/{number:int}")
async def deployment(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    view = await _found(visit)
    service = view.deployment.service
    team = await visit.team_of(service)
    can_ask = requests_of(visit.server) is not None
    return await visit.page(
        "deployment.html",
        title=f"{service} deployment {view.deployment.number}",
        here="deployments",
        view=view,
        fault=_fault(visit, view.deployment),
        may_steer=can_ask
        and visit.may(Action.DEPLOYMENT_REQUEST, team)
        and not view.deployment.state.is_final,
        may_go_back=can_ask
        and view.is_live
        and not view.deployment.origin
        and await visit.may_there(Action.DEPLOYMENT_ROLLBACK, service, view.deployment.environment),
        base=address(service, view.deployment.number),
    )


#: What can be asked of one that goes on: the button, and what will happen.
_ASKED = {
    "pause": ("Pause", "The steps at hand end, then nothing new begins until somebody lets it go on.", False),
    "go-on": ("Go on", "It goes on with the next host.", False),
    "stop": (
        "Stop here",
        "Hosts whose switch has begun are brought to serve the new release, the others keep what they have.",
        True,
    ),
    "back": ("Take it back", "Every host that was switched goes back to what it had before.", True),
}


@get("/services/{service:str}/deployments/{number:int}/{asked:str}")
async def ask_page(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    view, asked = await _found(visit), visit.path["asked"]
    found = view.deployment
    if asked == "roll-back":
        return await _rollback_page(visit, found)
    if asked not in _ASKED:
        raise NothingThere("A deployment can be paused, stopped, taken back; nothing else.")
    visit.need(Action.DEPLOYMENT_REQUEST, await visit.team_of(found.service))
    button, sentence, danger = _ASKED[asked]
    facts = [
        ("Deployment", f"{found.number} of {found.service} to {found.environment}"),
        ("Release", found.release),
        ("So far", f"{view.hosts_done} of {words.count(view.hosts, 'host')} serve it"),
    ]
    if (fault := _fault(visit, found)) is not None:
        facts.append(
            ("Now", f"it cannot be driven: {fault.told}. What you ask is kept, and heeded as soon as it can")
        )
    consequence = Consequence(f"{button}?", sentence, button, facts=facts, danger=danger)
    return await visit.ask(consequence, leave=address(found.service, found.number))


@post("/services/{service:str}/deployments/{number:int}/{asked:str}")
async def ask(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    view, asked = await _found(visit), visit.path["asked"]
    found, requests = view.deployment, requests_of(visit.server)
    here = address(found.service, found.number)
    if requests is None or asked not in (*_ASKED, "roll-back"):
        raise NothingThere("This server leaves deployments to another one.")
    if asked == "roll-back":
        form = await visit.form()
        going = await requests.request_rollback(
            visit.actor,
            service=found.service,
            environment=found.environment,
            to=form.get("to") or None,
            without=left_out(form),
        )
        if going.request is not None:
            return visit.done(f"/services/{segment(found.service)}/requests/{going.request.id}")
        return visit.done(here, _heeded(visit, found, "It goes back."))
    do = {"pause": requests.pause, "go-on": requests.go_on, "stop": requests.stop, "back": requests.go_back}
    await do[asked](visit.actor, found.id)
    return visit.done(here, _heeded(visit, found, f"Asked: {_ASKED[asked][0].lower()}."))


def _fault(visit: Visit, found: Deployment) -> WorkFault | None:
    """Why nobody can drive it now."""
    return None if found.state.is_final else visit.server.deployments.faults.of(found.id, visit.now)


def _heeded(visit: Visit, found: Deployment, said: str) -> str:
    if _fault(visit, found) is None:
        return said
    return f"{said} It cannot be heeded now: the deployment cannot be driven. It is kept, and heeded as soon as it can be."


async def _rollback_page(visit: Visit, found: Deployment) -> PageResponse:
    """Says from what to what, on how many hosts, how long it took the last time; or why there is no way back."""
    await visit.need_there(Action.DEPLOYMENT_ROLLBACK, found.service, found.environment)

    def look(tx: Transaction) -> Consequence:
        target = target_of(tx, found.service, found.environment, to=None, force=False)
        before = usual(tx, found.service, found.environment)
        hosts = before.hosts if before else 0
        facts = [
            ("From", f"{found.release} ({words.short(found.commit)})"),
            ("To", f"{target.release} ({words.short(target.commit)}), the last good one before it"),
            ("On", f"{words.count(hosts, 'host')}, half of them at a time"),
        ]
        if before:
            facts.append(("Last time", f"deployment {before.number} took {words.duration(before.took)}"))
        facts.append(("Settings", "those with which that release last ran"))
        return Consequence(
            f"Roll back {found.service} in {found.environment}?",
            "The hosts switch back to a release that they had before. Nothing is built; no approval is needed.",
            f"Roll back to {target.release}",
            facts=facts,
            danger=True,
            hidden={"to": target.release},
            fields=[WITHOUT],
        )

    consequence = await visit.read(look)
    return await visit.ask(consequence, leave=address(found.service, found.number))


ROUTES = [deployments, deployment, ask_page, ask]
