"""What jobs printed and made: logs byte by byte, with their steps, and artifacts."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, TypedDict
from urllib.parse import quote

from litestar.params import QueryParameter
from litestar.response import Stream

from headway.api.access import ApiRequest, looker
from headway.api.routes import Flag, Name, Wanted, reads
from headway.api.runs import run_of
from headway.base.errors import WrongUse
from headway.domain.release import Artifact
from headway.drivers.artifacts import ArtifactGone
from headway.drivers.logfile import LogFile, log_exists
from headway.engine.server.server import Server
from headway.engine.views.logs import JobLog, job_log
from headway.store import job_results, jobs
from headway.store.database import Transaction
from headway.store.releases import get_release
from headway.wire.shapes import RunLogsDocument, StepDocument, job_log_json, run_json, step_json

_PIECE = 256 * 1024
#: Seconds: a log that grows is looked at so often, and a connection over which nothing goes is ended after so long.
_LOOK_EVERY, _LONGEST_SILENCE = 0.1, 300.0
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
#: What jobs made is somebody else's: a browser that opens it runs nothing.
_SANDBOX = {"Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff"}

Attempt = Annotated[int | None, QueryParameter(ge=1, le=10_000)]
Offset = Annotated[int | None, QueryParameter(ge=0, le=10**15)]


class StepsDocument(TypedDict):
    attempt: int
    steps: list[StepDocument]


class UnknownLog(WrongUse):
    http_status = 404


class UnknownArtifact(WrongUse):
    http_status = 404


class ArtifactRemoved(WrongUse):
    """Retention let it go."""

    http_status = 410


class RangeWrong(WrongUse):
    http_status = 416


@reads(
    "/api/runs/{id:str}/logs", id="getRunLogs", does="The run's jobs with steps and sizes of logs.", of="runs"
)
async def run_logs(request: ApiRequest, id: Name) -> RunLogsDocument:
    server = await looker(request)
    run = await run_of(server, id)

    def read(tx: Transaction) -> list[JobLog]:
        found = jobs.jobs_of(tx, run.id)
        return [
            JobLog(job, job.attempt, tuple(job_results.steps_of(tx, job.id, job.attempt))) for job in found
        ]

    logs = await server.database.fetch(read)
    sizes = await asyncio.to_thread(lambda: [_size(server, log) for log in logs])
    return {
        "run": run_json(run),
        "jobs": [
            job_log_json(
                log.job,
                log.steps,
                log=None if size is None else f"{server.base_url}/api/jobs/{log.job.id}/log",
                size=size or 0,
            )
            for log, size in zip(logs, sizes, strict=True)
        ],
    }


@reads(
    "/api/jobs/{job:str}/steps",
    id="getSteps",
    does="The steps of a job's attempt, with their places in its log.",
    of="runs",
)
async def steps(request: ApiRequest, job: Name, attempt: Attempt = None) -> StepsDocument:
    server = await looker(request)
    place = await server.database.fetch(lambda tx: job_log(tx, job, attempt, with_steps=True))
    if place is None:
        raise _no_log(job)
    return {"attempt": place.attempt, "steps": [step_json(step) for step in place.steps]}


@reads(
    "/api/jobs/{job:str}/log",
    id="getLog",
    does="The masked log of a job's attempt, as bytes.",
    of="runs",
    media_type="text/plain",
)
async def log(
    request: ApiRequest,
    *,
    job: Name,
    attempt: Attempt = None,
    offset: Offset = None,
    follow: Flag = False,
    limit: Offset = None,
) -> Stream:
    """From `offset` on (or as a `Range` says, answered with 206), at most `limit` bytes. With `follow` the answer ends
    when the attempt does, and begins to wait where the log ends. `Headway-Attempt` names the attempt, `Headway-Over`
    says whether it has ended: who was cut off asks again with the number of bytes that it has.
    """
    server = await looker(request)
    place = await server.database.fetch(lambda tx: job_log(tx, job, attempt))
    if place is None:
        raise _no_log(job)
    file = LogFile(server.tools.log(place.job, place.attempt))
    start, end, is_part = offset or 0, None if limit is None else (offset or 0) + limit, False
    size = await asyncio.to_thread(lambda: file.size)
    if (asked := _RANGE.fullmatch(request.headers.get("range", ""))) and offset is None and not follow:
        start, is_part = int(asked[1]), True
        end = int(asked[2]) + 1 if asked[2] else size
        if start >= size or end <= start:
            file.close()
            raise RangeWrong(f"the log has {size} bytes", hint="ask from there on when it has grown")
    headers = {
        "Headway-Attempt": str(place.attempt),
        "Headway-Over": "true" if place.is_over else "false",
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store, private",
        **_SANDBOX,
    }
    if not follow:
        stop = min(size, size if end is None else end)
        headers["Content-Length"] = str(max(0, stop - start))
        if is_part:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        pieces = _pieces(file, start, stop)
    else:
        pieces = _growing(server, file, place, start)
    return Stream(
        pieces, status_code=206 if is_part else 200, media_type="text/plain; charset=utf-8", headers=headers
    )


@reads(
    "/api/runs/{id:str}/artifact",
    id="getRunArtifact",
    does="A file that a job of the run made.",
    of="runs",
    media_type="application/octet-stream",
)
async def run_artifact(
    request: ApiRequest, id: Name, path: Annotated[str, QueryParameter(max_length=1000)], job: Wanted = None
) -> Stream:
    """`job` is the job's id, where several made a file of that path."""
    server = await looker(request)
    run = await run_of(server, id)
    found = await server.database.fetch(lambda tx: job_results.artifacts_of_run(tx, run.id))
    for made_by, artifact in found:
        if artifact.path == path and job in (None, made_by):
            return await send_artifact(server, artifact)
    raise UnknownArtifact(
        f"no job of run {run.number} made '{path[:200]}'", hint="GET /api/runs/ID lists them"
    )


