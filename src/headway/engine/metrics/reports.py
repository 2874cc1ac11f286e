"""Facts for the delivery metrics: from the rows of deployments, and from git while the repository is here."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from headway.base.clock import EPOCH
from headway.base.errors import WrongUse
from headway.domain.deployment import DeploymentState
from headway.dora.facts import Changes, CommitFact, DeploymentFact, WaitingCommit
from headway.dora.metric import Window
from headway.dora.metrics import Report, measure
from headway.drivers.git import Git
from headway.engine.deployments.changes import Found, commits_between, find_changes, record_changes
from headway.store.database import Database, Transaction
from headway.store.reports import (
    PastDeployment,
    known_places,
    newest_releases,
    past_commits,
    past_deployments,
    watched_since,
)

#: Deployments whose commits are looked for when a report asks: 3 ms each, so that a report never takes long.
_MOST_LOOKUPS = 200


def delivery_report(
    database: Database,
    git: Git,
    *,
    service: str | None,
    environment: str | None,
    since: timedelta,
    now: datetime,
) -> Report:
    """The five metrics of a service (None: all) in an environment (None: all production). Blocks.

    Raises WrongUse for an environment or a service that nothing was ever deployed to, while others were.
    """

    def load(tx: Transaction) -> tuple[list[PastDeployment], Mapping[str, list[CommitFact]], datetime | None]:
        return (
            past_deployments(tx, service, environment),
            _by_deployment(tx, service, environment),
            watched_since(tx, service),
        )

    past, commits, watched = database.read(load)
    if _record_missing_changes(database, git, past):
        past, commits, watched = database.read(load)
    if not past:
        _check_place(database, service, environment)
    facts = [_fact(item, commits.get(item.id, [])) for item in past]
    waiting = _waiting(database, git, service, past)
    start = now - since if since < now - EPOCH else EPOCH
    return measure(facts, waiting, Window(start, now), watched if past else None)


def _record_missing_changes(database: Database, git: Git, past: Sequence[PastDeployment]) -> bool:
    """For deployments of an older Headway, or begun on a machine without the repository. Whether there were any."""
    missing = [item for item in past if not item.recorded and item.state.is_final][-_MOST_LOOKUPS:]
    found = [(item, _find_past_changes(git, item)) for item in missing]

    def record(tx: Transaction) -> None:
        for item, answer in found:
            record_changes(tx, item, item.previous_commit or item.previous_release, answer)

    if found:
        database.transact(record)
    return bool(found)


def _find_past_changes(git: Git, past: PastDeployment) -> Found:
    if past.previous_release is not None and past.previous_commit is None:
        return (), f"the release {past.previous_release} that was live before is not known here"
    return find_changes(git, past, past.previous_commit)


def _check_place(database: Database, service: str | None, environment: str | None) -> None:
    places = database.read(known_places)
    services = sorted({place[0] for place in places})
    if service is not None and services and service not in services:
        raise WrongUse(
            f"nothing of a service '{service}' was ever deployed", hint=f"known are: {', '.join(services)}"
        )
    environments = sorted({place[1] for place in places if service in (None, place[0])})
    if environment is not None and environment not in environments:
        known = f"known are: {', '.join(environments)}" if environments else "headway deploy ENVIRONMENT"
        raise WrongUse(f"nothing was ever deployed to an environment '{environment}'", hint=known)


def _by_deployment(
    tx: Transaction, service: str | None, environment: str | None
) -> Mapping[str, list[CommitFact]]:
    commits: dict[str, list[CommitFact]] = {}
    for row in past_commits(tx, service, environment):
        commits.setdefault(row.deployment, []).append(CommitFact(row.sha, row.committed_at, row.subject))
    return commits


def _fact(past: PastDeployment, commits: Sequence[CommitFact]) -> DeploymentFact:
    if past.recorded:
        known = None if past.unknown else tuple(commits)
        changes = Changes(past.base, known, past.unknown)
    else:
        changes = Changes(past.previous_commit or past.previous_release, None, "they were not recorded")
    # Where a host's own time is missing, the end of the whole is the latest that it can have been.
    restored = past.restored_at or past.finished_at if past.state is DeploymentState.ROLLED_BACK else None
    verified = past.verified_at or past.finished_at if past.state is DeploymentState.SUCCEEDED else None
    return DeploymentFact(
        id=past.id,
        number=past.number,
        service=past.service,
        environment=past.environment,
        release=past.release,
        commit=past.commit,
        kind=past.kind,
        state=past.state,
        requested_at=past.requested_at,
        first_switched_at=past.first_switched_at,
        verified_at=verified,
        finished_at=past.finished_at,
        restored_at=restored,
        automatic=past.automatic,
        changes=changes,
    )


def _waiting(
    database: Database, git: Git, service: str | None, past: Iterable[PastDeployment]
) -> list[WaitingCommit]:
    """Commits of each service's newest release that production does not have, as far as git can tell here."""
    live = {item.service: item.commit for item in past if item.state is DeploymentState.SUCCEEDED}
    waiting: list[WaitingCommit] = []
    for name, (release, repository, commit) in database.read(lambda tx: newest_releases(tx, service)).items():
        if live.get(name, commit) == commit:
            continue
        commits, _ = commits_between(git, repository, live[name], commit)
        why = f"in release {release}, not in production"
        waiting += [WaitingCommit(name, CommitFact(c.sha, c.committed_at, c.subject), why) for c in commits]
    return waiting
