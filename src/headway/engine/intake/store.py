"""What intake stores of one branch's arrivals, in one transaction: runs, what they supersede, where the ref is now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from headway.domain.commit import Commit
from headway.domain.contract import Contract
from headway.domain.intake import ArrivalKind, Repository, Schedule
from headway.domain.people import Actor
from headway.domain.run import FileFault, Run, Trigger, TriggerEvent
from headway.domain.secrets import team_scope
from headway.domain.states import State
from headway.engine.audit import HEADWAY, record
from headway.engine.projects import CONTRACT_FILE
from headway.engine.repositories.commits import CommitFile
from headway.engine.runs.observer import Observer
from headway.engine.runs.order import Order, Prepared, group_of, store_order
from headway.pipeline.collapse import collapse
from headway.pipeline.cron import next_due
from headway.store import repositories, runs
from headway.store.arrivals import StoredArrival, end_arrival, hold_arrival
from headway.store.database import Transaction
from headway.store.events import add_event
from headway.store.secrets import bind_secrets, secrets_of

EVENTS = {
    ArrivalKind.PUSH: TriggerEvent.PUSH,
    ArrivalKind.TAG: TriggerEvent.TAG,
    ArrivalKind.PULL_REQUEST: TriggerEvent.PULL_REQUEST,
}


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to become of one arrival."""

    stored: StoredArrival
    #: Where its ref is afterwards; None (no move) for what tells nothing new, or is known to be old news.
    moves: "Move | None" = None
    #: The headway.toml it is judged by; None where there is none to read.
    file: CommitFile | None = None
    #: That file is its own commit's, and the newest that is known: the repository is what it says.
    describes: bool = False
    #: Why nothing is run; empty: something is.
    ignored: str = ""
    #: Its run, planned.
    prepared: Prepared | None = None
    #: A newer one of the same branch lies beside it.
    overtaken: bool = False
    #: It comes after what is known of the ref: it may take the place of runs that wait.
    is_newest: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    to: str | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to become of one branch's arrivals, as long as the branch is where it was seen."""

    intents: tuple[Intent, ...]
    #: None for a pull request: where its head was before is not always told.
    ref: str | None = None
    seen_at: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    runs: tuple[Run, ...] = ()
    #: What is known of the repository itself has changed.
    described: bool = False


#: What is done when a repository declares its service no more.
Leave = Callable[[Transaction, Actor, Repository, datetime], None]


def store_group(  # noqa: PLR0917  (what, when, and who is told)
    tx: Transaction, repository: Repository, judged: Judged, now: datetime, observer: Observer, leave: Leave
) -> Taken | None:
    """All of one branch, oldest first. None: it was judged by what is no longer so, and nothing is stored."""
    # Another server has ended some meanwhile, or moved the branch.
    if not all(hold_arrival(tx, intent.stored.number) for intent in judged.intents):
        return None
    if judged.ref is not None and repositories.ref_of(tx, repository.id, judged.ref) != judged.seen_at:
        return None
    made: list[tuple[Intent, Run]] = []
    for intent in judged.intents:
        run = _store(tx, repository, intent, now, observer)
        if run is not None:
            made.append((intent, run))
    _collapse(tx, made, now, observer)
    described = [_describe(tx, repository, intent, now, leave) for intent in judged.intents]
    return Taken(tuple(run for _, run in made), any(described))


def _store(
    tx: Transaction, repository: Repository, intent: Intent, now: datetime, observer: Observer
) -> Run | None:
    stored, arrival = intent.stored, intent.stored.arrival
    if intent.moves is not None:
        repositories.move_refs(tx, repository.id, {arrival.ref: intent.moves.to}, now)
    if intent.ignored or intent.prepared is None:
        end_arrival(tx, stored.number, "ignored", note=intent.ignored)
        return None
    ordered = store_order(tx, _own_order(tx, repository, intent.prepared), now, observer)
    end_arrival(tx, stored.number, "done", note=f"run {ordered.run.number}", run=ordered.run.id)
    return ordered.run if ordered.is_new else None


def set_aside(
    tx: Transaction, repository: Repository, stored: StoredArrival, why: str, now: datetime
) -> None:
    """It is not worked on again, and whoever looks at the branch does not tell of it anew."""
    arrival = stored.arrival
    if end_arrival(tx, stored.number, "failed", note=why) and arrival.kind is not ArrivalKind.PULL_REQUEST:
        repositories.move_refs(tx, repository.id, {arrival.ref: arrival.after}, now)


def _own_order(tx: Transaction, repository: Repository, prepared: Prepared) -> Prepared:
    """A service belongs to the repository that declared it first: another one's file may not speak in its name."""
    order = prepared.order
    if order.contract is None or (claimed := _claimed(tx, repository, order.contract)) is None:
        return prepared
    plain = replace(order.trigger, faults=(claimed,), held_for="", priority=0, group=None)
    name = repository.service or f"{repository.name.replace('/', '-')}"
    return Prepared(replace(order, service=name, contract=None, trigger=plain))


def _claimed(tx: Transaction, repository: Repository, contract: Contract) -> FileFault | None:
    """The fault of a file that names another repository's service.

    Else whoever may push somewhere could get the secrets of another team's service, and deploy in its place.
    """
    owner = repositories.repository_of_service(tx, contract.service.name)
    if owner is None or owner.id == repository.id:
        return None
    claimed = f"the service '{contract.service.name}' belongs to the repository {owner.name}"
    return FileFault(CONTRACT_FILE, "service.name", 0, 0, claimed)


