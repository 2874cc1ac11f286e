"""What is kept and what goes: releases, their bytes, logs, job directories, objects of dirty trees.

A release that is live anywhere, or stood there before, stays; so do the last ones of each service; the rest goes
by age. Rows stay: history can still say what a release was.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from headway.base.durations import parse_duration
from headway.base.errors import WrongUse
from headway.drivers.artifacts import ArtifactStore
from headway.drivers.git import Git
from headway.drivers.leftovers import Leftover, leftovers, remove_leftover, taking_turns
from headway.engine.settings import Settings
from headway.store import retention as rows
from headway.store.database import Database, Transaction
from headway.store.deployments import environments_of
from headway.store.releases import mark_removed

_NO_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Rules:
    """How long things stay. Ages count from the last time the thing was made, asked for or written to."""

    #: Releases of each service that stay whatever their age.
    releases_kept: int = 10
    #: Other releases that are nowhere live.
    releases: timedelta = timedelta(days=30)
    #: Artifacts of runs that made no release.
    artifacts: timedelta = timedelta(days=7)
    #: Finished runs' logs; the oldest go earlier when all take more than `log_bytes`.
    logs: timedelta = timedelta(days=30)
    log_bytes: int = 5 * 2**30
    #: Finished jobs' directories, with their working copies; the oldest go earlier when there are more of them.
    jobs: timedelta = timedelta(days=1)
    job_count: int = 200
    #: Objects of dirty trees.
    trees: timedelta = timedelta(days=7)
    #: Tidying is done at most this often.
    every: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tidied:
    """What went."""

    releases: tuple[str, ...] = ()
    artifacts: int = 0
    artifact_bytes: int = 0
    logs: int = 0
    jobs: int = 0
    objects: int = 0


@dataclass(frozen=True, slots=True)
class Aged:
    """A release as this decision sees it."""

    id: str
    service: str
    renewed_at: datetime


@dataclass(frozen=True, slots=True)
class _Found:
    releases: tuple[str, ...]
    contents: frozenset[str]
    runs: frozenset[str]
    jobs: frozenset[str]


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


def releases_that_go(
    releases: Sequence[Aged], in_use: Collection[str], now: datetime, rules: Rules
) -> tuple[str, ...]:
    """The ids of the releases that go: not in use, not among the last of their service, and old enough."""
    kept: dict[str, int] = {}
    going = []
    for release in sorted(releases, key=lambda release: (release.renewed_at, release.id), reverse=True):
        place = kept[release.service] = kept.get(release.service, 0) + 1
        old = now - release.renewed_at > rules.releases
        if place > rules.releases_kept and old and release.id not in in_use:
            going.append(release.id)
    return tuple(going)


def leftovers_that_go(
    found: Sequence[Leftover],
    busy: Collection[str],
    now: datetime,
    age: timedelta,
    *,
    most: int,
    most_bytes: int,
) -> tuple[Leftover, ...]:
    """Of folders, the longest unchanged first, those that go: not busy, and too old or beyond the quotas."""
    count, size = len(found), sum(leftover.size for leftover in found)
    going = []
    for leftover in found:
        if leftover.name in busy:
            continue
        if now - leftover.changed_at > age or count > most or size > most_bytes:
            going.append(leftover)
            count, size = count - 1, size - leftover.size
    return tuple(going)


def tidy(database: Database, settings: Settings, now: datetime, rules: Rules | None = None) -> Tidied | None:
    """Lets go what the rules no longer keep; None when it was done a while ago, or somebody else is at it.

    Safe beside anything: which releases go is decided and written in one transaction, a run under way keeps
    all of its own, and a release that is being made renews its artifacts, which are then too young to go.
    """
    rules = rules or rules_from(settings)
    with taking_turns(settings.data / "tidied", now=now, every=rules.every) as our_turn:
        return _tidy(database, settings, now, rules) if our_turn else None


def _tidy(database: Database, settings: Settings, now: datetime, rules: Rules) -> Tidied:
    found = database.transact(lambda tx: _decide(tx, now, rules))
    store = ArtifactStore(settings.artifacts)
    # Whatever was kept or renewed since then is too young for `remove`, so nothing in use is missed.
    unused = [digest for digest in store.digests() if digest not in found.contents]
    sizes = [store.remove(digest, older_than=now - rules.artifacts) for digest in unused]
    store.remove_partial(older_than=now - rules.artifacts)
    logs = leftovers_that_go(
        leftovers(settings.logs), found.runs, now, rules.logs, most=_NO_LIMIT, most_bytes=rules.log_bytes
    )
    directories = leftovers(settings.jobs)
    # A job's directory is called by its id and the attempt.
    busy = {each.name for each in directories if each.name.rpartition(".")[0] in found.jobs}
    jobs = leftovers_that_go(directories, busy, now, rules.jobs, most=rules.job_count, most_bytes=_NO_LIMIT)
    for leftover in (*logs, *jobs):
        remove_leftover(leftover.path)
    return Tidied(
        releases=found.releases,
        artifacts=sum(size is not None for size in sizes),
        artifact_bytes=sum(size or 0 for size in sizes),
        logs=len(logs),
        jobs=len(jobs),
        objects=Git(settings.environment, settings.mirrors).tidy(older_than=now - rules.trees),
    )


def _decide(tx: Transaction, now: datetime, rules: Rules) -> _Found:
    """Marks the releases that go; answers with them and with what is still in use."""
    aged = {id: Aged(id, service, renewed_at) for id, service, renewed_at in rows.release_ages(tx)}
    in_use: set[str] = set()
    for service in rows.services_with_releases(tx):
        for environment in environments_of(tx, service):
            in_use |= rows.releases_on_hosts(tx, service, environment)
    going = releases_that_go(tuple(aged.values()), in_use, now, rules)
    gone = [id for id in going if mark_removed(tx, id, renewed_at=aged[id].renewed_at, now=now)]
    return _Found(
        releases=tuple(gone),
        contents=frozenset(rows.contents_in_use(tx)),
        runs=frozenset(rows.unfinished_runs(tx)),
        jobs=frozenset(rows.unfinished_jobs(tx)),
    )
