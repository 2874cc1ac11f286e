"""Releases: made from a run, or from files that another system built; found by what people type.

ReleaseError             2
├── DirtyRelease         2   the tree has uncommitted changes
├── UnknownRelease       2   nothing here is called so
├── AmbiguousRelease     2   several are
├── NoReleaseYet         2   the commit has none
├── ReleaseGone          2   retention let its artifacts go
└── ArtifactNotThere     2   a file that was named, or the contract's artifact, is not there
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from headway.base.errors import WrongUse
from headway.deploy.choice import Candidate, preferred
from headway.domain.commit import Commit
from headway.domain.contract import DeploySpec
from headway.domain.release import DIGITS, PREFIX, Artifact, Release, release_id
from headway.domain.run import Run
from headway.drivers.artifacts import ArtifactGone, ArtifactStore
from headway.drivers.git import Git, UnknownCommit
from headway.engine.settings import Settings
from headway.engine.standing.what_runs import live_deployment
from headway.store import releases as rows
from headway.store.commits import add_commit, commit_by_sha
from headway.store.database import Database, Transaction
from headway.store.deployments import environments_of, succeeded_of_commit
from headway.store.runs import run_by_id

_HEX = re.compile(r"[0-9a-f]{4,64}")


class ReleaseError(WrongUse):
    pass


class DirtyRelease(ReleaseError):
    pass


class UnknownRelease(ReleaseError):
    pass


class AmbiguousRelease(ReleaseError):
    pass


class NoReleaseYet(ReleaseError):
    pass


class ReleaseGone(ReleaseError):
    pass


class ArtifactNotThere(ReleaseError):
    pass


def artifacts_for_release(deploy: DeploySpec | None, made: Sequence[Artifact]) -> tuple[Artifact, ...] | None:
    """Of the artifacts that a run made, those that make the release; None when there is nothing to release.

    With `deploy.artifact` that one alone, so that a report that differs each time makes no new release of it;
    without (kind `script`) all of them, even none.
    """
    if deploy is None:
        return None
    if deploy.artifact is None:
        return tuple(made)
    chosen = tuple(artifact for artifact in made if artifact.path == deploy.artifact)
    return chosen or None


def compose_release(run: Run, artifacts: Sequence[Artifact], *, by: str, now: datetime) -> Release:
    """The release of a run's artifacts, not stored yet. Raises DirtyRelease."""
    if run.dirty:
        raise DirtyRelease(
            f"run {run.number} of {run.service} is of uncommitted changes, which cannot be released",
            hint="git commit, then: headway run",
        )
    return Release(
        id=release_id(run.service, run.commit, artifacts),
        service=run.service,
        repository=run.repository,
        commit=run.commit,
        artifacts=tuple(sorted(artifacts, key=lambda artifact: artifact.path)),
        created_at=now,
        created_by=by,
        run=run.id,
    )


def store_release(tx: Transaction, store: ArtifactStore, release: Release, *, now: datetime) -> Release:
    """Within the caller's transaction, so that a run and its release end together. May be called again.

    Renews the artifacts first: a retention that looked before this transaction commits leaves them alone.
    Raises ArtifactGone, ReleaseDiffers.
    """
    store.renew(release.artifacts)
    return rows.put_release(tx, release, now=now)


def hold_release(tx: Transaction, store: ArtifactStore, release: Release, *, now: datetime) -> None:
    """For the transaction that begins a deployment: from here on no retention lets the release go. Raises ReleaseGone."""
    # The hosts may have what this machine has not, such as a release that another one built.
    with suppress(ArtifactGone):
        store.renew(release.artifacts)
    if not rows.renew_release(tx, release.id, now=now):
        raise _gone(release, now)