def order_of(
    repository: Repository,
    stored: StoredArrival,
    file: CommitFile,
    commit: Commit | None,
    *,
    held_for: str = "",
    overtaken: bool = False,
    changed: tuple[str, ...] | None = None,
    changed_since: str | None = None,
) -> Order:
    """The run that an arrival begins."""
    arrival, contract = stored.arrival, file.contract
    asked = arrival.pull_request
    trigger = Trigger(
        event=EVENTS[arrival.kind],
        key=f"arrival:{stored.number}",
        repository=repository.id,
        ref=arrival.ref,
        priority=contract.pipeline.priority if contract else 0,
        held_for="" if overtaken else held_for,
        fork=asked.fork if asked else False,
        pull_request=asked.number if asked else None,
        faults=file.faults,
        pushed_by=arrival.sender,
        changed_since=changed_since,
    )
    if contract is not None:
        trigger = replace(trigger, **group_of(contract))  # type: ignore[arg-type]
    is_tag = arrival.kind is ArrivalKind.TAG
    branch = asked.branch if asked else arrival.ref.removeprefix("refs/heads/")
    return Order(
        service=file.service,
        repository=file.folder,
        commit=commit,
        sha=commit.sha if commit else arrival.after or "",
        branch=None if is_tag else branch,
        tag=arrival.ref.removeprefix("refs/tags/") if is_tag else None,
        trigger=trigger,
        requested_by=arrival.sender or arrival.author or "unknown",
        contract=contract,
        changed=changed,
        superseded="superseded by a newer push" if overtaken else "",
    )


def _collapse(tx: Transaction, made: Sequence[tuple[Intent, Run]], now: datetime, observer: Observer) -> None:
    """The newest run takes the place of those of its branch that have not begun, as its file says."""
    found = next(((intent, run) for intent, run in reversed(made) if intent.is_newest), None)
    if found is None:
        return
    newest, contract = found[1], found[0].prepared.order.contract if found[0].prepared else None
    for intent, run in made:
        if intent.overtaken:
            runs.supersede(tx, run.id, newest.id)
    if newest.state is not State.QUEUED or contract is None:
        return
    assert newest.trigger is not None
    unfinished = runs.unfinished_of_ref(tx, newest.service, newest.trigger.ref)
    answer = collapse(unfinished, contract.pipeline)
    by_id = {run.id: run for run in unfinished}
    reason = f"superseded by run {newest.number}, a newer push"
    for run_id in answer.superseded:
        if runs.end_undriven(tx, run_id, state=State.CANCELLED, reason=reason, now=now):
            runs.supersede(tx, run_id, newest.id)
            ended = replace(by_id[run_id], state=State.CANCELLED, reason=reason, finished_at=now, due_at=None)
            observer.changed(tx, ended, (), now, run_changed=True)
    for run_id in answer.cancelled:
        if runs.ask_to_cancel(tx, run_id, reason):
            runs.supersede(tx, run_id, newest.id)


def _describe(tx: Transaction, repository: Repository, intent: Intent, now: datetime, leave: Leave) -> bool:
    """The default branch says what the repository is: its service, its team, its cron triggers."""
    file, arrival = intent.file, intent.stored.arrival
    if file is None or not file.is_default or not intent.describes or arrival.kind is not ArrivalKind.PUSH:
        return False
    if file.contract is None or _claimed(tx, repository, file.contract) is not None:
        repositories.put_follows(tx, repository.id, None)
        return False
    # As it is now: while the commit was read an administrator may have given it to a team, or removed it.
    known = repositories.repository_by_id(tx, repository.id)
    if known is None:
        return False
    repository = known
    contract, branch = file.contract, arrival.ref.removeprefix("refs/heads/")
    repositories.put_follows(tx, repository.id, contract.triggers.releases)
    repositories.put_schedules(tx, repository.id, _schedules(repository, contract, branch, now))
    team = repository.team or _first_team(tx, repository, file)
    if (repository.service, repository.team, repository.default_branch) == (
        contract.service.name,
        team,
        branch,
    ):
        return False
    if repository.service != contract.service.name:
        leave(tx, HEADWAY, repository, now)
    repositories.describe(tx, repository.id, service=contract.service.name, team=team, default_branch=branch)
    bind_secrets(tx, contract.service.name, repository.id)
    # It decides whose roles count there, and which secrets its jobs are given.
    before = {"service": repository.service, "team": repository.team}
    after = {"service": contract.service.name, "team": team, "pushed_by": arrival.sender or arrival.author}
    record(tx, HEADWAY, "repository.describe", repository.name, before, after, now)
    add_event(
        tx,
        "repository.changed",
        service=contract.service.name,
        subject=repository.id,
        data={"name": repository.name, "service": contract.service.name, "team": team},
        now=now,
    )
    return True


def _first_team(tx: Transaction, repository: Repository, file: CommitFile) -> str | None:
    """Only the first file says it, and of a team that owns nothing; all else is an administrator's: whoever may push
    would give themselves another team's secrets and operators."""
    if repository.service is not None or file.team is None or secrets_of(tx, team_scope(file.team)):
        return None
    return file.team


def _schedules(repository: Repository, contract: Contract, branch: str, now: datetime) -> list[Schedule]:
    return [
        Schedule(
            repository=repository.id,
            service=contract.service.name,
            name=cron.name,
            cron=cron.at,
            zone=cron.zone,
            branch=cron.branch or branch,
            parameters=cron.parameters,
            due_at=next_due(cron.at, cron.zone, now),
        )
        for cron in contract.triggers.cron
    ]
