"""Lets go what `pipeline.retention` keeps no longer: releases, their bytes, logs, job directories, objects of dirty trees.

Rows stay: history can still say what a release was.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from headway.base.durations import parse_duration
from headway.base.errors import WrongUse
from headway.drivers.artifacts import ArtifactStore
from headway.drivers.git import Git
from headway.drivers.leftovers import Leftover, leftovers, remove_leftover, taking_turns
from headway.drivers.runner.local import is_in_use
from headway.engine.settings import Settings
from headway.pipeline.retention import Aged, Rules, leftovers_that_go, releases_that_go
from headway.store import retention as rows
from headway.store.database import Database, Transaction
from headway.store.deployments import environments_of
from headway.store.releases import mark_removed

_NO_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Tidied:
    """What went."""

    releases: tuple[str, ...] = ()
    artifacts: int = 0
    artifact_bytes: int = 0
    logs: int = 0
    jobs: int = 0
    objects: int = 0
    #: It was stopped before all went that could.
    more: bool = False

    def __add__(self, other: "Tidied") -> "Tidied":
        return Tidied(
            self.releases + other.releases,
            self.artifacts + other.artifacts,
            self.artifact_bytes + other.artifact_bytes,
            self.logs + other.logs,
            self.jobs + other.jobs,
            self.objects + other.objects,
            self.more or other.more,
        )


#: Asked between two removals: True stops them, and the rest goes the next time.
Enough = Callable[[], bool]


def _never() -> bool:
    return False


def rules_from(settings: Settings) -> Rules:
    """The rules, with the ages that HEADWAY_KEEP_RELEASES and HEADWAY_KEEP_LOGS set (such as 90d). Raises WrongUse."""
    usual = Rules()
    return replace(
        usual,
        releases=_age(settings, "HEADWAY_KEEP_RELEASES", usual.releases),
        logs=_age(settings, "HEADWAY_KEEP_LOGS", usual.logs),
    )


def _age(settings: Settings, variable: str, usual: timedelta) -> timedelta:
    text = settings.environment.get(variable)
    if not text:
        return usual
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise WrongUse(
            f"{variable} is '{text}', which is no duration", hint=f"write it as 90d: export {variable}=90d"
        ) from error


def tidy(database: Database, settings: Settings, now: datetime, rules: Rules | None = None) -> Tidied | None:
    """Lets go what the rules no longer keep; None when it was done a while ago, or somebody else is at it.

    Safe beside anything: which releases of a service go is decided and written in one transaction, a run under
    way keeps all of its own, and a release that is being made renews its artifacts, which are then too young to go.
    """
    rules = rules or rules_from(settings)
    with taking_turns(settings.data / "tidied", now=now, every=rules.every) as our_turn:
        if not our_turn:
            return None
        return (
            tidy_releases(database, settings, now, rules)
            + tidy_logs(database, settings, now, rules)
            + tidy_jobs(database, settings, now, rules)
            + tidy_trees(settings, now, rules)
        )


def tidy_releases(
    database: Database, settings: Settings, now: datetime, rules: Rules, enough: Enough = _never
) -> Tidied:
    """Old releases are marked as removed, then the bytes go that nothing refers to any more."""
    ages = database.read(rows.release_ages)
    # As if nothing were in use: so only services that may lose something are looked at closely.
    candidates = set(releases_that_go(tuple(Aged(*age) for age in ages), (), now, rules))
    gone: list[str] = []
    for service in sorted({service for id, service, _ in ages if id in candidates}):
        if enough():
            break
        gone += database.transact(functools.partial(_let_go, service=service, now=now, rules=rules))
    in_use = database.read(rows.contents_in_use)
    store = ArtifactStore(settings.artifacts)
    sizes: list[int | None] = []
    # Whatever was kept or renewed since then is too young for `remove`, so nothing in use is missed.
    for digest in store.digests():
        if enough():
            return Tidied(tuple(gone), *_count(sizes), more=True)
        if digest not in in_use:
            sizes.append(store.remove(digest, older_than=now - rules.artifacts))
    store.remove_partial(older_than=now - rules.artifacts)
    return Tidied(tuple(gone), *_count(sizes))


def tidy_logs(
    database: Database, settings: Settings, now: datetime, rules: Rules, enough: Enough = _never
) -> Tidied:
    """Old logs go, run by run; never of a run that is not finished."""
    found = leftovers(settings.logs)
    # After the folders: the row of a run is there before its folder.
    busy = database.read(rows.unfinished_runs)
    going = leftovers_that_go(found, busy, now, rules.logs, most=_NO_LIMIT, most_bytes=rules.log_bytes)
    count = _remove(going, enough)
    return Tidied(logs=count, more=count < len(going))


def tidy_jobs(
    database: Database, settings: Settings, now: datetime, rules: Rules, enough: Enough = _never
) -> Tidied:
    """Directories that ended jobs left behind; most went when their job ended."""
    found = leftovers(settings.jobs)
    unfinished = database.read(rows.unfinished_jobs)
    # A job's directory is called by its id and the attempt.
    busy = {each.name for each in found if each.name.rpartition(".")[0] in unfinished or is_in_use(each.path)}
    going = leftovers_that_go(found, busy, now, rules.jobs, most=rules.job_count, most_bytes=_NO_LIMIT)
    count = _remove(going, enough)
    return Tidied(jobs=count, more=count < len(going))


def tidy_trees(settings: Settings, now: datetime, rules: Rules) -> Tidied:
    """Objects of dirty trees."""
    return Tidied(objects=Git(settings.environment, settings.mirrors).tidy(older_than=now - rules.trees))


def _remove(going: Sequence[Leftover], enough: Enough) -> int:
    for count, leftover in enumerate(going):
        if enough():
            return count
        remove_leftover(leftover.path)
    return len(going)


def _count(sizes: Sequence[int | None]) -> tuple[int, int]:
    removed = [size for size in sizes if size is not None]
    return len(removed), sum(removed)


def _let_go(tx: Transaction, *, service: str, now: datetime, rules: Rules) -> list[str]:
    """Marks the releases of a service that go; answers with them."""
    aged = {id: Aged(id, service, renewed_at) for id, _, renewed_at in rows.release_ages(tx, service)}
    in_use = rows.wished_releases(tx, service)
    for environment in environments_of(tx, service):
        in_use |= rows.releases_on_hosts(tx, service, environment)
    going = releases_that_go(tuple(aged.values()), in_use, now, rules)
    return [id for id in going if mark_removed(tx, id, renewed_at=aged[id].renewed_at, now=now)]
