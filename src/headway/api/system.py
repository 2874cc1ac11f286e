"""`/healthz` (alive), `/readyz` (able), `/metrics` for Prometheus. Open to everybody: they tell nothing of anybody."""

import asyncio
import resource
from typing import Any

from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from headway import __version__
from headway.api.access import server_of
from headway.base.errors import HeadwayError
from headway.engine.server import Server
from headway.store.system import Counts, count_all

#: Seconds within which the database has to answer.
_PATIENCE = 2.0


@get("/healthz", operation_id="health", summary="The process is alive.", tags=["system"], security=[{}])
async def healthz() -> dict[str, str]:
    return {"status": "alive", "version": __version__}


@get(
    "/readyz",
    operation_id="readiness",
    summary="It can do its work: database and loops.",
    tags=["system"],
    security=[{}],
)
async def readyz(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    server = server_of(request)
    faults = list(server.duties.late(server.now()))
    if server.duties.is_stopping:
        faults.append("it is stopping")
    try:
        async with asyncio.timeout(_PATIENCE):
            await server.database.fetch(lambda tx: tx.one("SELECT 1 AS one"))
    except (HeadwayError, TimeoutError) as error:
        faults.append(f"the database does not answer: {error or 'too slow'}")
    told = {"status": "ready" if not faults else "not ready", "faults": faults}
    return Response(told, status_code=200 if not faults else 503)


@get("/metrics", operation_id="metrics", summary="For Prometheus.", tags=["system"], include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    server = server_of(request)
    counts = await server.database.fetch(count_all)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(server, counts))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


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
            "headway_jobs_running": ("Holding slots.", server.slots.held),
            "headway_jobs_waiting": ("For slots or groups.", len(server.slots.waiting())),
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


ROUTES = (healthz, readyz, metrics)