@reads(
    "/api/releases/{id:str}/artifact",
    id="getReleaseArtifact",
    does="A file of a release.",
    of="releases",
    media_type="application/octet-stream",
)
async def release_artifact(
    request: ApiRequest, id: Name, path: Annotated[str, QueryParameter(max_length=1000)]
) -> Stream:
    server = await looker(request)
    release = await server.database.fetch(lambda tx: get_release(tx, id))
    for artifact in release.artifacts if release is not None else ():
        if artifact.path == path:
            return await send_artifact(server, artifact)
    raise UnknownArtifact(f"there is no '{path[:200]}' in a release {id[:60]}")


async def send_artifact(server: Server, artifact: Artifact) -> Stream:
    """Raises ArtifactRemoved."""
    try:
        place = await asyncio.to_thread(server.tools.artifacts.path_of, artifact)
    except ArtifactGone as error:
        raise ArtifactRemoved(error.message, hint="run it again to make it anew") from error
    name = artifact.path.rpartition("/")[2]
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Length": str(artifact.size),
        "ETag": f'"{artifact.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        **_SANDBOX,
    }
    return Stream(send_file(place), media_type="application/octet-stream", headers=headers)


async def send_file(place: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(place.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


def _no_log(job: str) -> UnknownLog:
    return UnknownLog(f"there is no job '{job[:60]}', or no such attempt", hint="GET /api/runs/ID/logs")


def _size(server: Server, log: JobLog) -> int | None:
    path = server.tools.log(log.job, log.attempt)
    if not log_exists(path):
        return None
    with LogFile(path) as file:
        return file.size


async def _pieces(file: LogFile, start: int, end: int) -> AsyncIterator[bytes]:
    with file:
        while start < end:
            piece = await asyncio.to_thread(file.read, start, min(_PIECE, end - start))
            if not piece:
                return
            start += len(piece)
            yield piece


async def _growing(server: Server, file: LogFile, place: JobLog, start: int) -> AsyncIterator[bytes]:
    """All of it until the attempt is over. Whether it is over is asked before the file: its end is written first."""
    clock = server.tools.clock
    moved_at = clock.monotonic()
    with file:
        while not server.duties.is_stopping and clock.monotonic() - moved_at < _LONGEST_SILENCE:
            now = await server.database.fetch(lambda tx: job_log(tx, place.job.id, place.attempt))
            is_over = now is None or now.is_over
            while piece := await asyncio.to_thread(file.read, start, _PIECE):
                start, moved_at = start + len(piece), clock.monotonic()
                yield piece
            if is_over:
                return
            await clock.sleep(_LOOK_EVERY)


ROUTES = (run_logs, steps, log, run_artifact, release_artifact)
