"""`/healthz` (alive), `/readyz` (able), `/metrics` for Prometheus. Open to everybody: they tell nothing of anybody."""

import asyncio
import logging
import resource
from datetime import datetime
from typing import Any, TypedDict

from litestar import Request, Response, get
from litestar.datastructures import State
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from headway import __version__
from headway.api.access import ApiRequest, caller, looker, server_of
from headway.api.routes import reads
from headway.base.errors import HeadwayError
from headway.engine.permissions import Action
from headway.engine.server.server import Server
from headway.store.system import Counts, count_all

#: Seconds within which the database has to answer.
_PATIENCE = 2.0
#: Seconds for which the counts of the metrics are good.
_COUNTED_EVERY = 2.0
_TURN = asyncio.Semaphore(1)

log = logging.getLogger("headway.api")


@get("/healthz", operation_id="health", summary="The process is alive.", tags=["system"], security=[{}])
async def healthz() -> dict[str, str]:
    return {"status": "alive", "version": __version__}


@get(
    "/readyz",
    operation_id="readiness",
    summary="It can do its work: nothing keeps it from it.",
    tags=["system"],
    security=[{}],
)
async def readyz(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    server = server_of(request)
    faults = [trouble.public for trouble in server.troubles.at(server.now()) if trouble.public]
    if server.duties.is_stopping:
        faults.append("it is stopping")
    try:
        async with asyncio.timeout(_PATIENCE):
            await server.database.fetch(lambda tx: tx.one("SELECT 1 AS one"))
    except (HeadwayError, TimeoutError) as error:
        # Its own words may name the host and the user, and anybody may ask here.
        log.warning("not ready: %s", error or "the database is too slow")
        faults.append("the database does not answer; the server's log says why")
    told = {"status": "ready" if not faults else "not ready", "faults": faults}
    return Response(told, status_code=200 if not faults else 503)


@get("/metrics", operation_id="metrics", summary="For Prometheus.", tags=["system"], include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    server = server_of(request)
    counts = await _counted(request.app.state, server)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(server, counts))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _counted(state: State, server: Server) -> Counts:
    """Not anew for each who asks: it looks through all runs, and anybody may ask."""
    async with _TURN:
        found: tuple[float, Server, Counts] | None = state.get("counted")
        now = server.tools.clock.monotonic()
        if found is not None and found[1] is server and now - found[0] < _COUNTED_EVERY:
            return found[2]
        counts = await server.database.fetch(count_all)
        state.counted = (now, server, counts)
        return counts


class DutyDocument(TypedDict):
    name: str
    looked_at: datetime | None
    failures: int
    fault: str


class SystemDocument(TypedDict):
    version: str
    url: str
    started_at: datetime
    now: datetime
    #: Sentences that every page shows until they are no longer true.
    warnings: list[str]
    duties: list[DutyDocument]
    slots: int
    jobs_running: int
    jobs_waiting: int
    disk_free: int
    disk_total: int
    database: str
    #: Names of its own variables that it hands to a job whose `pass_env` asks for them.
    job_variables: list[str]


class SizesDocument(TypedDict):
    measured_at: datetime
    database: int
    folders: dict[str, int]


class MeDocument(TypedDict):
    handle: str
    role: str
    teams: dict[str, str]
    #: None: all that the role allows.
    scopes: list[str] | None
    by: str


@reads("/api/me", id="whoAmI", does="Who calls, and what they may.", of="system")
async def me(request: ApiRequest) -> MeDocument:
    actor = await caller(request, Action.LOOK)
    scopes: list[str] | None = None if actor.scopes is None else sorted(map(str, actor.scopes))
    teams: dict[str, str] = dict(actor.teams)
    return {"handle": actor.name, "role": actor.role, "teams": teams, "scopes": scopes, "by": actor.by}


@reads("/api/system", id="showSystem", does="The server itself: its loops, slots, disk.", of="system")
async def system(request: ApiRequest) -> SystemDocument:
    server = await looker(request)
    return {
        "version": __version__,
        "url": server.base_url,
        "started_at": server.started_at,
        "now": server.now(),
        "warnings": list(server.warnings.values()),
        "duties": [
            {"name": duty.name, "looked_at": duty.ended_at, "failures": duty.failures, "fault": duty.fault}
            for duty in server.duties.all
        ],
        "slots": server.slots.capacity,
        "jobs_running": server.slots.held,
        "jobs_waiting": server.slots.waiting,
        "disk_free": server.disk.state.free,
        "disk_total": server.disk.state.total,
        "database": server.settings.database_url.partition(":")[0],
        "job_variables": sorted(
            (server.settings.job_variables or set()) & server.settings.environment.keys()
        ),
    }


@reads(
    "/api/system/sizes",
    id="showSizes",
    does="What takes how much room; measured every five minutes at most.",
    of="system",
)
async def sizes(request: ApiRequest) -> SizesDocument:
    server = await looker(request)
    found = await server.disk.sizes(server.database, server.now())
    folders = {name: size.bytes for name, size in found.folders.items()}
    return {"measured_at": found.measured_at, "database": found.database, "folders": folders}


class _Numbers:
    """Read when asked for: nothing is counted along the way that the rows do not tell."""

    def __init__(self, server: Server, counts: Counts) -> None:
        self._server = server
        self._counts = counts

    def collect(self) -> Any:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        server, counts = self._server, self._counts
        runs = CounterMetricFamily("headway_runs", "Runs that have ended, by state.", labels=["state"])
        for state, number in counts.ended_runs.items():
            runs.add_metric([state], number)
        yield runs
        deployments = CounterMetricFamily(
            "headway_deployments", "Deployments that have ended, by state.", labels=["state"]
        )
        for state, number in counts.ended_deployments.items():
            deployments.add_metric([state], number)
        yield deployments
        now = server.now()
        behind = GaugeMetricFamily(
            "headway_duty_silence_seconds", "Since a loop last looked.", labels=["duty"]
        )
        failures = GaugeMetricFamily("headway_duty_failures", "Failed ticks in a row.", labels=["duty"])
        for duty in server.duties.all:
            failures.add_metric([duty.name], duty.failures)
            if duty.ended_at is not None:
                behind.add_metric([duty.name], max(0.0, (now - duty.ended_at).total_seconds()))
        yield behind
        yield failures
        gauges = {
            "headway_arrivals_waiting": ("Told by repositories, not yet worked on.", counts.waiting_arrivals),
            "headway_outbox_waiting": ("To be sent.", counts.waiting_outbox),
            "headway_runs_unfinished": ("Queued and running.", counts.unfinished_runs),
            "headway_deployments_stalled": (
                "Unfinished and not moved for longer than their timeout.",
                len(server.stalled.found),
            ),
            "headway_jobs_running": ("Holding slots.", server.slots.held),
            "headway_jobs_waiting": ("For slots or groups.", server.slots.waiting),
            "headway_slots": ("Of this machine.", server.slots.capacity),
            "headway_viewers": ("Streams of events that are open.", server.hub.readers),
            "headway_disk_free_bytes": ("Where the data lies.", server.disk.state.free),
            "headway_start_time_seconds": ("When the process began.", server.started_at.timestamp()),
            "headway_resident_bytes_peak": (
                "Memory at its highest.",
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            ),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value=float(value))


ROUTES = (healthz, readyz, metrics, me, system, sizes)
