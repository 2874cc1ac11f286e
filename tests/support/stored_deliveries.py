"""A `Story` as rows, as `headway deploy` leaves them."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from headway.base.clock import to_milliseconds
from headway.domain.commit import Commit
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState, HostRow
from headway.dora.facts import DeploymentFact
from headway.store.bulk import insert_rows
from headway.store.database import Database, Transaction
from headway.store.deployment_commits import record_commits


def store(
    database: Database,
    facts: Sequence[DeploymentFact],
    *,
    repository: str = "/nowhere",
    production: bool = True,
    record: bool = True,
) -> None:
    """Deployments, one host of each, their releases and (unless record=False) their commits."""

    releases: dict[str, DeploymentFact] = {}
    commits: dict[str, str] = {}
    deployments, hosts = [], []
    for fact in facts:
        releases.setdefault(fact.release, fact)
        commits.setdefault(fact.commit, fact.release)
        previous = commits.get(fact.changes.base or "")
        deployment, rows = _rows(fact, previous, repository, production=production)
        deployments.append(_columns(deployment) | {"token": 1})
        hosts += [_columns(row) | {"position": row.batch} for row in rows]

    def work(tx: Transaction) -> None:
        made = [
            _release(fact.service, name, repository, fact.commit, fact.requested_at)
            for name, fact in releases.items()
        ]
        insert_rows(tx, "releases", made)
        insert_rows(tx, "deployments", deployments)
        insert_rows(tx, "deployment_hosts", hosts)
        if record:
            for fact in facts:
                _record(tx, fact)

    database.transact(work)


def _columns(value: Deployment | HostRow) -> dict[str, object]:
    names = {"release": "release_id", "commit": "commit_sha"}
    return {
        names.get(field.name, field.name): to_milliseconds(found)
        if isinstance(found := getattr(value, field.name), datetime)
        else found
        for field in fields(value)
    }


def add_release(
    tx: Transaction, service: str, release: str, repository: str, commit: str, at: datetime
) -> None:
    insert_rows(tx, "releases", [_release(service, release, repository, commit, at)])


def _release(service: str, release: str, repository: str, commit: str, at: datetime) -> dict[str, object]:
    return {
        "id": release,
        "service": service,
        "repository": repository,
        "commit_sha": commit,
        "created_at": to_milliseconds(at),
        "created_by": "ana",
        "run": None,
        "renewed_at": to_milliseconds(at),
        "removed_at": None,
    }


def _rows(
    fact: DeploymentFact, previous: str | None, repository: str, *, production: bool
) -> tuple[Deployment, list[HostRow]]:
    deployment = Deployment(
        id=fact.id,
        number=fact.number,
        service=fact.service,
        repository=repository,
        environment=fact.environment,
        production=production,
        release=fact.release,
        commit=fact.commit,
        previous_release=previous,
        kind=DeploymentKind(fact.kind),
        state=DeploymentState(fact.state),
        reason="",
        requested_by="ana@laptop",
        requested_at=fact.requested_at,
        first_switched_at=fact.first_switched_at,
        verified_at=fact.verified_at,
        finished_at=fact.finished_at,
        rolled_back_automatically=fact.automatic,
    )
    reverted = fact.restored_at
    first = HostRow(
        fact.id, "web1", 0, "live", "", previous, reverted_at=reverted and reverted - timedelta(minutes=1)
    )
    second = HostRow(fact.id, "web2", 1, "live", "", previous, reverted_at=reverted)
    return deployment, [first, second]


def _record(tx: Transaction, fact: DeploymentFact) -> None:
    commits = [
        Commit(
            sha=commit.sha,
            tree="",
            parents=(),
            author="ana",
            authored_at=datetime(2000, 1, 1, tzinfo=UTC),
            committer="ana",
            committed_at=commit.committed_at,
            subject=commit.subject,
        )
        for commit in fact.changes.commits or ()
    ]
    record_commits(tx, fact.id, base=fact.changes.base, commits=commits, unknown=fact.changes.unknown)
