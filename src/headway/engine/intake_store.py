"""What intake stores of one branch's arrivals, in one transaction: runs, what they supersede, where the ref is now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from headway.domain.commit import Commit
from headway.domain.contract import Contract
from headway.domain.intake import ArrivalKind, Repository, Schedule
from headway.domain.run import FileFault, Run, Trigger, TriggerEvent
from headway.domain.states import State
from headway.engine.audit import HEADWAY, record
from headway.engine.intake_read import CommitFile
from headway.engine.projects import CONTRACT_FILE
from headway.engine.run_drive import Observer
from headway.engine.run_order import Order, group_of, store_order
from headway.pipeline.collapse import collapse
from headway.pipeline.cron import next_due
from headway.pipeline.parameters import check_parameters
from headway.store import repositories, runs
from headway.store.arrivals import StoredArrival, end_arrival, hold_arrival, taken_before
from headway.store.database import Transaction
from headway.store.events import add_event

_EVENTS = {
    ArrivalKind.PUSH: TriggerEvent.PUSH,
    ArrivalKind.TAG: TriggerEvent.TAG,
    ArrivalKind.PULL_REQUEST: TriggerEvent.PULL_REQUEST,
}


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to become of one arrival."""

    stored: StoredArrival
    #: The headway.toml it is judged by; None where there is none to read.
    file: CommitFile | None = None
    #: None where the commit is not here any more.
    commit: Commit | None = None
    changed: tuple[str, ...] | None = None
    #: Why nothing is run; empty: something is.
    ignored: str = ""
    held_for: str = ""
    #: A newer one of the same branch lies beside it.
    overtaken: bool = False
    #: Where the ref is known to be, when that is newer: a look was faster than who told of this.
    behind: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    runs: tuple[Run, ...] = ()
    #: What is known of the repository itself has changed.
    described: bool = False


def store_group(
    tx: Transaction, repository: Repository, intents: Sequence[Intent], now: datetime, observer: Observer
) -> Taken:
    """All of one branch, oldest first."""
    # What another server has ended meanwhile says nothing any more of where the branch is now.
    intents = [intent for intent in intents if hold_arrival(tx, intent.stored.number)]
    if not intents:
        return Taken()
    made: list[Run] = []
    for intent in intents:
        run = _store(tx, repository, intent, now, observer)
        if run is not None:
            made.append(run)
    _collapse(tx, intents, made, now, observer)
    described = any(_describe(tx, repository, intent, now) for intent in intents)
    return Taken(tuple(made), described)


def _store(
    tx: Transaction, repository: Repository, intent: Intent, now: datetime, observer: Observer
) -> Run | None:
    stored, arrival = intent.stored, intent.stored.arrival
    after = _after(intent)
    known = _known(tx, repository, stored, after)
    if arrival.kind is not ArrivalKind.PULL_REQUEST and not known and not _is_behind(tx, repository, intent):
        repositories.move_refs(tx, repository.id, {arrival.ref: after}, now)
    if known or intent.ignored:
        end_arrival(tx, stored.number, "ignored", note=known or intent.ignored)
        return None
    assert intent.file is not None
    order = _order(repository, replace(intent, file=_own(tx, repository, intent.file)))
    ordered = store_order(tx, order, now, observer)
    end_arrival(tx, stored.number, "done", note=f"run {ordered.run.number}", run=ordered.run.id)
    return ordered.run if ordered.is_new else None


def _after(intent: Intent) -> str | None:
    """A tag counts by its commit, whether it was told by that or by its own id."""
    arrival = intent.stored.arrival
    is_tag = arrival.kind is ArrivalKind.TAG
    return intent.commit.sha if is_tag and intent.commit else arrival.after


def _is_behind(tx: Transaction, repository: Repository, intent: Intent) -> bool:
    ref = intent.stored.arrival.ref
    return intent.behind is not None and repositories.ref_of(tx, repository.id, ref) == intent.behind


