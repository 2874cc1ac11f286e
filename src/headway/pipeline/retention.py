"""What is kept and what goes: a release that is live anywhere, or stood there before, stays; so do the last ones of each
service; the rest goes by age.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar


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
    logs: timedelta = timedelta(days=90)
    log_bytes: int = 5 * 2**30
    #: Finished jobs' directories, with their working copies; the oldest go earlier when there are more of them.
    jobs: timedelta = timedelta(days=1)
    job_count: int = 200
    #: Objects of dirty trees.
    trees: timedelta = timedelta(days=7)
    #: Tidying is done at most this often.
    every: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Aged:
    """A release as this decision sees it."""

    id: str
    service: str
    renewed_at: datetime


class Folder(Protocol):
    """What finished work has left: its name, when it changed last, its bytes."""

    @property
    def name(self) -> str: ...
    @property
    def changed_at(self) -> datetime: ...
    @property
    def size(self) -> int: ...


AnyFolder = TypeVar("AnyFolder", bound=Folder)


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
    found: Sequence[AnyFolder],
    busy: Collection[str],
    now: datetime,
    age: timedelta,
    *,
    most: int,
    most_bytes: int,
) -> tuple[AnyFolder, ...]:
    """Of folders, the longest unchanged first, those that go: not busy, and too old or beyond the quotas."""
    count, size = len(found), sum(folder.size for folder in found)
    going = []
    for folder in found:
        if folder.name in busy:
            continue
        if now - folder.changed_at > age or count > most or size > most_bytes:
            going.append(folder)
            count, size = count - 1, size - folder.size
    return tuple(going)
