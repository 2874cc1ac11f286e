"""What people do with runs: a page that says what will happen, and the form on it that makes it so."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from litestar import get, post

from headway.base.ids import new_id
from headway.domain.contract import ParameterKind, ParameterSpec
from headway.domain.parameters import allowed_values
from headway.domain.run import Job, Run
from headway.domain.states import State
from headway.engine.permissions import Action
from headway.engine.runs import control as runs_control
from headway.engine.runs.wishes import ParametersWrong
from headway.store import jobs, runs
from headway.store.database import Transaction
from headway.web.runs import run_place
from headway.web.visit import NothingThere, PageRequest, PageResponse, Visit, enter


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in on the page that asks."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    long: bool = False
    number: bool = False


@get("/services/{service:str}/runs/{number:int}/cancel")
async def ask_cancel(request: PageRequest) -> PageResponse:
    visit, run, run_jobs = await _run(request)
    visit.need(Action.RUN_CANCEL, await visit.team_of(run.service))
    running = [job.name for job in run_jobs if job.state is State.RUNNING]
    waiting = sum(job.state is State.QUEUED for job in run_jobs)
    sentences = [
        f"Run {run.number} of {_of(run)} is stopped.",
        f"{_names(running)} {'is' if len(running) == 1 else 'are'} ended at once, with all that was begun there."
        if running
        else "None of its jobs runs yet.",
    ]
    if waiting:
        sentences.append(f"{waiting} more that wait{'s' if waiting == 1 else ''} will not begin.")
    sentences.append("Its log stays, and it can be run again.")
    return await _ask(
        visit,
        f"Cancel run {run.number} of {run.service}?",
        sentences,
        f"Cancel run {run.number}",
        run,
        danger=True,
    )


@post("/services/{service:str}/runs/{number:int}/cancel")
async def cancel(request: PageRequest) -> PageResponse:
    visit, run, _ = await _run(request)
    ended = await runs_control.cancel_run(visit.server.runs_context, visit.actor, run)
    said = "was cancelled" if ended.state.is_final else "is being stopped"
    return visit.done(_path(run), f"Run {run.number} {said}.")


@get("/services/{service:str}/runs/{number:int}/rerun")
async def ask_rerun(request: PageRequest) -> PageResponse:
    visit, run, run_jobs = await _run(request)
    visit.need(Action.RUN_START, await visit.team_of(run.service))
    only_failed = visit.query.get("only") == "failed"
    asked = runs_control.what_is_repeated(run, run_jobs, only_failed=only_failed)
    what = f"{_names(list(asked))}, with what they need" if asked else f"all {len(run_jobs)} jobs"
    sentences = [
        f"A new run of {_of(run)} begins: {what}.",
        "It is of the same commit, with the headway.toml of that commit. This run stays as it is.",
    ]
    if run.parameters:
        given = ", ".join(f"{name} = {value}" for name, value in run.parameters.items())
        sentences.append(f"It is given the same parameters: {given}.")
    if run.trigger and run.trigger.fork:
        sentences.append(
            "Its code comes from a fork. By asking for it you approve that it runs as the user that Headway runs as, "
            "without secrets of its own."
        )
    label = "Re-run what failed" if only_failed else "Re-run all"
    return await _ask(
        visit,
        f"{label} of run {run.number} of {run.service}?",
        sentences,
        label,
        run,
        hidden={"only": "failed" if only_failed else ""},
    )


@post("/services/{service:str}/runs/{number:int}/rerun")
async def rerun(request: PageRequest) -> PageResponse:
    visit, run, _ = await _run(request)
    form = await visit.form()
    made = await runs_control.rerun(
        visit.server.runs_context, visit.actor, run, only_failed=form.get("only") == "failed", key=_key(form)
    )
    return visit.done(_path(made), f"Run {made.number} repeats run {run.number}.")


@get("/services/{service:str}/runs/{number:int}/approve")
async def ask_approve(request: PageRequest) -> PageResponse:
    visit, run, run_jobs = await _run(request)
    visit.need(Action.RUN_APPROVE, await visit.team_of(run.service))
    held = run.trigger.held_for if run.trigger else ""
    sentences = [
        f"Run {run.number} of {_of(run)} begins with its {len(run_jobs)} jobs. It waits because {held}."
        if held
        else f"Nothing holds run {run.number}.",
        "It is given no secret, but its code runs as the user that Headway runs as, and could read what that user can. "
        "Read the change first: this approval is for this commit only.",
    ]
    field = Field("comment", "Comment", hint="Stands in the audit beside your name.", long=True)
    label = f"Approve run {run.number}"
    return await _ask(visit, f"{label} of {run.service}?", sentences, label, run, fields=[field])


@post("/services/{service:str}/runs/{number:int}/approve")
async def approve(request: PageRequest) -> PageResponse:
    visit, run, _ = await _run(request)
    comment = (await visit.form()).get("comment", "")
    await runs_control.approve_run(visit.server.runs_context, visit.actor, run, comment)
    return visit.done(_path(run), f"You approved run {run.number}: it begins as soon as there is a place.")


@get("/services/{service:str}/start")
async def ask_start(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    return await _start_form(visit, visit.query.get("branch", ""), {}, ())


@post("/services/{service:str}/start")
async def start(request: PageRequest) -> PageResponse:
    visit = await enter(request)
    form = await visit.form()
    service, branch = visit.path["service"], form.get("branch", "")
    given = {name.removeprefix("p-"): value for name, value in form.items() if name.startswith("p-")}
    try:
        run = await runs_control.start_manual(
            visit.server.runs_context, visit.actor, service, branch or None, given, key=_key(form)
        )
    except ParametersWrong as error:
        return await _start_form(visit, branch, given, error.faults)
    return visit.done(_path(run), f"Run {run.number} began.")


ROUTES = [ask_cancel, cancel, ask_rerun, rerun, ask_approve, approve, ask_start, start]


async def _start_form(
    visit: Visit, branch: str, given: dict[str, str], faults: tuple[str, ...]
) -> PageResponse:
    service = visit.path["service"]
    visit.need(Action.RUN_START, await visit.team_of(service))
    found = await runs_control.startable(visit.server.runs_context, service, branch or None)
    contract, commit = found.file.contract, found.file.commit
    head = f"{commit.sha[:7]} “{commit.subject[:120]}”" if commit else "its head"
    sentences = [
        f"A run of {head} on {found.branch} begins, with {len(contract.jobs) if contract else 0} jobs defined."
    ]
    if contract is None:
        sentences = [
            f"The headway.toml of {head} on {found.branch} cannot be read: the run would fail and show its faults."
        ]
    elif contract.deploy is not None:
        sentences.append("When all of it succeeds it makes a release.")
    return await visit.page(
        "run_ask.html",
        status=422 if faults else 200,
        title=f"Run {service} now?",
        here="runs",
        sentences=sentences,
        faults=faults,
        action=f"/services/{quote(service, safe='')}/start",
        hidden={"branch": found.branch, "key": _new_key(visit)},
        fields=[_field(spec, given) for spec in found.parameters.values()],
        button=f"Run {found.branch} now",
        back=f"/services/{quote(service, safe='')}",
        danger=False,
    )


def _field(spec: ParameterSpec, given: dict[str, str]) -> Field:
    choices = spec.choices
    if spec.kind is ParameterKind.BOOLEAN:
        choices = ("true", "false")
    if choices and spec.default is None and not spec.required:
        choices = ("", *choices)
    hint = spec.description or allowed_values(spec)
    return Field(
        name=f"p-{spec.name}",
        label=spec.name,
        value=given.get(spec.name, spec.default or ""),
        hint=f"{hint}. Steps see it as {spec.variable}.",
        required=spec.required,
        choices=choices,
        number=spec.kind is ParameterKind.NUMBER,
    )


async def _run(request: PageRequest) -> tuple[Visit, Run, list[Job]]:
    visit = await enter(request)
    service, number = run_place(visit)

    def work(tx: Transaction) -> tuple[Run, list[Job]] | None:
        run = runs.run_by_number(tx, service, number)
        return None if run is None else (run, jobs.jobs_of(tx, run.id))

    found = await visit.read(work)
    if found is None:
        raise NothingThere(f"{service} has no run {number}.")
    return visit, *found


async def _ask(
    visit: Visit,
    title: str,
    sentences: list[str],
    button: str,
    run: Run,
    *,
    danger: bool = False,
    hidden: dict[str, str] | None = None,
    fields: list[Field] | None = None,
) -> PageResponse:
    return await visit.page(
        "run_ask.html",
        title=title,
        here="runs",
        sentences=sentences,
        faults=(),
        action=visit.request.url.path,
        hidden={"key": _new_key(visit), **(hidden or {})},
        fields=fields or [],
        button=button,
        back=_path(run),
        danger=danger,
    )


def _new_key(visit: Visit) -> str:
    """Of this page: sending its form twice, by a double click or from a page gone back to, is asking once."""
    return new_id("form", visit.now)


def _key(form: Any) -> str | None:
    """As it was sent; None for what no page of ours has made."""
    key = str(form.get("key", ""))
    return key if key.startswith("form-") and key[5:].isalnum() and len(key) < 60 else None


def _path(run: Run) -> str:
    return f"/services/{quote(run.service, safe='')}/runs/{run.number}"


def _of(run: Run) -> str:
    where = f" on {run.branch}" if run.branch else f" at {run.tag}" if run.tag else ""
    return f"{run.service} at {run.commit[:7]}{where}"


def _names(names: list[str]) -> str:
    """`'lint', 'test (python=3.12)' and 4 more`."""
    names = [f"'{name}'" for name in names]
    if len(names) > 5:
        return f"{', '.join(names[:4])} and {len(names) - 4} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