def add_release(
    database: Database,
    settings: Settings,
    *,
    service: str,
    repository: Path,
    commit: str,
    files: Mapping[str, Path],
    now: datetime,
    also: Callable[[Transaction, Release], None] = lambda tx, release: None,
) -> Release:
    """A release of what another system built: `files` are the artifacts by their paths.

    `commit` is anything that git takes for one. `also` is done in the same transaction. Raises UnknownCommit, ArtifactNotThere, ReleaseDiffers, DiskFull
    and the errors of the artifact store.
    """
    found = Git(settings.environment, settings.mirrors).commit(repository, commit)
    for path, file in files.items():
        if not file.is_file():
            raise ArtifactNotThere(
                f"there is no file {file} for the artifact '{path}'", hint="see what was built"
            )
    store = ArtifactStore(settings.artifacts)
    artifacts = tuple(store.keep(files[path], path) for path in sorted(files))
    release = Release(
        id=release_id(service, found.sha, artifacts),
        service=service,
        repository=str(repository),
        commit=found.sha,
        artifacts=artifacts,
        created_at=now,
        created_by=settings.user,
    )

    def work(tx: Transaction) -> Release:
        add_commit(tx, release.repository, found)
        stored = store_release(tx, store, release, now=now)
        also(tx, stored)
        return stored

    return database.transact(work)


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a release is to be deployed: of several of one commit, that decides which one is meant."""

    environment: str | None = None
    #: The environment in which a release of this commit must have succeeded before.
    after: Callable[[Release], str | None] = lambda release: None


@dataclass(frozen=True, slots=True)
class Found:
    release: Release
    #: Where the commit has several: which one is taken, and why. Else empty.
    said: str = ""


def find_release(database: Database, git: Git, *, service: str, repository: str | Path, text: str) -> Release:
    """The release that `text` names; see `find_for`."""
    return find_for(database, git, Aim(), service=service, repository=repository, text=text).release


def find_for(
    database: Database, git: Git, aim: Aim, *, service: str, repository: str | Path, text: str
) -> Found:
    """The release that `text` names: its id or a beginning of it, a commit's id or beginning, HEAD, a branch, a tag.

    Of a commit with several releases the one that `deploy.choice` prefers. Raises UnknownRelease, AmbiguousRelease,
    NoReleaseYet, ReleaseGone.
    """
    by_id = _by_id(database, service, text)
    if by_id is not None:
        return Found(standing(by_id))
    if _HEX.fullmatch(text):
        of_commit = database.read(lambda tx: rows.releases_of_commit(tx, service, text))
        if len({release.commit for release in of_commit}) > 1:
            raise _ambiguous(service, text, [release.commit[:12] for release in of_commit])
        if of_commit:
            return _preferred(database, of_commit, aim, text)
    try:
        sha = git.resolve(repository, text)
    except UnknownCommit:
        raise UnknownRelease(
            f"'{text}' names no release and no commit of {service}", hint="see what there is: headway release"
        ) from None
    of_commit = database.read(lambda tx: rows.releases_of_commit(tx, service, sha))
    if of_commit:
        return _preferred(database, of_commit, aim, text)
    named = text if sha.startswith(text) else f"{text} ({sha[:12]})"
    raise NoReleaseYet(
        f"{named} has no release of {service} yet",
        hint="headway run makes one of the commit you are on; headway release add --commit takes files built elsewhere",
    )


def _preferred(database: Database, of_commit: Sequence[Release], aim: Aim, called: str) -> Found:
    """`of_commit` are those of one commit, newest first; `called` is what the user calls it. Raises ReleaseGone."""
    stand = [release for release in of_commit if release.removed_at is None] or [standing(of_commit[0])]
    if len(stand) == 1:
        return Found(stand[0])
    after = aim.after(stand[0])
    chosen, why = database.read(
        lambda tx: choose_release(tx, stand, environment=aim.environment, after=after)
    )
    others = [one.id for one in stand if one.id != chosen.id]
    shown = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
    return Found(
        chosen,
        f"{called} has {len(stand)} releases; {chosen.id} is taken, which {why} (--release takes another one: {shown})",
    )


def choose_release(
    tx: Transaction, of_commit: Sequence[Release], *, environment: str | None, after: str | None
) -> tuple[Release, str]:
    """Of the releases of one commit, the one that `deploy.choice` prefers there, and why. They are not empty."""
    service, commit = of_commit[0].service, of_commit[0].commit
    live = live_deployment(tx, service, environment) if environment else None
    succeeded = succeeded_of_commit(tx, service, commit)
    candidates = [Candidate(one.id, one.created_at, succeeded.get(one.id, {})) for one in of_commit]
    chosen, why = preferred(
        candidates, environment=environment, after=after, live=live.release if live else None
    )
    return next(one for one in of_commit if one.id == chosen), why


def standing(release: Release) -> Release:
    """The release, unless retention let it go. Raises ReleaseGone."""
    if release.removed_at is not None:
        raise _gone(release, release.removed_at)
    return release


def _gone(release: Release, removed_at: datetime) -> ReleaseGone:
    return ReleaseGone(
        f"{release.id} of commit {release.commit[:12]} is gone: its artifacts were removed on "
        f"{removed_at:%Y-%m-%d}, as nothing used it",
        hint=f"make it anew: git checkout {release.commit[:12]}, then headway run",
    )


def _by_id(database: Database, service: str, text: str) -> Release | None:
    if not (text.startswith(PREFIX) or (_HEX.fullmatch(text) and len(text) <= DIGITS)):
        return None
    prefix = text if text.startswith(PREFIX) else PREFIX + text
    found = database.read(lambda tx: rows.releases_by_prefix(tx, service, prefix))
    if len(found) > 1:
        raise _ambiguous(service, text, [release.id for release in found])
    if not found and text.startswith(PREFIX):
        raise UnknownRelease(f"{service} has no release {text}", hint="see what there is: headway release")
    return found[0] if found else None


def _ambiguous(service: str, text: str, meant: Sequence[str]) -> AmbiguousRelease:
    several = sorted(set(meant))
    shown = ", ".join(several[:5]) + (" …" if len(several) > 5 else "")
    return AmbiguousRelease(
        f"'{text}' may be {len(several)} releases of {service}: {shown}", hint="type more of it"
    )


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release with what a person asks next: of which commit, from which run, and where it is live."""

    release: Release
    #: None when the database no longer knows it.
    commit: Commit | None
    run_number: int | None
    #: Environments, by name.
    live_in: tuple[str, ...]


