"""Runs."""

from typing import Any

from litestar import Request, get

from headway.api.access import caller, server_of
from headway.engine.permissions import Action
from headway.store import runs
from headway.wire.shapes import run_json


@get("/api/runs", operation_id="listRuns", summary="Runs, newest first.", tags=["runs"])
async def list_runs(
    request: Request[Any, Any, Any], service: str | None = None, limit: int = 50
) -> dict[str, Any]:
    await caller(request, Action.LOOK)
    found = await server_of(request).database.fetch(
        lambda tx: runs.latest_runs(tx, service, limit=min(limit, 100))
    )
    return {"items": [run_json(run) for run in found], "next": None}


ROUTES = (list_runs,)
