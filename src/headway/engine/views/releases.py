"""The pages of releases: a service's list, and one with its files, its runs and where it went."""

from collections.abc import Mapping
from dataclasses import dataclass

from headway.domain.commit import Commit
from headway.domain.release import Release
from headway.store.commits import commit_by_sha
from headway.store.database import Transaction
from headway.store.pages import cut, read_cursor
from headway.store.releases import get_release
from headway.store.requests import waiting_requests
from headway.store.views.commits import service_exists
from headway.store.views.deployments import (
    Brought,
    DeploymentLine,
    brought_by,
    deployments_of_release,
)
from headway.store.views.releases import ReleaseLine, RunOfRelease, release_lines, runs_of_release
from headway.store.views.services import place_lines

_PAGE = 50
_MOST_ROWS = 50
_MOST_COMMITS = 30


@dataclass(frozen=True, slots=True)
class ReleaseList:
    lines: tuple[ReleaseLine, ...]
    older: str | None
    #: Release -> environments where it is live.
    live: Mapping[str, tuple[str, ...]]
    #: The service is known at all.
    is_known: bool


def read_releases(tx: Transaction, service: str, *, before: str = "") -> ReleaseList:
    found = release_lines(tx, service, place=read_cursor(before), limit=_PAGE + 1)
    page, older = cut(found, _PAGE, lambda line: (line.at, line.id))
    return ReleaseList(tuple(page), older, _live(tx, service), bool(page) or service_exists(tx, service))


@dataclass(frozen=True, slots=True)
class ReleaseView:
    release: Release
    commit: Commit | None
    runs: tuple[RunOfRelease, ...]
    deployments: tuple[DeploymentLine, ...]
    live: tuple[str, ...]
    #: Environment -> id of the request that waits for it there.
    waiting: Mapping[str, str]
    #: What its first deployment brought: the commits between it and what was live then.
    brought: Brought | None

    @property
    def size(self) -> int:
        return sum(artifact.size for artifact in self.release.artifacts)


def read_release(tx: Transaction, service: str, id: str) -> ReleaseView | None:
    release = get_release(tx, id)
    if release is None or release.service != service:
        return None
    deployments = deployments_of_release(tx, id, limit=_MOST_ROWS)
    return ReleaseView(
        release=release,
        commit=commit_by_sha(tx, release.repository, release.commit),
        runs=tuple(runs_of_release(tx, id, limit=_MOST_ROWS)),
        deployments=tuple(deployments),
        live=_live(tx, service).get(id, ()),
        waiting={one.environment: one.id for one in waiting_requests(tx, service) if one.release == id},
        brought=_brought(tx, deployments),
    )


def _brought(tx: Transaction, deployments: list[DeploymentLine]) -> Brought | None:
    """Of its first deployment to production; before that of its first one anywhere."""
    first = next((one for one in reversed(deployments) if one.production), None) or next(
        reversed(deployments), None
    )
    return None if first is None else brought_by(tx, first.id, limit=_MOST_COMMITS)


def _live(tx: Transaction, service: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for place in place_lines(tx, service=service):
        if place.live_release is not None:
            found[place.live_release] = (*found.get(place.live_release, ()), place.environment)
    return found
