"""What happened to a service, newest first: runs, releases, deployments, requests, changes of its settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.store.database import Row, Transaction


@dataclass(frozen=True, slots=True)
class Happening:
    """One row of a timeline. What a kind has not is None or empty."""

    at: datetime
    #: run, release, deployment, request, change
    kind: str
    #: Unique within its kind: what breaks ties of one moment.
    key: str
    state: str
    reason: str
    who: str
    number: int | None = None
    commit: str | None = None
    subject: str | None = None
    branch: str | None = None
    release: str | None = None
    environment: str | None = None
    #: Of a deployment: planned, hotfix, rollback, redeploy; of a run its trigger; of a change what was done.
    what: str = ""
    finished_at: datetime | None = None
    hosts: int = 0


#: A statement for each kind: at most `:limit` of `:service` not after `:until`.
_STATEMENTS = {
    "run": """
        SELECT run.id AS key, run.number, run.created_at AS at, run.state, run.reason, run.requested_by AS who,
            run.commit_sha, made.subject, run.branch, run.event AS what, run.finished_at
        FROM runs run LEFT JOIN commits made ON made.repository = run.repository AND made.sha = run.commit_sha
        WHERE run.service = :service AND run.created_at <= :until
        ORDER BY run.created_at DESC LIMIT :limit
        """,
    "release": """
        SELECT made.id AS key, made.created_at AS at, made.created_by AS who, made.commit_sha, made.id AS release_id,
            run.number, sources.subject, made.removed_at AS finished_at
        FROM releases made LEFT JOIN runs run ON run.id = made.run
        LEFT JOIN commits sources ON sources.repository = made.repository AND sources.sha = made.commit_sha
        WHERE made.service = :service AND made.created_at <= :until
        ORDER BY made.created_at DESC LIMIT :limit
        """,
    "deployment": """
        SELECT done.id AS key, done.number, done.requested_at AS at, done.state, done.reason, done.requested_by AS who,
            done.commit_sha, done.release_id, done.environment, done.kind AS what, done.finished_at,
            (SELECT COUNT(*) FROM deployment_hosts host WHERE host.deployment = done.id) AS hosts
        FROM deployments done
        WHERE done.service = :service AND done.requested_at <= :until
        ORDER BY done.requested_at DESC LIMIT :limit
        """,
    # One whose deployment began is told by that.
    "request": """
        SELECT id AS key, requested_at AS at, state, reason, requested_by AS who, commit_sha, release_id, environment,
            kind AS what, ended_at AS finished_at
        FROM requests
        WHERE service = :service AND requested_at <= :until AND deployment IS NULL
        ORDER BY requested_at DESC LIMIT :limit
        """,
    "change": """
        SELECT CAST(number AS TEXT) AS key, at, actor AS who, action AS what, subject AS reason
        FROM audit
        WHERE ((subject >= :environments AND subject < :after_environments)
                OR (subject >= :own AND subject < :after_own))
            AND at <= :until AND action LIKE 'secret.%'
        ORDER BY at DESC LIMIT :limit
        """,
}

KINDS = tuple(_STATEMENTS)


def happenings(tx: Transaction, kind: str, service: str, *, until: datetime, limit: int) -> list[Happening]:
    """The newest `limit` of this kind that are not after `until`, newest first."""
    words: dict[str, object] = {"service": service}
    if kind == "change":
        words = {
            # As the audit calls them: `shop/production NAME` and `service shop NAME`; the ends are the next character's.
            "environments": f"{service}/",
            "after_environments": f"{service}0",
            "own": f"service {service} ",
            "after_own": f"service {service}!",
        }
    rows = tx.all(_STATEMENTS[kind], until=to_milliseconds(until), limit=limit, **words)
    return [_MAPPERS[kind](row) for row in rows]


def _run(row: Row) -> Happening:
    return Happening(
        at=from_milliseconds(row["at"]),
        kind="run",
        key=row["key"],
        state=row["state"],
        reason=row["reason"],
        who=row["who"],
        number=row["number"],
        commit=row["commit_sha"],
        subject=row["subject"],
        branch=row["branch"],
        what=row["what"],
        finished_at=_instant(row["finished_at"]),
    )


def _release(row: Row) -> Happening:
    return Happening(
        at=from_milliseconds(row["at"]),
        kind="release",
        key=row["key"],
        state="",
        reason="",
        who=row["who"],
        number=row["number"],
        commit=row["commit_sha"],
        subject=row["subject"],
        release=row["release_id"],
        finished_at=_instant(row["finished_at"]),
    )


def _deployment(row: Row) -> Happening:
    return Happening(
        at=from_milliseconds(row["at"]),
        kind="deployment",
        key=row["key"],
        state=row["state"],
        reason=row["reason"],
        who=row["who"],
        number=row["number"],
        commit=row["commit_sha"],
        release=row["release_id"],
        environment=row["environment"],
        what=row["what"],
        finished_at=_instant(row["finished_at"]),
        hosts=row["hosts"],
    )


def _request(row: Row) -> Happening:
    return Happening(
        at=from_milliseconds(row["at"]),
        kind="request",
        key=row["key"],
        state=row["state"],
        reason=row["reason"],
        who=row["who"],
        commit=row["commit_sha"],
        release=row["release_id"],
        environment=row["environment"],
        what=row["what"],
        finished_at=_instant(row["finished_at"]),
    )


def _change(row: Row) -> Happening:
    return Happening(
        at=from_milliseconds(row["at"]),
        kind="change",
        key=row["key"],
        state="",
        reason=row["reason"],
        who=row["who"],
        what=row["what"],
    )


_MAPPERS: Mapping[str, Callable[[Row], Happening]] = {
    "run": _run,
    "release": _release,
    "deployment": _deployment,
    "request": _request,
    "change": _change,
}


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
