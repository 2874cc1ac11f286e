"""Requests for deployments and their approvals. One function a statement; a change names the state that it starts from."""

import json
from collections.abc import Sequence
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.deployment import DeploymentKind
from headway.domain.request import Approval, Obstacle, Request, RequestOrigin, RequestState
from headway.store.database import Row, Transaction
from headway.store.pages import Place, after


def insert_request(tx: Transaction, request: Request) -> bool:
    """False, and nothing is stored, when the same cause has made the same wish before."""
    return bool(
        tx.execute(
            """
            INSERT INTO requests (
                id, service, environment, release_id, commit_sha, repository, kind, force, requested_by,
                requested_at, origin, cause, state, reason, obstacles, due_at, expires_at, deployment, settings_of,
                ended_at, left_out
            ) VALUES (
                :id, :service, :environment, :release_id, :commit_sha, :repository, :kind, :force, :requested_by,
                :requested_at, :origin, :cause, :state, :reason, :obstacles, :due_at, :expires_at, :deployment,
                :settings_of, :ended_at, :left_out
            )
            ON CONFLICT (service, environment, release_id, cause) DO NOTHING
            """,
            id=request.id,
            service=request.service,
            environment=request.environment,
            release_id=request.release,
            commit_sha=request.commit,
            repository=request.repository,
            kind=request.kind,
            force=request.force,
            requested_by=request.requested_by,
            requested_at=to_milliseconds(request.requested_at),
            origin=request.origin,
            cause=request.cause,
            state=request.state,
            reason=request.reason,
            obstacles=_obstacles_to_json(request.obstacles),
            due_at=_stored(request.due_at),
            expires_at=to_milliseconds(request.expires_at),
            deployment=request.deployment,
            settings_of=request.settings_of,
            ended_at=_stored(request.ended_at),
            left_out=json.dumps(request.without),
        )
    )


def save_waiting(
    tx: Transaction, request_id: str, reason: str, obstacles: Sequence[Obstacle], due_at: datetime
) -> bool:
    """What it waits for, and when to look again. False when it does not wait any more."""
    return bool(
        tx.execute(
            """
            UPDATE requests SET reason = :reason, obstacles = :obstacles, due_at = :due_at
            WHERE id = :id AND state = 'waiting'
            """,
            id=request_id,
            reason=reason,
            obstacles=_obstacles_to_json(obstacles),
            due_at=to_milliseconds(due_at),
        )
    )


def end_waiting(tx: Transaction, request_id: str, state: RequestState, reason: str, now: datetime) -> bool:
    """It leaves the gate without a deployment of its own. False when it did not wait any more."""
    return bool(
        tx.execute(
            """
            UPDATE requests SET state = :state, reason = :reason, due_at = NULL, ended_at = :now
            WHERE id = :id AND state = 'waiting'
            """,
            id=request_id,
            state=state,
            reason=reason,
            now=to_milliseconds(now),
        )
    )


def begin_request(tx: Transaction, request_id: str, deployment: str, reason: str) -> bool:
    """Its deployment begins, in this very transaction. False when it does not wait any more."""
    return bool(
        tx.execute(
            """
            UPDATE requests SET state = 'begun', deployment = :deployment, reason = :reason, obstacles = '[]',
                due_at = NULL
            WHERE id = :id AND state = 'waiting'
            """,
            id=request_id,
            deployment=deployment,
            reason=reason,
        )
    )


def finish_by_deployment(tx: Transaction, deployment: str, reason: str, now: datetime) -> Request | None:
    """The request whose deployment has ended; None when there is none, or it was done before."""
    row = tx.one(
        """
        UPDATE requests SET state = 'done', reason = :reason, ended_at = :now
        WHERE deployment = :deployment AND state = 'begun' RETURNING *
        """,
        deployment=deployment,
        reason=reason,
        now=to_milliseconds(now),
    )
    return _request(row) if row else None


