"""`headway logs` on a server: runs, jobs, steps and their logs by the API."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headway.base.errors import WrongUse
from headway.cli.output import echo, emit_json
from headway.cli.run_lines import choose, headline, run_lines
from headway.cli.run_summary import EXIT_CODES
from headway.cli.server_watch import bridging, look_at, watch
from headway.cli.terminal import TerminalFilter
from headway.client.decode import run_of, step_of, typed
from headway.client.http import HeadwayClient, segment
from headway.domain.run import Job, Run
from headway.engine.runs.watch import Look
from headway.engine.settings import Settings
from headway.wire.shapes import RunDocument, RunLogsDocument

_LISTED = 20


def find_run(server: HeadwayClient, text: str, service: str | None) -> Run:
    """By its number within the service, its id, or 'last'. Raises WrongUse."""
    if text.startswith("run-"):
        return run_of(server.get(f"/api/runs/{segment(text)}")["run"])
    if text == "last":
        found = server.get("/api/runs", service=service, limit=1)["items"]
        if not found:
            raise WrongUse("there is no run yet", hint="headway run makes one")
        return run_of(found[0])
    if not (text.isascii() and text.isdecimal()):
        raise WrongUse(f"'{text}' is no run", hint="write its number, its id, or 'last'")
    if service is None:
        raise WrongUse(f"run {text} of which service?", hint="go into its repository, or write the run's id")
    return run_of(server.get(f"/api/services/{segment(service)}/runs/{text}")["run"])


def list_runs(server: HeadwayClient, service: str | None, *, as_json: bool) -> int:
    found = server.get("/api/runs", service=service, limit=_LISTED)["items"]
    if as_json:
        emit_json({"runs": typed(found, list[RunDocument])})
    else:
        run_lines([run_of(run) for run in found], with_service=service is None)
    return 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """As it was typed."""

    run: str | None
    job: str | None = None
    step: int | None = None
    attempt: int | None = None


def logs(
    server: HeadwayClient,
    settings: Settings,
    wanted: Wanted,
    service: str | None,
    *,
    follow: bool,
    as_json: bool,
) -> int:
    """The exit code."""
    if wanted.run is None:
        return list_runs(server, service, as_json=as_json)
    look = look_at(server, find_run(server, wanted.run, service).id)
    chosen = choose(look, wanted.job)
    if follow:
        return _follow(server, settings, look, chosen, as_json=as_json)
    if as_json:
        return _emit(server, look, chosen)
    if (wanted.step is not None or wanted.attempt is not None) and len(chosen) > 1:
        names = ", ".join(f"'{job.name}'" for job in chosen)
        raise WrongUse(f"'{wanted.job}' is {len(chosen)} jobs", hint=f"name one of them: {names}")
    if wanted.job is not None and len(chosen) == 1:
        return _show_one(server, settings, chosen[0], wanted.step, wanted.attempt)
    for number, job in enumerate(chosen):
        if number:
            echo()
        headline(job)
        _copy(server, settings, job, job.attempt)
    return 0


def _follow(
    server: HeadwayClient, settings: Settings, look: Look, chosen: Sequence[Job], *, as_json: bool
) -> int:
    """Until it ends; the exit code is the run's own."""
    wanted = {job.id for job in chosen}
    try:
        with bridging(server, look.run):
            if not watch(server, settings, look, quiet=as_json, wanted=lambda job: job.id in wanted):
                return 0
            look = look_at(server, look.run.id)
            if as_json:
                _emit(server, look, chosen)
    except KeyboardInterrupt:
        return 130
    return EXIT_CODES[look.run.state]


def _show_one(
    server: HeadwayClient, settings: Settings, job: Job, step: int | None, attempt: int | None
) -> int:
    attempt = attempt or job.attempt
    if attempt > job.attempt:
        raise WrongUse(f"'{job.name}' has {job.attempt} attempts, none with the number {attempt}")
    start, end = 0, None
    if step is not None:
        found = server.get(f"/api/jobs/{segment(job.id)}/steps", attempt=attempt)["steps"]
        steps = [step_of(one, job.id, attempt) for one in found]
        chosen = next((one for one in steps if one.index == step), None)
        if chosen is None or chosen.log_start is None:
            raise WrongUse(
                f"'{job.name}' has no step {step} that ran",
                hint=f"headway logs {job.run} '{job.name}' --json lists its steps",
            )
        start, end = chosen.log_start, chosen.log_end
    if not _copy(server, settings, job, attempt, span=(start, end)):
        state = f"it is {job.state}" + (f": {job.reason}" if job.reason else "")
        echo(f"'{job.name}' has no log; {state}", err=True)
    return 0


def _copy(
    server: HeadwayClient,
    settings: Settings,
    job: Job,
    attempt: int,
    *,
    span: tuple[int, int | None] = (0, None),
) -> bool:
    """What stands there now, filtered for the terminal; False when that is nothing."""
    start, end = span
    through = TerminalFilter(colour=sys.stdout.isatty() and "NO_COLOR" not in settings.environment)
    wrote = False
    try:
        while end is None or start < end:
            most = 1 << 20 if end is None else min(1 << 20, end - start)
            piece, _ = server.log_piece(job.id, attempt, start, most)
            if not piece:
                break
            start, wrote = start + len(piece), True
            sys.stdout.buffer.write(through.feed(piece))
    finally:
        sys.stdout.buffer.flush()
    return wrote


def _emit(server: HeadwayClient, look: Look, chosen: Sequence[Job]) -> int:
    wanted = {job.id for job in chosen}
    document: Any = server.get(f"/api/runs/{segment(look.run.id)}/logs")
    told = typed(document, RunLogsDocument)
    emit_json({"run": told["run"], "jobs": [job for job in told["jobs"] if job["id"] in wanted]})
    return 0
