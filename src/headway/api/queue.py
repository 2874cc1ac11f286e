"""What waits, and for what."""

from datetime import datetime
from typing import TypedDict

from headway.api.access import ApiRequest, looker
from headway.api.routes import reads
from headway.engine.views.queue import read_queue
from headway.store.views.queue import OpenRun
from headway.wire.shapes_delivery import RequestDocument, request_json


class OpenRunDocument(TypedDict):
    service: str
    number: int
    state: str
    branch: str | None
    who: str
    priority: int
    created_at: datetime
    started_at: datetime | None
    #: Empty for one that goes on; of one that runs and cannot go on, why.
    waits_for: str


class WaitingJobDocument(TypedDict):
    id: str
    service: str
    run: int
    name: str
    slots: int
    queued_at: datetime
    waits_for: str


class QueueDocument(TypedDict):
    slots: int
    slots_held: int
    running: list[OpenRunDocument]
    waiting: list[OpenRunDocument]
    jobs: list[WaitingJobDocument]
    requests: list[RequestDocument]


@reads(
    "/api/queue",
    id="getQueue",
    does="What runs, what waits (in the order of its turns), and for what.",
    of="system",
)
async def queue(request: ApiRequest) -> QueueDocument:
    server = await looker(request)
    explained, slots = server.runs.explain(), server.slots
    found = await server.database.fetch(
        lambda tx: read_queue(
            tx, explained=explained, held=slots.held, capacity=slots.capacity, now=server.now()
        )
    )
    return {
        "slots": found.capacity,
        "slots_held": found.held,
        "running": [_run(run, reason) for run, reason in found.running],
        "waiting": [_run(run, reason) for run, reason in found.waiting],
        "jobs": [
            {
                "id": one.job.id,
                "service": one.job.service,
                "run": one.job.number,
                "name": one.job.name,
                "slots": one.job.slots,
                "queued_at": one.job.queued_at,
                "waits_for": one.reason,
            }
            for one in found.jobs
        ],
        "requests": [request_json(one) for one in found.requests],
    }


def _run(run: OpenRun, reason: str) -> OpenRunDocument:
    return {
        "service": run.service,
        "number": run.number,
        "state": run.state,
        "branch": run.branch,
        "who": run.who,
        "priority": run.priority,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "waits_for": reason,
    }


ROUTES = (queue,)
