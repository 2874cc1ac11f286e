"""The pages of deployments: the list with what stands at gates, one of them, and what can be asked of it."""

from collections.abc import Mapping

from litestar import get, post

from headway.base.errors import WrongUse
from headway.deploy.standing import WhatRuns
from headway.domain.deployment import Deployment
from headway.engine.deployments.rollback import target_of
from headway.engine.permissions import Action, to_steer
from headway.engine.standing.what_runs import live_deployment, read_what_runs
from headway.engine.views.deployments import DeploymentView, read_deployment, read_deployments, usual
from headway.engine.views.hosts import natural
from headway.engine.work_faults import WorkFault
from headway.store.database import Transaction
from headway.web import words
from headway.web.asking import Consequence, left_out, requests_of, without
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
    can_ask = requests_of(visit.server) is not None
    return await visit.page(
        "deployment.html",
        title=f"{service} deployment {view.deployment.number}",
        here="deployments",
        view=view,
        fault=_fault(visit, view.deployment),
        may_steer=can_ask
        and not view.deployment.state.is_final
        and await visit.may_there(to_steer(view.deployment.kind), service, view.deployment.environment),
        may_take_back=can_ask
        and not view.deployment.state.is_final
        and await visit.may_there(Action.DEPLOYMENT_ROLLBACK, service, view.deployment.environment),
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


#: Where hosts are to be left out of what goes back already.
_WITHOUT = (
    "Go on without a host",
    "It is no longer waited for; the others go on. The next deployment brings it to what they have.",
    False,
)


@get("/services/{service:str}/deployments/{number:int}/{asked:str}")
async def ask_page(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    consequence, leave = await _sheet(visit, visit.query)
    return await visit.ask(consequence, leave=leave)


async def _sheet(visit: Visit, wanted: Mapping[str, str]) -> tuple[Consequence, str]:
    view, asked = await _found(visit), visit.path["asked"]
    found = view.deployment
    leave = address(found.service, found.number)
    if asked == "roll-back":
        return await _rollback_sheet(visit, found, wanted.get("to") or None), leave
    if asked not in (*_ASKED, "without"):
        raise NothingThere("A deployment can be paused, stopped, taken back; nothing else.")
    is_back = asked in ("back", "without")
    await visit.need_there(to_steer(found.kind, back=is_back), found.service, found.environment)
    button, sentence, danger = _ASKED.get(asked, _WITHOUT)
    facts = [
        ("Deployment", f"{found.number} of {found.service} to {found.environment}"),
        ("Release", found.release),
        ("So far", f"{view.hosts_done} of {words.count(view.hosts, 'host')} serve it"),
    ]
    hosts = [host for batch in view.batches for host in batch if host.state != "left_out"]
    if asked == "back":
        before = sorted({host.previous_release or "nothing: it was the first there" for host in hosts})
        facts.append(("Back to", ", ".join(before)))
    if (fault := _fault(visit, found)) is not None:
        facts.append(
            ("Now", f"it cannot be driven: {fault.told}. What you ask is kept, and heeded as soon as it can")
        )
    fields = (
        [without(sorted((host.host for host in hosts), key=natural))] if asked in ("back", "without") else []
    )
    return Consequence(f"{button}?", sentence, button, facts=facts, danger=danger, fields=fields), leave


@post("/services/{service:str}/deployments/{number:int}/{asked:str}")
async def ask(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    form = await visit.form()
    return await visit.answer(lambda: _do(visit, form), lambda: _sheet(visit, form))


async def _do(visit: Visit, form: Mapping[str, str]) -> PageResponse:
    view, asked = await _found(visit), visit.path["asked"]
    found, requests = view.deployment, requests_of(visit.server)
    here = address(found.service, found.number)
    if requests is None or asked not in (*_ASKED, "roll-back", "without"):
        raise NothingThere("This server leaves deployments to another one.")
    left = left_out(form)
    if asked == "without" and not left:
        raise WrongUse("no host was named", hint="tick the one that is away")
    if asked in ("roll-back", "without") or (asked == "back" and left):
        going = await requests.request_rollback(
            visit.actor,
            service=found.service,
            environment=found.environment,
            to=(form.get("to") or None) if asked == "roll-back" else None,
            without=left,
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


async def _rollback_sheet(visit: Visit, found: Deployment, to: str | None) -> Consequence:
    """Says from what to what (None: the last good one), on how many hosts, how long it took the last time; or why there
    is no way back.

    It speaks of what is live now, whichever deployment's page led here."""
    await visit.need_there(Action.DEPLOYMENT_ROLLBACK, found.service, found.environment)
    service, environment = found.service, found.environment

    def look(tx: Transaction) -> Consequence:
        target = target_of(tx, service, environment, to=to, force=False)
        live, runs = live_deployment(tx, service, environment), read_what_runs(tx, service, environment)
        before = usual(tx, service, environment)
        facts = [("From", _from(live, runs)), ("To", f"{target.release} ({words.short(target.commit)})")]
        if live is not None and live.release == target.release:
            facts[1] = ("To", f"{facts[1][1]}, which most hosts have: the others are brought to it")
        elif to is None:
            facts[1] = ("To", f"{facts[1][1]}, the last good one before it")
        hosts = len(runs.hosts) or (before.hosts if before else 0)
        facts.append(("On", f"{words.count(hosts, 'host')}, half of them at a time"))
        if live is not None and live.id != found.id:
            facts.append(
                (
                    "Live is",
                    f"deployment {live.number}, and not deployment {found.number}, from which you come",
                )
            )
        if before:
            facts.append(("Last time", f"deployment {before.number} took {words.duration(before.took)}"))
        facts.append(("Settings", "those with which that release last ran"))
        return Consequence(
            f"Roll back {service} in {environment}?",
            "The hosts switch back to a release that they had before. Nothing is built; no approval is needed.",
            f"Roll back to {target.release}",
            facts=facts,
            danger=True,
            hidden={"to": target.release},
            fields=[without(sorted((one.host for one in runs.hosts), key=natural))],
        )

    return await visit.read(look)


def _from(live: Deployment | None, runs: WhatRuns) -> str:
    if live is None or (runs.hosts and not runs.is_whole):
        return runs.sentence
    return f"{live.release} ({words.short(live.commit)})"


ROUTES = [deployments, deployment, ask_page, ask]
