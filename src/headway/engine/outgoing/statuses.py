"""What a forge shows beside a commit: made when a run changes, in that transaction; sent from the outbox afterwards."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import httpx

from headway.base.durations import format_duration
from headway.domain.intake import ForgeKind, Repository
from headway.domain.outbox import Effect, EffectKind
from headway.domain.run import FileFault, Run, TriggerEvent
from headway.domain.states import State
from headway.drivers.forge.addresses import ForgeAddressWrong, forge_address
from headway.drivers.forge.calls import Repository as AtForge
from headway.drivers.forge.errors import ForgeError
from headway.drivers.forge.statuses import CommitState, send_status
from headway.engine.outgoing.outbox import NothingToSend, Outcome, SendError
from headway.store.database import Transaction
from headway.store.jobs import jobs_of
from headway.store.outbox import put_latest

CONTEXT = "headway"
_FORGES = (ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA)
_STATES = {
    State.QUEUED: CommitState.PENDING,
    State.RUNNING: CommitState.RUNNING,
    State.SUCCEEDED: CommitState.SUCCESS,
    State.FAILED: CommitState.FAILURE,
    State.ERRORED: CommitState.ERROR,
    State.CANCELLED: CommitState.CANCELLED,
    State.SKIPPED: CommitState.SUCCESS,
}


@dataclass(frozen=True, slots=True)
class CommitStatus:
    context: str
    state: CommitState
    description: str
    target_url: str


def commit_status(run: Run, repository: Repository, base_url: str, *, failed_tests: int = 0) -> CommitStatus:
    """How the run's state is told at its forge."""
    # The one service of a repository needs no name of its own; of several each has its mark.
    alone = repository.service in (None, run.service)
    context = CONTEXT if alone else f"{CONTEXT}/{run.service}"
    if run.trigger is not None and run.trigger.pull_request is not None:
        # The push of the same commit has its own run, and neither may hide what the other says.
        context = f"{context}/pull-request"
    return CommitStatus(
        context,
        _STATES[run.state],
        _description(run, failed_tests),
        f"{base_url.rstrip('/')}/services/{quote(run.service, safe='')}/runs/{run.number}",
    )


def put_commit_status(
    tx: Transaction, run: Run, repository: Repository | None, base_url: str, now: datetime
) -> bool:
    """Called in the transaction that changes the run, with the run as it is now. False where nothing is to be told: no
    forge shows the repository, or the run is of a working tree that no commit holds, or this was told already.
    """
    if repository is None or repository.forge not in _FORGES or not _is_of_a_commit(run):
        return False
    status = commit_status(run, repository, base_url, failed_tests=_failed_tests(tx, run))
    body = {
        "repository": repository.id,
        "sha": run.commit,
        "context": status.context,
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
    }
    # A queued run may be told twice: that it waits for a person, then that it is queued.
    said = hashlib.sha256(status.description.encode()).hexdigest()[:12]
    return put_latest(
        tx,
        EffectKind.COMMIT_STATUS,
        key=f"status:{run.id}:{run.state}:{said}",
        subject=f"{repository.id} {run.commit} {status.context}",
        body=json.dumps(body),
        now=now,
    )


def at_forge(repository: Repository, token: str) -> AtForge | None:
    """Where its forge is asked; None for one whose address leads to no API."""
    try:
        address = forge_address(repository.url, repository.forge)
    except ForgeAddressWrong:
        return None
    return AtForge(address.forge, address.api, address.full_name, token)


class CommitStatusSender:
    """`find` answers where the repository of this id lies and with which token; None: it is gone, or has no token."""

    latest_only = True

    def __init__(self, client: httpx.AsyncClient, find: Callable[[str], Awaitable[AtForge | None]]) -> None:
        self._client = client
        self._find = find

    async def send(self, effect: Effect, now: datetime) -> str:
        told = json.loads(effect.body)
        repository = await self._find(told["repository"])
        if repository is None:
            raise NothingToSend("the repository is gone, or Headway has no token for its forge")
        try:
            await send_status(
                self._client,
                repository,
                told["sha"],
                CommitState(told["state"]),
                context=told["context"],
                description=told["description"],
                target_url=told["target_url"],
            )
        except ForgeError as error:
            raise SendError(
                error.message, permanent=error.permanent, retry_after=error.retry_after, hint=error.hint
            ) from error
        return ""

    def settle(self, tx: Transaction, effect: Effect, outcome: Outcome, now: datetime) -> None:
        """Nothing else is kept."""


def _is_of_a_commit(run: Run) -> bool:
    return not run.dirty and run.trigger is not None and run.trigger.event is not TriggerEvent.TRY


def _failed_tests(tx: Transaction, run: Run) -> int:
    if run.state is not State.FAILED:
        return 0
    jobs = [job for job in jobs_of(tx, run.id) if not job.allow_failure]
    return sum(job.tests.failed + job.tests.errored for job in jobs if job.tests is not None)


def _description(run: Run, failed_tests: int) -> str:
    if run.trigger is not None and run.trigger.faults:
        return _faulty(run.trigger.faults)
    match run.state:
        case State.QUEUED if run.is_held and run.trigger is not None:
            return f"waits for a person: {run.trigger.held_for}"
        case State.QUEUED | State.RUNNING:
            return str(run.state)
        case State.SUCCEEDED:
            return f"succeeded{_took(run)}"
        case State.FAILED | State.ERRORED:
            tests = f"{failed_tests} {'test' if failed_tests == 1 else 'tests'} failed"
            return f"{run.state}{_took(run)}: {tests if failed_tests else run.reason}"
        case _:
            return f"{run.state}: {run.reason}" if run.reason else str(run.state)


def _faulty(faults: Sequence[FileFault]) -> str:
    first = f"{faults[0].file}:{faults[0].line}: {faults[0].message}"
    return first if len(faults) == 1 else f"{len(faults)} faults, the first in {first}"


def _took(run: Run) -> str:
    """A clock that was set back may have made it end before it began."""
    if run.started_at is None or run.finished_at is None or run.finished_at < run.started_at:
        return ""
    return f" in {format_duration(run.finished_at - run.started_at)}"
