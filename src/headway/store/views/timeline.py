"""What happened to a service, newest first: runs, releases, deployments, requests, changes of its settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds
from headway.store.database import Row, Transaction
from headway.store.pages import Place, after


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
    #: Those of them that serve what it brought.
    hosts_done: int = 0


#: For each kind its moment, its key, and a statement for at most `:limit` of `:service`, to be completed by a page.
_STATEMENTS = {
    "run": (
        "run.created_at",
        "run.id",
        """
        SELECT run.id AS key, run.number, run.created_at AS at, run.state, run.reason, run.requested_by AS who,
            run.commit_sha, made.subject, run.branch, run.event AS what, run.finished_at
        FROM runs run LEFT JOIN commits made ON made.repository = run.repository AND made.sha = run.commit_sha
        WHERE run.service = :service AND {condition}
        ORDER BY {order} LIMIT :limit
        """,
    ),
    "release": (
        "made.created_at",
        "made.id",
        """
        SELECT made.id AS key, made.created_at AS at, made.created_by AS who, made.commit_sha, made.id AS release_id,
            run.number, sources.subject, made.removed_at AS finished_at
        FROM releases made LEFT JOIN runs run ON run.id = made.run
        LEFT JOIN commits sources ON sources.repository = made.repository AND sources.sha = made.commit_sha
        WHERE made.service = :service AND {condition}
        ORDER BY {order} LIMIT :limit
        """,
    ),
    "deployment": (
        "done.requested_at",
        "done.id",
        """
        SELECT done.id AS key, done.number, done.requested_at AS at, done.state, done.reason, done.requested_by AS who,
            done.commit_sha, done.release_id, done.environment, done.kind AS what, done.finished_at,
            (SELECT COUNT(*) FROM deployment_hosts host WHERE host.deployment = done.id) AS hosts,
            (SELECT COUNT(*) FROM deployment_hosts host WHERE host.deployment = done.id
                AND host.state IN ('live', 'finishing', 'finished')) AS hosts_done
        FROM deployments done
        WHERE done.service = :service AND {condition}
        ORDER BY {order} LIMIT :limit
        """,
    ),
    # One whose deployment began is told by that.
    "request": (
        "requested_at",
        "id",
        """
        SELECT id AS key, requested_at AS at, state, reason, requested_by AS who, commit_sha, release_id, environment,
            kind AS what, ended_at AS finished_at
        FROM requests
        WHERE service = :service AND {condition} AND deployment IS NULL
        ORDER BY {order} LIMIT :limit
        """,
    ),
    "change": (
        "at",
        "CAST(number AS TEXT)",
        """
        SELECT CAST(number AS TEXT) AS key, at, actor AS who, action AS what, subject AS reason
        FROM audit
        WHERE ((subject >= :environments AND subject < :after_environments)
                OR (subject >= :own AND subject < :after_own))
            AND {condition} AND action LIKE 'secret.%'
        ORDER BY {order} LIMIT :limit
        """,
    ),
}

KINDS = tuple(_STATEMENTS)


def happenings(
    tx: Transaction, kind: str, service: str, *, place: Place | None, limit: int
) -> list[Happening]:
    """The newest `limit` of this kind after the place, newest first."""
    words: dict[str, object] = {"service": service}
    if kind == "change":
        words = {
            # As the audit calls them: `shop/production NAME` and `service shop NAME`; the ends are the next character's.
            "environments": f"{service}/",
            "after_environments": f"{service}0",
            "own": f"service {service} ",
            "after_own": f"service {service}!",
        }
    at, key, statement = _STATEMENTS[kind]
    page = after(place, at=at, key=key)
    sql = statement.format(condition=page.condition, order=page.order)
    rows = tx.all(sql, limit=limit, **words, **page.values)
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
        hosts_done=row["hosts_done"],
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
