"""The pages of runs: the list, one run with its log, its failed tests, its artifacts."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from litestar import get
from litestar.response import Stream

from headway.domain.release import Artifact
from headway.domain.run import FileFault, Job, TriggerEvent
from headway.domain.run_history import RunFilter
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactGone
from headway.drivers.logfile import LogFile
from headway.engine.permissions import Action
from headway.engine.views.faults import fault_lines
from headway.engine.views.logs import JobLog, StepLines, job_log, lines_of_steps, where_it_broke
from headway.engine.views.runs import RunView, list_runs, run_view
from headway.engine.views.tests import MOST, FailedTests, failed_tests
from headway.pipeline.run_actions import run_actions
from headway.store import job_results, runs
from headway.store.database import Transaction
from headway.web import ansi, logs
from headway.web.run_graph import draw
from headway.web.visit import NothingThere, PageRequest, PageResponse, Visit, enter, html, render

EVENTS: Mapping[str, str] = {
    TriggerEvent.PUSH: "a push",
    TriggerEvent.TAG: "a tag",
    TriggerEvent.PULL_REQUEST: "pull request",
    TriggerEvent.CRON: "a schedule",
    TriggerEvent.MANUAL: "hand",
    TriggerEvent.RELEASE: "another service's release",
    TriggerEvent.RERUN: "a re-run",
    TriggerEvent.TRY: "a try of a working tree",
}
#: Lines of the log that stand in the page itself, and those shown before the one that is meant.
_LINES, _BEFORE = 100, 12
#: Bytes of a failed step that the page itself looks through; the log viewer looks through more.
_LOOKED_THROUGH = 256 << 10
_MATCHES = 200
_WAITING = 8
_PIECE = 256 * 1024


@get("/runs")
async def run_list(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    wanted = _filter(visit.query)
    page = await visit.read(lambda tx: list_runs(tx, wanted, visit.query.get("after")))
    filters = {
        name: visit.query[name] for name in ("service", "state", "branch", "event") if visit.query.get(name)
    }
    values: dict[str, Any] = {
        "page": page,
        "wanted": wanted,
        "filters": filters,
        "events": EVENTS,
        "is_filtered": bool(filters),
    }
    if visit.query.get("fragment") == "rows":
        return _fragment(visit, "runs_rows.html", values)
    can_start = bool(wanted.service) and visit.may(
        Action.RUN_START, await visit.team_of(wanted.service or "")
    )
    return await visit.page("runs.html", title="Runs", here="runs", can_start=can_start, **values)


def _filter(query: Mapping[str, str]) -> RunFilter:
    """A state or an event that there is none of is not asked for."""
    state, event = query.get("state", ""), query.get("event", "")
    return RunFilter(
        service=query.get("service", "")[:300] or None,
        state=State(state) if state in set(State) else None,
        branch=query.get("branch", "")[:1000] or None,
        event=event if event in EVENTS else None,
    )


@get("/services/{service:str}/runs/{number:int}")
async def run_page(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    fragment = visit.query.get("fragment", "")
    view = await _view(visit)
    values = await _values(visit, view)
    if fragment in ("top", "rest"):
        return _fragment(visit, f"run_{fragment}.html", values)
    if values["chosen"]:
        values["log"] = await _log(visit, values["chosen"])
    title = f"{view.run.service} run {view.run.number} {view.run.state}"
    return await visit.page("run.html", title=title, here="runs", **values)


@get("/services/{service:str}/runs/{number:int}/tests")
async def run_tests(request: PageRequest) -> PageResponse:
    """All failed tests with all that they said."""
    visit = await enter(request)
    view = await _view(visit)

    def work(tx: Transaction) -> FailedTests:
        branches = [view.run.branch] if view.run.branch else []
        return failed_tests(tx, view.run, view.jobs, branches, limit=MOST)

    failed = await visit.read(work)
    title = f"{view.run.service} run {view.run.number}: failed tests"
    return await visit.page(
        "run_tests.html", title=title, here="runs", run=view.run, failed=failed, readable=readable
    )


@get("/services/{service:str}/runs/{number:int}/artifacts/{job:str}/{path:path}")
async def artifact(request: PageRequest) -> Stream:
    """The file as a download. Only what a job of this very run declared has an address."""
    visit = await enter(request)
    service, number = run_place(visit)
    job, path = visit.path["job"], str(visit.path["path"]).removeprefix("/")

    def work(tx: Transaction) -> Artifact | None:
        run = runs.run_by_number(tx, service, number)
        made = job_results.artifacts_of_run(tx, run.id) if run else []
        return next((one for of, one in made if of == job and one.path == path), None)

    found = await visit.read(work)
    if found is None:
        raise NothingThere("this run has no such artifact")
    try:
        place = visit.server.tools.artifacts.path_of(found)
    except ArtifactGone:
        raise NothingThere(
            "the artifact's bytes are gone: they are kept for a time only, or as long as a release needs them"
        ) from None
    headers = {
        "Content-Disposition": _attachment(path),
        "Content-Length": str(found.size),
        "Content-Security-Policy": logs.SANDBOX,
        "Cache-Control": "no-store, private",
    }
    return Stream(_bytes_of(place), media_type="application/octet-stream", headers=headers)


def _attachment(path: str) -> str:
    """The file's own name, without anything that a header or a file system could read otherwise."""
    name = re.sub(r'[\x00-\x1f"\\/:*?<>|]', "_", path.rpartition("/")[2]).strip(". ") or "artifact"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def _bytes_of(place: Path) -> AsyncIterator[bytes]:
    with place.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