def look_soon(tx: Transaction, service: str, environment: str | None, now: datetime) -> int:
    """Whatever waits there is looked at by the next tick; how many do.

    Not what waits for a secret: setting one wakes it, and its own end would begin it again and again.
    """
    return tx.execute(
        """
        UPDATE requests SET due_at = :now
        WHERE service = :service AND (CAST(:environment AS TEXT) IS NULL OR environment = :environment)
            AND state = 'waiting' AND due_at > :now AND obstacles NOT LIKE '%"kind": "secret"%'
        """,
        service=service,
        environment=environment,
        now=to_milliseconds(now),
    )


def look_at_all_soon(tx: Transaction, now: datetime) -> int:
    """Everything that waits is looked at by the next tick: a process begins, and what it left may be undone."""
    return tx.execute(
        "UPDATE requests SET due_at = :now WHERE state = 'waiting' AND due_at > :now",
        now=to_milliseconds(now),
    )


def look_soon_for_secrets(tx: Transaction, now: datetime) -> int:
    """Whatever waits for a secret is looked at by the next tick: one was set."""
    return tx.execute(
        """
        UPDATE requests SET due_at = :now
        WHERE state = 'waiting' AND due_at > :now AND obstacles LIKE '%"kind": "secret"%'
        """,
        now=to_milliseconds(now),
    )


def get_request(tx: Transaction, request_id: str) -> Request | None:
    row = tx.one("SELECT * FROM requests WHERE id = :id", id=request_id)
    return _request(row) if row else None


def request_by_cause(
    tx: Transaction, service: str, environment: str, release: str, cause: str
) -> Request | None:
    row = tx.one(
        """
        SELECT * FROM requests
        WHERE service = :service AND environment = :environment AND release_id = :release AND cause = :cause
        """,
        service=service,
        environment=environment,
        release=release,
        cause=cause,
    )
    return _request(row) if row else None


def request_of_deployment(tx: Transaction, deployment: str) -> Request | None:
    row = tx.one("SELECT * FROM requests WHERE deployment = :deployment", deployment=deployment)
    return _request(row) if row else None


def waiting_at(tx: Transaction, service: str, environment: str) -> Request | None:
    """The one that stands at this gate."""
    row = tx.one(
        "SELECT * FROM requests WHERE service = :service AND environment = :environment AND state = 'waiting'",
        service=service,
        environment=environment,
    )
    return _request(row) if row else None


def waiting_requests(
    tx: Transaction, service: str | None = None, *, place: Place | None = None, limit: int = 500
) -> list[Request]:
    """All that stand at a gate, of one service or of all; who waits longest comes first."""
    page = after(place, at="requested_at", key="id", oldest_first=True)
    rows = tx.all(
        f"""
        SELECT * FROM requests
        WHERE state = 'waiting' AND (CAST(:service AS TEXT) IS NULL OR service = :service) AND {page.condition}
        ORDER BY {page.order} LIMIT :limit
        """,
        service=service,
        limit=limit,
        **page.values,
    )
    return [_request(row) for row in rows]


def due_requests(tx: Transaction, now: datetime, *, limit: int = 100) -> list[Request]:
    rows = tx.all(
        """
        SELECT * FROM requests WHERE due_at IS NOT NULL AND due_at <= :now AND state = 'waiting'
        ORDER BY due_at, id LIMIT :limit
        """,
        now=to_milliseconds(now),
        limit=limit,
    )
    return [_request(row) for row in rows]


def next_due(tx: Transaction) -> datetime | None:
    row = tx.one("SELECT MIN(due_at) AS due FROM requests WHERE due_at IS NOT NULL AND state = 'waiting'")
    return None if row is None or row["due"] is None else from_milliseconds(row["due"])


def requests_of(
    tx: Transaction, service: str, *, place: Place | None = None, limit: int = 50
) -> list[Request]:
    """The newest first, those after `place`."""
    page = after(place, at="requested_at", key="id")
    rows = tx.all(
        f"""
        SELECT * FROM requests WHERE service = :service AND {page.condition}
        ORDER BY {page.order} LIMIT :limit
        """,
        service=service,
        limit=limit,
        **page.values,
    )
    return [_request(row) for row in rows]