def _own(tx: Transaction, repository: Repository, file: CommitFile) -> CommitFile:
    """A service belongs to the repository that declared it first: another one's file may not speak in its name.

    Else whoever may push somewhere could get the secrets of another team's service, and deploy in its place.
    """
    if file.contract is None:
        return file
    owner = repositories.repository_of_service(tx, file.contract.service.name)
    if owner is None or owner.id == repository.id:
        return file
    claimed = f"the service '{file.contract.service.name}' belongs to the repository {owner.name}"
    fault = FileFault(CONTRACT_FILE, "service.name", 0, 0, claimed)
    name = repository.service or f"{repository.name.replace('/', '-')}"
    return replace(file, contract=None, faults=(fault,), service=name, is_default=False)


def _known(tx: Transaction, repository: Repository, stored: StoredArrival, after: str | None) -> str:
    """Why it is nothing new; empty when it is. Two tellers (a webhook and a look) tell the same thing differently."""
    arrival = stored.arrival
    if arrival.kind is not ArrivalKind.PULL_REQUEST:
        now_at = repositories.ref_of(tx, repository.id, arrival.ref)
        if now_at == after:
            return "known already"
        if now_at == arrival.before:
            return ""
    return "known already" if taken_before(tx, repository.id, arrival, stored.number) else ""


def _order(repository: Repository, intent: Intent) -> Order:
    arrival, file = intent.stored.arrival, intent.file
    assert file is not None
    asked, contract = arrival.pull_request, file.contract
    # Of a pull request the branch is where it comes from; what it may see is decided by what it is.
    branch = asked.head if asked else arrival.ref.removeprefix("refs/heads/")
    trigger = Trigger(
        event=_EVENTS[arrival.kind],
        key=f"arrival:{intent.stored.number}",
        repository=repository.id,
        ref=arrival.ref,
        priority=contract.pipeline.priority if contract else 0,
        held_for="" if intent.overtaken else intent.held_for,
        fork=asked.fork if asked else False,
        pull_request=asked.number if asked else None,
        faults=file.faults,
    )
    if contract is not None:
        values, _ = check_parameters(contract.parameters, {})
        trigger = replace(trigger, parameters=values, **group_of(contract))  # type: ignore[arg-type]
    is_tag = arrival.kind is ArrivalKind.TAG
    return Order(
        service=file.service,
        repository=file.folder,
        commit=intent.commit,
        sha=intent.commit.sha if intent.commit else arrival.after or "",
        branch=None if is_tag else branch,
        tag=arrival.ref.removeprefix("refs/tags/") if is_tag else None,
        trigger=trigger,
        requested_by=arrival.sender or arrival.author or "unknown",
        contract=contract,
        changed=intent.changed,
        superseded="superseded by a newer push" if intent.overtaken else "",
    )


def _collapse(
    tx: Transaction, intents: Sequence[Intent], made: Sequence[Run], now: datetime, observer: Observer
) -> None:
    """The newest run takes the place of those of its branch that have not begun, as its file says."""
    newest = next((run for run in reversed(made) if run.state is State.QUEUED), None)
    file = intents[-1].file
    if newest is None or file is None or file.contract is None:
        return
    for run in made:
        if run is not newest and run.state is State.CANCELLED:
            runs.supersede(tx, run.id, newest.id)
    assert newest.trigger is not None
    unfinished = runs.unfinished_of_ref(tx, newest.service, newest.trigger.ref)
    answer = collapse(unfinished, file.contract.pipeline)
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


def _describe(tx: Transaction, repository: Repository, intent: Intent, now: datetime) -> bool:
    """The default branch says what the repository is: its service, its team, its cron triggers."""
    file, arrival = intent.file, intent.stored.arrival
    if file is None or not file.is_default or arrival.kind is not ArrivalKind.PUSH:
        return False
    file = _own(tx, repository, file)
    if file.contract is None:
        return False
    # As it is now: while the commit was read an administrator may have given it to a team, or removed it.
    known = repositories.repository_by_id(tx, repository.id)
    if known is None:
        return False
    repository = known
    contract, branch = file.contract, arrival.ref.removeprefix("refs/heads/")
    repositories.put_schedules(tx, repository.id, _schedules(repository, contract, branch, now))
    # The first word about the team counts, and after it an administrator's: whoever may push would else give themselves
    # another team's secrets and operators.
    team = repository.team or file.team
    if (repository.service, repository.team, repository.default_branch) == (
        contract.service.name,
        team,
        branch,
    ):
        return False
    repositories.describe(tx, repository.id, service=contract.service.name, team=team, default_branch=branch)
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
