"""A job's log for the log viewer: windows of lines, steps, search, the raw bytes. Lines count from 1.

A window's lines are text, or lists of (class, text) where colours are: the viewer sets text as text, so nothing that
a job prints is ever markup. Whoever follows a growing log asks again from the last line it has, which may have been
cut in its middle: so a broken connection loses and doubles nothing.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
from litestar import Response, get
from litestar.response import Stream

from headway.drivers.logfile import LogFile
from headway.engine.views.logs import JobLog, StepLines, job_log, lines_of_steps, where_it_broke
from headway.web import ansi
from headway.web.visit import NothingThere, NotSignedIn, PageRequest, Visit, enter

T = TypeVar("T")

#: Lines of one answer.
MOST_LINES = 2000
#: Matches of one answer; the viewer asks on from the last line that was looked through.
MOST_MATCHES = 2000
#: Bytes before a window in which the colour of its first line is looked for.
_BEFORE = 16 * 1024
_PIECE = 256 * 1024
_SMALLEST_TO_COMPRESS = 4096
_LONGEST_PATTERN = 200
#: Downloads are somebody else's bytes: they run nothing and ask for nothing.
SANDBOX = "default-src 'none'; sandbox"

Line = str | list[ansi.Span]


@get("/jobs/{job:str}/log")
async def lines(request: PageRequest) -> Response[bytes]:
    """`?attempt=&first=&count=`: `{first, lines, total, over, attempt, latest}`, fewer lines than asked for where they
    are long or not there yet."""
    first, count = _number(request, "first") or 1, _number(request, "count")
    return await _answer(request, lambda log, place: _window(log, first, 500 if count is None else count))


@get("/jobs/{job:str}/log/steps")
async def steps(request: PageRequest) -> Response[bytes]:
    """`{steps, broke, total, over, …}`: `broke` is the line of the first error of the step that failed, or null."""
    return await _answer(request, _steps, with_steps=True)


@get("/jobs/{job:str}/log/search")
async def search(request: PageRequest) -> Response[bytes]:
    """`?q=&first=`: `{lines, next}`: numbers of lines that hold `q`, whatever its case; `next`: where to go on, or null."""
    pattern = request.query_params.get("q", "")[:_LONGEST_PATTERN].replace("\n", " ").encode(errors="replace")
    first = _number(request, "first") or 1

    def look(log: LogFile, place: JobLog) -> dict[str, Any]:
        if not pattern:
            return {"lines": [], "next": None}
        found = log.search(pattern, first_line=first, limit=MOST_MATCHES, ignore_case=True)
        return {"lines": found.lines, "next": None if found.complete else found.scanned_to + 1}

    return await _answer(request, look)


@get("/jobs/{job:str}/log/raw")
async def raw(request: PageRequest) -> Stream:
    """All of it as it stands now, piece by piece."""
    visit = await enter(request)
    log, place = await _open(visit, with_steps=False)
    headers = {
        "Content-Disposition": f'inline; filename="{place.job.id}.{place.attempt}.log"',
        "Content-Security-Policy": SANDBOX,
        "Cache-Control": "no-store, private",
    }
    return Stream(_pieces(log), media_type="text/plain", headers=headers)


ROUTES = [lines, steps, search, raw]


async def _pieces(log: LogFile) -> AsyncIterator[bytes]:
    try:
        offset, size = 0, await asyncio.to_thread(lambda: log.size)
        while offset < size and (
            piece := await asyncio.to_thread(log.read, offset, min(_PIECE, size - offset))
        ):
            offset += len(piece)
            yield piece
    finally:
        log.close()


async def _answer(
    request: PageRequest, work: Callable[[LogFile, JobLog], dict[str, Any]], *, with_steps: bool = False
) -> Response[bytes]:
    try:
        visit = await enter(request)
    except NotSignedIn:
        return _json(request, {"error": "you are signed out: reload the page"}, status=401)
    try:
        log, place = await _open(visit, with_steps=with_steps)
    except NothingThere as error:
        return _json(request, {"error": str(error)}, status=404)
    with log:
        found = await asyncio.to_thread(work, log, place)
    found |= {"attempt": place.attempt, "latest": place.job.attempt, "over": place.is_over}
    return _json(request, found)


async def _open(visit: Visit, *, with_steps: bool) -> tuple[LogFile, JobLog]:
    """The state is read before the file: what is over has written all of its log."""
    job, attempt = visit.path["job"], _number(visit.request, "attempt")
    place = await visit.server.database.fetch(lambda tx: job_log(tx, job, attempt, with_steps=with_steps))
    if place is None:
        raise NothingThere("there is no such job, or it has no such attempt")
    path = visit.server.tools.log(place.job, place.attempt)
    return await asyncio.to_thread(LogFile.open, path), place


def _number(request: PageRequest, name: str) -> int | None:
    """A whole number of the address; None for what is none."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 12 else None


def _json(request: PageRequest, found: dict[str, Any], *, status: int = 200) -> Response[bytes]:
    body = msgspec.json.encode(found)
    headers = {"Cache-Control": "no-store, private", "Vary": "Accept-Encoding, Cookie"}
    if len(body) > _SMALLEST_TO_COMPRESS and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def _window(log: LogFile, first: int, count: int) -> dict[str, Any]:
    total, found = window(log, first, count)
    return {"first": first, "lines": [_short(line) for line in found], "total": total}


def window(log: LogFile, first: int, count: int) -> tuple[int, list[list[ansi.Span]]]:
    """The number of lines there are, and these lines as spans."""
    asked = log.window(first, max(0, min(count, MOST_LINES)))
    before = min(asked.offset, _BEFORE)
    pen = ansi.pen_after(log.read(asked.offset - before, before)) if before else ansi.PLAIN
    found = []
    for line in asked.lines:
        spans, pen = ansi.spans(line, pen)
        found.append(spans)
    return asked.total, found


def _short(line: list[ansi.Span]) -> Line:
    """Plain lines, which most are, as plain text."""
    if not line:
        return ""
    return line[0][1] if len(line) == 1 and not line[0][0] else line


def _steps(log: LogFile, place: JobLog) -> dict[str, Any]:
    found = lines_of_steps(log, place.steps)
    return {
        "steps": [_step(one) for one in found],
        "broke": where_it_broke(log, found) if place.is_over else None,
        "total": log.lines,
    }


def _step(one: StepLines) -> dict[str, Any]:
    step = one.step
    return {
        "index": step.index,
        "name": step.name,
        "state": step.state,
        "exit": step.exit_code,
        "first": one.first,
        "end": one.end,
        "open": step.log_start is not None and step.log_end is None,
        "took": None if one.took is None else one.took.total_seconds(),
        "since": None if step.started_at is None else step.started_at.isoformat(),
    }
