"""Runs: the list, one of them with all it made, and what people do with them."""

from typing import Annotated, TypedDict

import msgspec
from litestar.params import JSONBody, PathParameter, QueryParameter

from headway.api.access import ApiRequest, actor_of, looker, server_of
from headway.api.routes import (
    Body,
    Cursor,
    Limit,
    Name,
    Text,
    Wanted,
    Word,
    key_of,
    place_of,
    posts,
    reads,
)
from headway.base.errors import WrongUse
from headway.domain.run import Run, TriggerEvent
from headway.domain.run_history import RunFilter
from headway.domain.states import State
from headway.engine.runs import control as runs_control
from headway.engine.server.server import Server
from headway.engine.views.runs import list_runs, waits
from headway.store import job_results, jobs, runs
from headway.store.database import Transaction
from headway.wire.shapes import RunDocument, RunSummaryDocument, run_json, summary_json

Number = Annotated[int, PathParameter(ge=1, le=10**12)]


class UnknownRun(WrongUse):
    http_status = 404


class RunPage(TypedDict):
    items: list[RunDocument]
    next: str | None


class WaitsDocument(TypedDict):
    #: Job id -> what it waits for, in words.
    waits: dict[str, str]


class Start(Body):
    """What a run by hand is made of."""

    #: The default branch, if not said.
    branch: Word | None = None
    #: As headway.toml declares them under [parameters].
    parameters: Annotated[dict[Word, Text], msgspec.Meta(max_length=100)] = msgspec.field(
        default_factory=dict
    )
    #: Names of jobs; all, if none is said.
    only: Annotated[list[Word], msgspec.Meta(max_length=200)] = msgspec.field(default_factory=list)
    #: The branch's head, if not said; a whole id.
    commit: Word | None = None


class Again(Body):
    #: Only the jobs that failed, with what they need.
    only_failed: bool = False


class Comment(Body):
    comment: Text = ""


@reads("/api/runs", id="listRuns", does="Runs, newest first.", of="runs")
async def list_all(
    request: ApiRequest,
    *,
    service: Wanted = None,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    branch: Wanted = None,
    event: Annotated[TriggerEvent | None, QueryParameter()] = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> RunPage:
    server = await looker(request)
    place_of(after)
    wanted = RunFilter(service=service, state=in_state, branch=branch, event=event)

    def read(tx: Transaction) -> RunPage:
        page = list_runs(tx, wanted, after, limit=limit)
        found = [runs.run_by_id(tx, line.id) for line in page.lines]
        return {"items": [run_json(run) for run in found if run is not None], "next": page.next}

    return await server.database.fetch(read)


@reads("/api/runs/{id:str}", id="getRun", does="One run: its jobs, failed tests, artifacts.", of="runs")
async def get_run(request: ApiRequest, id: Name) -> RunSummaryDocument:
    server = await looker(request)
    run = await run_of(server, id)
    return await server.database.fetch(lambda tx: read_summary(tx, run.id))


@reads(
    "/api/services/{service:str}/runs/{number:int}",
    id="getRunByNumber",
    does="One run by its service and number.",
    of="runs",
)
async def get_by_number(request: ApiRequest, service: Name, number: Number) -> RunSummaryDocument:
    server = await looker(request)
    run = await server.database.fetch(lambda tx: runs.run_by_number(tx, service, number))
    if run is None:
        raise UnknownRun(f"{service} has no run {number}", hint="headway logs lists the newest")
    return await server.database.fetch(lambda tx: read_summary(tx, run.id))


@reads("/api/runs/{id:str}/waits", id="getRunWaits", does="What each queued job waits for.", of="runs")
async def get_waits(request: ApiRequest, id: Name) -> WaitsDocument:
    server = await looker(request)
    run, explained = await run_of(server, id), server.runs.explain()
    found = await server.database.fetch(lambda tx: waits(run, jobs.jobs_of(tx, run.id), explained))
    return {"waits": found}


@posts("/api/services/{service:str}/runs", id="startRun", does="Start a run by hand.", of="runs")
async def start(request: ApiRequest, service: Name, data: JSONBody[Start]) -> RunDocument:
    """Of the head of a branch, or of a commit of it, with the parameters that its headway.toml declares."""
    made = await runs_control.start_manual(
        server_of(request).runs_context,
        await actor_of(request),
        service,
        data.branch,
        data.parameters,
        only=tuple(data.only),
        commit=data.commit,
        key=key_of(request),
    )
    return run_json(made)


@posts("/api/runs/{id:str}/rerun", id="rerun", does="A new run of the same commit.", of="runs")
async def rerun(request: ApiRequest, id: Name, data: JSONBody[Again]) -> RunDocument:
    server, actor = server_of(request), await actor_of(request)
    made = await runs_control.rerun(
        server.runs_context,
        actor,
        await run_of(server, id),
        only_failed=data.only_failed,
        key=key_of(request),
    )
    return run_json(made)


@posts("/api/runs/{id:str}/cancel", id="cancelRun", does="Stop a run.", of="runs", status_code=200)
async def cancel(request: ApiRequest, id: Name) -> RunDocument:
    """Its jobs are ended; the answer may show it before they have."""
    server, actor = server_of(request), await actor_of(request)
    return run_json(await runs_control.cancel_run(server.runs_context, actor, await run_of(server, id)))


@posts(
    "/api/runs/{id:str}/approve",
    id="approveRun",
    does="Let a run start that waits for a person, such as that of a stranger's pull request.",
    of="runs",
    status_code=200,
)
async def approve(request: ApiRequest, id: Name, data: JSONBody[Comment]) -> RunDocument:
    server, actor = server_of(request), await actor_of(request)
    return run_json(
        await runs_control.approve_run(server.runs_context, actor, await run_of(server, id), data.comment)
    )


async def run_of(server: Server, id: str) -> Run:
    """Raises UnknownRun."""
    found = await server.database.fetch(lambda tx: runs.run_by_id(tx, id))
    if found is None:
        raise UnknownRun(f"there is no run '{id[:60]}'", hint="headway logs lists the newest")
    return found


def read_summary(tx: Transaction, id: str) -> RunSummaryDocument:
    run = runs.run_by_id(tx, id)
    assert run is not None
    return summary_json(
        run,
        jobs.jobs_of(tx, id),
        job_results.bad_test_cases(tx, id),
        job_results.artifacts_of_run(tx, id),
    )


ROUTES = (list_all, get_run, get_by_number, get_waits, start, rerun, cancel, approve)
