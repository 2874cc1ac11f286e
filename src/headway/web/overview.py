"""Pages across all services: hosts, the queue, the audit."""

from datetime import timedelta

from litestar import get

from headway.engine.audit import AuditFilter, AuditPage, list_entries
from headway.engine.permissions import Action
from headway.engine.views.hosts import read_host, read_hosts
from headway.engine.views.queue import read_queue
from headway.store.audit import actors
from headway.store.database import Transaction
from headway.store.views.hosts import IN_TROUBLE
from headway.web.visit import NothingThere, PageRequest, PageResponse, enter

_SPANS = {
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


@get("/hosts")
async def hosts(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    org, search = visit.server.org.current, visit.query.get("q", "")[:200]
    view = await visit.read(lambda tx: read_hosts(tx, org, search=search))
    return await visit.page("hosts.html", title="Hosts", here="hosts", view=view, search=search)


@get("/hosts/{name:str}")
async def host(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    org, name = visit.server.org.current, visit.path["name"]
    line = await visit.read(lambda tx: read_host(tx, org, name))
    if line is None:
        raise NothingThere(f"No file names a host {name}, and nothing was deployed to it.")
    return await visit.page("host.html", title=name, here="hosts", line=line, in_trouble=IN_TROUBLE)


@get("/queue")
async def queue(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    slots = visit.server.slots
    explained, held, capacity = visit.server.runs.explain(), slots.held, slots.capacity
    view = await visit.read(
        lambda tx: read_queue(tx, explained=explained, held=held, capacity=capacity, now=visit.now)
    )
    return await visit.page("queue.html", title="Queue", here="queue", view=view)


@get("/audit")
async def audit(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    visit.need(Action.AUDIT_LOOK)
    query = visit.query
    span = _SPANS.get(query.get("since", ""))
    wanted = AuditFilter(
        actor=query.get("actor") or None,
        action=query.get("action") or None,
        subject=query.get("subject") or None,
        since=visit.now - span if span else None,
    )

    def look(tx: Transaction) -> tuple[AuditPage, list[str]]:
        return list_entries(tx, wanted, cursor=query.get("before") or None), list(actors(tx))

    found, people = await visit.read(look)
    return await visit.page("audit.html", title="Audit", here="audit", found=found, people=people)


ROUTES = [hosts, host, queue, audit]