ROUTES = [run_list, run_page, run_tests, artifact]


def _fragment(visit: Visit, template: str, values: Mapping[str, Any]) -> PageResponse:
    content = render(visit.request, template, visit=visit, now=visit.now, query=visit.query, **values)
    return html(visit.request, content)


def run_place(visit: Visit) -> tuple[str, int]:
    """Which run the address names. Raises NothingThere for a number that no database holds."""
    service, number = visit.path["service"], visit.path["number"]
    if not 0 < number < 1 << 62:
        raise NothingThere(f"{service} has no such run.")
    return service, number


async def _view(visit: Visit) -> RunView:
    service, number = run_place(visit)
    explained = visit.server.runs.explain()
    view = await visit.read(lambda tx: run_view(tx, service, number, explained=explained))
    if view is None:
        raise NothingThere(f"{service} has no run {number}.")
    return view


async def _values(visit: Visit, view: RunView) -> dict[str, Any]:
    run, query = view.run, visit.query
    chosen = view.job(query["job"]) if query.get("job") else None
    waiting = [(job, view.waits[job.id]) for job in view.jobs if job.id in view.waits]
    folded = [job for job in view.jobs if job.definition == query.get("matrix")]
    broken = _broken(view)
    return {
        "view": view,
        "run": run,
        "subject": view.commit.subject[:300] if view.commit else f"Run {run.number} of {run.service}",
        "author": view.commit.author.partition(" <")[0] if view.commit else "",
        "chosen": chosen or view.chosen(),
        "graph": draw(view.jobs, visit.now),
        "waiting": waiting[:_WAITING],
        "waiting_more": max(0, len(waiting) - _WAITING),
        "broken": broken,
        "broken_said": _said({job.state for job in broken}),
        "several": len({test.job for test in view.failed.shown}) > 1,
        "matrix": sorted(folded, key=_need),
        "faults": await _faults(visit, view),
        "fault": None if run.state.is_final else visit.server.runs.faults.of(run.id, visit.now),
        "can": _can(visit, view),
        "names": {job.id: job.name for job in view.jobs},
        "events": EVENTS,
        "readable": readable,
    }


def _broken(view: RunView) -> list[Job]:
    """Failed jobs whose failed tests do not tell of them already."""
    told = {test.job for test in view.failed.shown}
    return [job for job in view.jobs if job.state in (State.FAILED, State.ERRORED) and job.name not in told]


def _said(states: set[State]) -> str:
    """*Failed* and *errored* are never mixed up."""
    return "failed or errored" if len(states) > 1 else "errored" if State.ERRORED in states else "failed"


_NEEDS = (State.FAILED, State.ERRORED, State.RUNNING, State.QUEUED)


def _need(job: Job) -> int:
    return _NEEDS.index(job.state) if job.state in _NEEDS else len(_NEEDS)


