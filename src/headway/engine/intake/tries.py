"""Trying a working tree on the server: what the server has of it, and a run of what it was sent.

TryError             2
├── UnknownService   2   no repository declares it
└── NothingThere     2   the commit has no headway.toml
and the errors of `drivers.git.proposals`.
"""

import asyncio
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from headway.base.errors import WrongUse
from headway.base.ids import new_id
from headway.domain.commit import Commit
from headway.domain.intake import Repository
from headway.domain.people import Actor
from headway.domain.run import Run, Trigger, TriggerEvent
from headway.drivers.git.bare import Bare
from headway.drivers.git.proposals import take_in
from headway.engine.audit import record
from headway.engine.permissions import Action, require
from headway.engine.repositories.commits import CommitFile, read_file
from headway.engine.runs.context import RunsContext
from headway.engine.runs.order import Order, by_hand, prepare, store_order
from headway.engine.runs.wishes import check_given, check_jobs
from headway.store import repositories
from headway.store.commit_runs import newest_run_of
from headway.store.database import Database, Transaction
from headway.store.runs import run_by_trigger

#: After its end a try can be run again for so long.
KEPT_FOR = timedelta(days=14)
_REFS = "refs/headway/tries"


class TryError(WrongUse):
    pass


class UnknownService(TryError):
    http_status = 404


class NothingThere(TryError):
    http_status = 422


@dataclass(frozen=True, slots=True)
class Tried:
    """What is asked besides the tree itself."""

    #: Where the working tree stands, for `when`; None: on no branch.
    branch: str | None = None
    #: It is not the commit's own tree.
    dirty: bool = False
    only: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    fail_fast: bool = False


@dataclass(frozen=True, slots=True)
class KnownCommit:
    #: Its objects lie here.
    is_here: bool
    #: Branches that hold it; those that point to it come first.
    branches: tuple[str, ...]
    run: Run | None


async def commits_here(
    context: RunsContext, actor: Actor, service: str, asked: Collection[str]
) -> frozenset[str]:
    """Which of these the server has. Raises NotAllowed, UnknownService."""
    bare = await context.bare(await _repository(context, actor, service))
    return await asyncio.to_thread(bare.known, asked)


async def look_up(context: RunsContext, actor: Actor, service: str, sha: str) -> KnownCommit:
    """Raises NotAllowed, UnknownService."""
    bare = await context.bare(await _repository(context, actor, service))

    def look() -> tuple[bool, tuple[str, ...]]:
        if not bare.has_commit(sha):
            return False, ()
        pointing = sorted(name for name, head in bare.refs("refs/heads").items() if head == sha)
        others = [name for name in bare.holding(sha) if name not in pointing]
        return True, tuple(name.removeprefix("refs/heads/") for name in (*pointing, *others))

    is_here, branches = await asyncio.to_thread(look)
    run = await context.database.fetch(lambda tx: newest_run_of(tx, service, sha))
    return KnownCommit(is_here, branches, run)


async def start_try(
    context: RunsContext,
    actor: Actor,
    service: str,
    bundle: BinaryIO,
    tried: Tried,
    *,
    key: str | None = None,
) -> Run:
    """A run of the bundle's commit. It makes no release. Raises NotAllowed, UnknownService, NothingThere, ProposalError, and what
    `engine.runs.wishes` raises."""
    repository = await _repository(context, actor, service)
    now = context.now()
    name = f"{key[:40]}" if key else new_id("try", now)
    if key is not None:
        before = await context.database.fetch(lambda tx: run_by_trigger(tx, f"try:{name}"))
        if before is not None:
            return before
    bare = await context.bare(repository)
    commit, file = await asyncio.to_thread(_take, repository, bare, name, bundle, tried)
    trigger = Trigger(
        event=TriggerEvent.TRY,
        key=f"try:{name}",
        repository=repository.id,
        ref=f"refs/headway/tries/{name}",
        priority=by_hand(file.contract),
        faults=file.faults,
    )
    order = Order(
        service=service,
        repository=file.folder,
        commit=commit,
        sha=commit.sha,
        branch=tried.branch,
        tag=None,
        trigger=trigger,
        requested_by=actor.name,
        contract=file.contract,
        only=tried.only,
        parameters=tried.parameters,
        fail_fast=tried.fail_fast,
        dirty=tried.dirty,
    )

    prepared = await asyncio.to_thread(prepare, order)

    def work(tx: Transaction) -> Run:
        ordered = store_order(tx, prepared, now, context.observer)
        if ordered.is_new:
            what = {"commit": commit.sha, "dirty": tried.dirty, "branch": tried.branch}
            record(tx, actor, "run.try", f"{service} {ordered.run.number}", None, what, now)
        return ordered.run

    run = await context.database.perform(work)
    context.wake()
    return run


async def sweep_tries(database: Database, folder: Path, environment: Mapping[str, str], now: datetime) -> int:
    """Lets go of the commits of tries that ended long ago, and of those that never became a run; how many. For the
    janitor. `folder` is that of all repositories."""
    kept = await asyncio.to_thread(_kept_tries, folder)
    names = [f"try:{name}" for _, name in kept]
    found = await database.fetch(lambda tx: {key: run_by_trigger(tx, key) for key in names})
    count = 0
    for place, name in kept:
        run = found[f"try:{name}"]
        ended_at = run.finished_at if run is not None else _written_at(place / _REFS / name, now)
        if (run is None or run.state.is_final) and ended_at is not None and now - ended_at > KEPT_FOR:
            await asyncio.to_thread(Bare(place, environment).drop, f"tries/{name}")
            count += 1
    return count


def _kept_tries(folder: Path) -> list[tuple[Path, str]]:
    """(repository's folder, name of a try), without a git process for each repository."""
    found: list[tuple[Path, str]] = []
    for place in folder.glob("*.git"):
        with suppress(OSError):
            loose = [path.name for path in (place / _REFS).glob("*") if not path.name.endswith(".lock")]
            packed: list[str] = []
            with suppress(FileNotFoundError):
                text = (place / "packed-refs").read_text(encoding="utf-8", errors="replace")
                packed = re.findall(rf"^[0-9a-f]+ {_REFS}/(\S+)$", text, re.MULTILINE)
            found += [(place, name) for name in dict.fromkeys([*loose, *packed])]
    return found


def _written_at(ref: Path, now: datetime) -> datetime | None:
    """One that git has packed is older than a day."""
    try:
        return datetime.fromtimestamp(ref.stat().st_mtime, UTC)
    except OSError:
        return now - 2 * KEPT_FOR


def _take(
    repository: Repository, bare: Bare, name: str, bundle: BinaryIO, tried: Tried
) -> tuple[Commit, CommitFile]:
    commit = take_in(bare, name, bundle)
    file = read_file(repository, bare, commit)
    if file.missing:
        bare.drop(f"tries/{name}")
        raise NothingThere(f"{file.missing}: {commit.sha[:12]}", hint="headway init writes one")
    try:
        if file.contract is not None:
            check_given(file.contract, tried.parameters)
            check_jobs(file.contract, tried.only)
    except WrongUse:
        bare.drop(f"tries/{name}")
        raise
    return commit, file


async def _repository(context: RunsContext, actor: Actor, service: str) -> Repository:
    found = await context.database.fetch(lambda tx: repositories.repository_of_service(tx, service))
    require(actor, Action.RUN_START, team=found.team if found else None)
    if found is None:
        raise UnknownService(
            f"no repository on this server declares the service '{service[:100]}'",
            hint="connect it: headway repository add URL; then push its default branch",
        )
    return found