def requests_to_tell(tx: Transaction, service: str, environment: str | None = None) -> list[Request]:
    """What waits, and what was refused or ran out with nothing asked for or deployed there since; by environment."""
    rows = tx.all(
        """
        SELECT * FROM requests r
        WHERE service = :service AND (CAST(:environment AS TEXT) IS NULL OR environment = :environment)
            AND (state = 'waiting' OR (
                state IN ('refused', 'expired')
                AND NOT EXISTS (
                    SELECT 1 FROM requests later
                    WHERE later.service = r.service AND later.environment = r.environment
                        AND (later.requested_at, later.id) > (r.requested_at, r.id)
                )
                AND NOT EXISTS (
                    SELECT 1 FROM deployments d
                    WHERE d.service = r.service AND d.environment = r.environment AND d.requested_at > r.requested_at
                )
            ))
        ORDER BY environment, requested_at, id
        """,
        service=service,
        environment=environment,
    )
    return [_request(row) for row in rows]


def put_approval(tx: Transaction, approval: Approval) -> None:
    """The person's last word counts."""
    tx.execute(
        """
        INSERT INTO approvals (request, person, yes, comment, at, expires_at, verified)
        VALUES (:request, :person, :yes, :comment, :at, :expires_at, :verified)
        ON CONFLICT (request, person) DO UPDATE
            SET yes = excluded.yes, comment = excluded.comment, at = excluded.at,
                expires_at = excluded.expires_at, verified = excluded.verified
        """,
        request=approval.request,
        person=approval.person,
        yes=approval.yes,
        comment=approval.comment,
        at=to_milliseconds(approval.at),
        expires_at=to_milliseconds(approval.expires_at),
        verified=approval.verified,
    )


def approvals_of(tx: Transaction, request_id: str) -> list[Approval]:
    """In the order in which they were given."""
    rows = tx.all("SELECT * FROM approvals WHERE request = :request ORDER BY at, person", request=request_id)
    return [
        Approval(
            request=row["request"],
            person=row["person"],
            yes=bool(row["yes"]),
            comment=row["comment"],
            at=from_milliseconds(row["at"]),
            expires_at=from_milliseconds(row["expires_at"]),
            verified=bool(row["verified"]),
        )
        for row in rows
    ]


def _stored(value: datetime | None) -> int | None:
    return None if value is None else to_milliseconds(value)


def _obstacles_to_json(obstacles: Sequence[Obstacle]) -> str:
    return json.dumps(
        [
            {
                "kind": one.kind,
                "reason": one.reason,
                "hint": one.hint,
                "final": one.final,
                "until": _stored(one.until),
            }
            for one in obstacles
        ]
    )


def _obstacle(value: dict[str, object]) -> Obstacle:
    until = value.get("until")
    return Obstacle(
        kind=str(value["kind"]),
        reason=str(value["reason"]),
        hint=str(value.get("hint", "")),
        final=bool(value.get("final")),
        until=from_milliseconds(until) if isinstance(until, int) else None,
    )


def _request(row: Row) -> Request:
    return Request(
        id=row["id"],
        service=row["service"],
        environment=row["environment"],
        release=row["release_id"],
        commit=row["commit_sha"],
        repository=row["repository"],
        kind=DeploymentKind(row["kind"]),
        force=bool(row["force"]),
        requested_by=row["requested_by"],
        requested_at=from_milliseconds(row["requested_at"]),
        origin=RequestOrigin(row["origin"]),
        cause=row["cause"],
        state=RequestState(row["state"]),
        reason=row["reason"],
        expires_at=from_milliseconds(row["expires_at"]),
        obstacles=tuple(_obstacle(one) for one in json.loads(row["obstacles"])),
        due_at=None if row["due_at"] is None else from_milliseconds(row["due_at"]),
        deployment=row["deployment"],
        settings_of=row["settings_of"],
        ended_at=None if row["ended_at"] is None else from_milliseconds(row["ended_at"]),
        without=tuple(json.loads(row["left_out"])),
    )