@dataclass(frozen=True, slots=True)
class ShownFault:
    fault: FileFault
    #: (number, text) of the lines around it; empty where the file is not here any more.
    lines: tuple[tuple[int, str], ...]


async def _faults(visit: Visit, view: RunView) -> Sequence[ShownFault]:
    trigger = view.run.trigger
    if trigger is None or not trigger.faults:
        return ()
    around = await fault_lines(visit.server, view.run)
    return [ShownFault(fault, around(fault)) for fault in trigger.faults]


@dataclass(frozen=True, slots=True)
class Can:
    """What the person may do with this run now: a page shows only buttons that work."""

    cancel: bool
    rerun: bool
    rerun_failed: bool
    approve: bool
    start: bool
    deploy: bool


def _can(visit: Visit, view: RunView) -> Can:
    run, team = view.run, view.team
    is_ours = view.repository is not None
    may_start = is_ours and visit.may(Action.RUN_START, team)
    actions = run_actions(run, view.jobs)
    standing = view.release is not None and view.release.removed_at is None
    return Can(
        cancel=actions.cancel and view.cancelling is None and visit.may(Action.RUN_CANCEL, team),
        rerun=may_start and actions.repeat,
        rerun_failed=may_start and bool(actions.repeat_failed),
        approve=actions.approve and visit.may(Action.RUN_APPROVE, team),
        start=may_start and run.branch is not None and not (run.trigger and run.trigger.fork),
        deploy=standing and visit.may(Action.DEPLOYMENT_REQUEST, team),
    )


@dataclass(frozen=True, slots=True)
class LogPage:
    """The part of a log that stands in the page: all there is without JavaScript, and what one sees until it came."""

    attempt: int
    total: int
    first: int
    last: int
    lines: list[list[ansi.Span]]
    steps: tuple[StepLines, ...]
    #: None: nothing was looked for.
    matches: tuple[int, ...] | None
    more_matches: bool
    #: It was there once, and is kept no more.
    gone: bool

    @property
    def before(self) -> int:
        return max(1, self.first - _LINES)


async def _log(visit: Visit, job: Job) -> LogPage:
    asked = visit.query.get("attempt", "")
    is_one = asked.isdecimal() and len(asked) < 10 and 0 < int(asked) <= job.attempt
    attempt = int(asked) if is_one else job.attempt
    place = await visit.server.database.fetch(lambda tx: job_log(tx, job.id, attempt, with_steps=True))
    if place is None:
        place = JobLog(job, attempt)
    return await asyncio.to_thread(_read_log, visit, place)


def _read_log(visit: Visit, place: JobLog) -> LogPage:
    path, query = visit.server.tools.log(place.job, place.attempt), visit.query
    with LogFile.open(path) as log:
        total = log.lines
        steps = lines_of_steps(log, place.steps)
        line = query.get("line", "")
        if line.isdecimal() and len(line) < 10:
            first = int(line)
        else:
            broke = where_it_broke(log, steps, most=_LOOKED_THROUGH)
            # What goes on is read at its end, what failed at its error, all else from the beginning.
            end = total - _LINES + 1 if not place.is_over else 1
            first = broke - _BEFORE if broke else end
        first = max(1, min(first, total))
        _, lines = logs.window(log, first, _LINES)
        found = None
        if pattern := query.get("find", "")[:200].strip().encode():
            found = log.search(pattern, limit=_MATCHES, ignore_case=True)
        is_gone = log.path is None and place.job.started_at is not None and place.is_over and _printed(place)
    return LogPage(
        attempt=place.attempt,
        total=total,
        first=first,
        last=first + len(lines) - 1,
        lines=lines,
        steps=tuple(steps),
        matches=found.lines if found else None,
        more_matches=bool(found and not found.complete),
        gone=is_gone,
    )


def _printed(place: JobLog) -> bool:
    return any((step.log_end or 0) > 0 for step in place.steps) or place.job.kept > 0


_LOST_COLOURS = re.compile("[\N{REPLACEMENT CHARACTER}\x1b]\\[[0-9;:]*m")


def readable(message: str) -> str:
    """A test's message without the colours that its runner drew and the report could not hold."""
    return _LOST_COLOURS.sub("", message)