def view_releases(database: Database, service: str, releases: Sequence[Release]) -> list[ReleaseView]:
    """In the order of `releases`."""

    def work(tx: Transaction) -> list[ReleaseView]:
        live: dict[str, list[str]] = {}
        for environment in environments_of(tx, service):
            if found := live_deployment(tx, service, environment):
                live.setdefault(found.release, []).append(environment)
        return [
            ReleaseView(
                release,
                commit_by_sha(tx, release.repository, release.commit),
                run.number if release.run and (run := run_by_id(tx, release.run)) else None,
                tuple(live.get(release.id, ())),
            )
            for release in releases
        ]

    return database.read(work)


def list_releases(database: Database, service: str, *, limit: int) -> list[ReleaseView]:
    """The newest `limit` of the service that stand, newest first."""
    return view_releases(
        database, service, database.read(lambda tx: rows.releases_of(tx, service, limit=limit))
    )


def name_files(arguments: Sequence[str], *, here: Path, root: Path, artifact: str | None) -> dict[str, Path]:
    """Artifact paths -> files, of words like `FILE` and `PATH=FILE`.

    A FILE that is called as the contract's `artifact` is that one; another one within the repository (at `root`)
    has its own path there, one from elsewhere its name. Raises ArtifactNotThere
    for two files of one path, and when the contract's artifact is not among them.
    """
    found: dict[str, Path] = {}
    for word in arguments:
        path, mark, name = word.partition("=")
        if not mark or (here / word).exists():
            path, name = "", word
        file = Path(os.path.abspath(here / name))
        path = path or _path_of(file, root, artifact)
        if path.startswith("/") or ".." in path.split("/"):
            raise ArtifactNotThere(f"the artifact path '{path}' leaves the release", hint="write it relative")
        if path in found:
            raise ArtifactNotThere(
                f"{found[path]} and {file} would both be the artifact '{path}'", hint="name them: PATH=FILE"
            )
        found[path] = file
    if artifact is not None and artifact not in found:
        raise ArtifactNotThere(
            f"headway.toml deploys the artifact '{artifact}', and none of the files is it",
            hint=f"say which one it is: {artifact}={arguments[0] if arguments else 'FILE'}",
        )
    return found


def _path_of(file: Path, root: Path, artifact: str | None) -> str:
    if artifact is not None and file.name == artifact.rpartition("/")[2]:
        return artifact
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
