"""Deployments, their hosts and steps. One function a statement; every change of a running one names its owner's token."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.deployment import (
    Deployment,
    DeploymentKind,
    DeploymentState,
    DeploymentStep,
    HostRow,
    Wishes,
)
from headway.store.database import Row, Transaction

_UNFINISHED = "('held', 'running', 'rolling_back')"


def insert_deployment(tx: Transaction, deployment: Deployment, hosts: Sequence[HostRow], token: int) -> None:
    """`token` is the claim's of the environment; with an older one no later write changes anything."""
    values = {_column(name): _stored(value) for name, value in asdict(deployment).items()}
    columns = [*values, "token"]
    tx.execute(
        f"INSERT INTO deployments ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})",
        **values,
        token=token,
    )
    for position, row in enumerate(hosts):
        _insert_host(tx, row, position)


def save_deployment(tx: Transaction, deployment: Deployment, token: int) -> bool:
    """Store what may change while it goes on. False when another owner has taken it over: stop working on it."""
    return bool(
        tx.execute(
            """
            UPDATE deployments SET state = :state, reason = :reason, approved_by = :approved_by,
                approval_verified = :approval_verified, started_at = :started_at,
                first_switched_at = :first_switched_at, verified_at = :verified_at, finished_at = :finished_at,
                rolled_back_automatically = :rolled_back_automatically, due_at = :due_at, plan = :plan
            WHERE id = :id AND token = :token
            """,
            id=deployment.id,
            token=token,
            state=deployment.state,
            reason=deployment.reason,
            approved_by=deployment.approved_by,
            approval_verified=deployment.approval_verified,
            started_at=_stored(deployment.started_at),
            first_switched_at=_stored(deployment.first_switched_at),
            verified_at=_stored(deployment.verified_at),
            finished_at=_stored(deployment.finished_at),
            rolled_back_automatically=deployment.rolled_back_automatically,
            due_at=_stored(deployment.due_at),
            plan=deployment.plan,
        )
    )


def moved(tx: Transaction, deployment_id: str, now: datetime) -> None:
    """Something of it changed."""
    tx.execute(
        "UPDATE deployments SET moved_at = :now WHERE id = :id", id=deployment_id, now=to_milliseconds(now)
    )


def last_moves(tx: Transaction) -> list[tuple[Deployment, datetime]]:
    """What is unfinished anywhere, with the instant of its last change."""
    rows = tx.all(f"SELECT * FROM deployments WHERE state IN {_UNFINISHED} ORDER BY requested_at, id")
    return [
        (_deployment(row), from_milliseconds(row["moved_at"] or row["started_at"] or row["requested_at"]))
        for row in rows
    ]


def adopt_deployment(tx: Transaction, deployment_id: str, token: int) -> bool:
    """Make the claim with `token` its owner. False when it is finished, or a later claim has it."""
    return bool(
        tx.execute(
            f"UPDATE deployments SET token = :token WHERE id = :id AND token <= :token AND state IN {_UNFINISHED}",
            id=deployment_id,
            token=token,
        )
    )


def save_host(tx: Transaction, row: HostRow, token: int) -> bool:
    """False when another owner has the deployment."""
    return bool(
        tx.execute(
            """
            UPDATE deployment_hosts SET state = :state, reason = :reason, attempt = :attempt,
                switched_at = :switched_at, verified_at = :verified_at, reverted_at = :reverted_at, due_at = :due_at
            WHERE deployment = :deployment AND host = :host
                AND EXISTS (SELECT 1 FROM deployments WHERE id = :deployment AND token = :token)
            """,
            deployment=row.deployment,
            host=row.host,
            token=token,
            state=row.state,
            reason=row.reason,
            attempt=row.attempt,
            switched_at=_stored(row.switched_at),
            verified_at=_stored(row.verified_at),
            reverted_at=_stored(row.reverted_at),
            due_at=_stored(row.due_at),
        )
    )


def save_step(tx: Transaction, step: DeploymentStep) -> None:
    """Write it, or what became of it; the same step and attempt is one row."""
    tx.execute(
        """
        INSERT INTO deployment_steps
            (deployment, host, step, attempt, state, exit_code, started_at, finished_at, output)
        VALUES (:deployment, :host, :step, :attempt, :state, :exit_code, :started_at, :finished_at, :output)
        ON CONFLICT (deployment, host, step, attempt) DO UPDATE
            SET state = excluded.state, exit_code = excluded.exit_code,
                finished_at = excluded.finished_at, output = excluded.output
        """,
        **{name: _stored(value) for name, value in asdict(step).items()},
    )


def get_deployment(tx: Transaction, deployment_id: str) -> Deployment | None:
    row = tx.one("SELECT * FROM deployments WHERE id = :id", id=deployment_id)
    return _deployment(row) if row else None


def hosts_of(tx: Transaction, deployment_id: str) -> list[HostRow]:
    """In the order of their switch."""
    rows = tx.all(
        "SELECT * FROM deployment_hosts WHERE deployment = :deployment ORDER BY position",
        deployment=deployment_id,
    )
    return [_host(row) for row in rows]


def steps_of(tx: Transaction, deployment_id: str) -> list[DeploymentStep]:
    """In the order in which they began; of those that began in one millisecond, the first to end came first."""
    rows = tx.all(
        """
        SELECT * FROM deployment_steps WHERE deployment = :deployment
        ORDER BY started_at, host, attempt, COALESCE(finished_at, 9223372036854775807), step
        """,
        deployment=deployment_id,
    )
    return [_step(row) for row in rows]


def unfinished(tx: Transaction, service: str, environment: str | None = None) -> list[Deployment]:
    """Those that are held, running or going back; the newest first."""
    rows = tx.all(
        f"""
        SELECT * FROM deployments
        WHERE service = :service AND (CAST(:environment AS TEXT) IS NULL OR environment = :environment)
            AND state IN {_UNFINISHED}
        ORDER BY requested_at DESC, id DESC
        """,
        service=service,
        environment=environment,
    )
    return [_deployment(row) for row in rows]


def last_succeeded(
    tx: Transaction, service: str, environment: str, *, ours: bool = False
) -> Deployment | None:
    """The last that ended well; what is live says `engine.standing.what_runs.live_deployment`. `ours`: as `latest`."""
    row = tx.one(
        f"""
        SELECT * FROM deployments
        WHERE service = :service AND environment = :environment AND state = 'succeeded'
            {"AND origin = ''" if ours else ""}
        ORDER BY requested_at DESC, id DESC LIMIT 1
        """,
        service=service,
        environment=environment,
    )
    return _deployment(row) if row else None


def succeeded_elsewhere(tx: Transaction, service: str, environment: str, commit: str) -> Deployment | None:
    """The last deployment of this commit there that another system told of; nobody has seen that it is true."""
    row = tx.one(
        """
        SELECT * FROM deployments
        WHERE service = :service AND environment = :environment AND commit_sha = :commit AND state = 'succeeded'
            AND origin <> ''
        ORDER BY requested_at DESC, id DESC LIMIT 1
        """,
        service=service,
        environment=environment,
        commit=commit,
    )
    return _deployment(row) if row else None


def has_succeeded(tx: Transaction, service: str, environment: str, release: str) -> Deployment | None:
    """The last deployment of ours that brought this release to this environment, if one did."""
    row = tx.one(
        """
        SELECT * FROM deployments
        WHERE service = :service AND environment = :environment AND release_id = :release AND state = 'succeeded'
            AND origin = ''
        ORDER BY requested_at DESC, id DESC LIMIT 1
        """,
        service=service,
        environment=environment,
        release=release,
    )
    return _deployment(row) if row else None


def succeeded_of_commit(tx: Transaction, service: str, commit: str) -> dict[str, dict[str, datetime]]:
    """Of each release of a commit, where deployments of ours succeeded, and when the last one of each was asked for."""
    rows = tx.all(
        """
        SELECT release_id, environment, MAX(requested_at) AS at FROM deployments
        WHERE service = :service AND commit_sha = :commit AND state = 'succeeded' AND origin = ''
        GROUP BY release_id, environment
        """,
        service=service,
        commit=commit,
    )
    found: dict[str, dict[str, datetime]] = {}
    for row in rows:
        found.setdefault(row["release_id"], {})[row["environment"]] = from_milliseconds(row["at"])
    return found


def unfinished_anywhere(tx: Transaction) -> list[Deployment]:
    """Of every service and environment, the oldest first: what somebody drives, or has left."""
    rows = tx.all(f"SELECT * FROM deployments WHERE state IN {_UNFINISHED} ORDER BY requested_at, id")
    return [_deployment(row) for row in rows]


def deployment_by_number(tx: Transaction, service: str, number: int) -> Deployment | None:
    row = tx.one(
        "SELECT * FROM deployments WHERE service = :service AND number = :number",
        service=service,
        number=number,
    )
    return _deployment(row) if row else None


def deployment_by_record(tx: Transaction, service: str, key: str) -> Deployment | None:
    """The one that was recorded with this key."""
    row = tx.one(
        "SELECT * FROM deployments WHERE service = :service AND record_key = :key", service=service, key=key
    )
    return _deployment(row) if row else None


def ask(tx: Transaction, deployment_id: str, asked: str | None, by: str) -> bool:
    """A person's wish for what goes on: pause, stay, back; None: go on. False when it is over."""
    return bool(
        tx.execute(
            f"""
            UPDATE deployments SET asked = :asked, asked_by = :by
            WHERE id = :id AND state IN {_UNFINISHED}
            """,
            id=deployment_id,
            asked=asked,
            by=by,
        )
    )


def leave_out(tx: Transaction, deployment_id: str, hosts: Sequence[str]) -> bool:
    """All the hosts that are not to be tried any more. False when it is over."""
    return bool(
        tx.execute(
            f"UPDATE deployments SET left_out = :hosts WHERE id = :id AND state IN {_UNFINISHED}",
            id=deployment_id,
            hosts=json.dumps(hosts),
        )
    )


def wishes_of(tx: Transaction, deployment_id: str) -> Wishes:
    row = tx.one("SELECT asked, left_out FROM deployments WHERE id = :id", id=deployment_id)
    return Wishes(row["asked"], tuple(json.loads(row["left_out"]))) if row else Wishes()


def history(tx: Transaction, service: str, environment: str, limit: int = 200) -> list[Deployment]:
    """The newest `limit` deployments that users met, whatever came of them, oldest first."""
    rows = tx.all(
        """
        SELECT * FROM deployments
        WHERE service = :service AND environment = :environment
            AND (state = 'succeeded' OR first_switched_at IS NOT NULL)
        ORDER BY requested_at DESC, id DESC LIMIT :limit
        """,
        service=service,
        environment=environment,
        limit=limit,
    )
    return [_deployment(row) for row in reversed(rows)]


def latest(tx: Transaction, service: str, environment: str, *, ours: bool = False) -> Deployment | None:
    """The last one that was asked for, whatever came of it; `ours`: none that another system only told of."""
    row = tx.one(
        f"""
        SELECT * FROM deployments WHERE service = :service AND environment = :environment
            {"AND origin = ''" if ours else ""}
        ORDER BY requested_at DESC, id DESC LIMIT 1
        """,
        service=service,
        environment=environment,
    )
    return _deployment(row) if row else None


def latest_of_each(tx: Transaction) -> list[tuple[str, str, str]]:
    """Service, environment and plan: of every deployment of which something stands on a host, and of the last one that
    has a plan in each environment that has hosts."""
    rows = tx.all(
        """
        WITH places AS (SELECT DISTINCT service, environment FROM standings)
        SELECT service, environment, plan FROM deployments
        WHERE plan <> '{}' AND origin = ''
            AND id IN (SELECT deployment FROM standings WHERE deployment IS NOT NULL)
        UNION
        SELECT deployments.service, deployments.environment, deployments.plan
        FROM places JOIN deployments ON deployments.id = (
            SELECT id FROM deployments AS one
            WHERE one.service = places.service AND one.environment = places.environment
                AND plan <> '{}' AND origin = ''
            ORDER BY requested_at DESC, id DESC LIMIT 1
        )
        """
    )
    return [(row["service"], row["environment"], row["plan"]) for row in rows]


def rename_environment(tx: Transaction, service: str, environment: str, to: str) -> None:
    """All its deployments are of the new name; what was asked of the old one stands as it was asked."""
    tx.execute(
        "UPDATE deployments SET environment = :to WHERE service = :service AND environment = :environment",
        service=service,
        environment=environment,
        to=to,
    )


def environments_of(tx: Transaction, service: str) -> list[str]:
    """Where this service was ever deployed to, by name."""
    # Walks the index from one environment to the next; DISTINCT would read every deployment.
    rows = tx.all(
        """
        WITH RECURSIVE known (environment) AS (
            SELECT MIN(environment) FROM deployments WHERE service = :service
            UNION ALL
            SELECT (SELECT MIN(environment) FROM deployments
                    WHERE service = :service AND environment > known.environment)
            FROM known WHERE known.environment IS NOT NULL
        )
        SELECT environment FROM known WHERE environment IS NOT NULL
        """,
        service=service,
    )
    return [row["environment"] for row in rows]


def _insert_host(tx: Transaction, row: HostRow, position: int) -> None:
    values = {name: _stored(value) for name, value in asdict(row).items()}
    columns = [*values, "position"]
    tx.execute(
        f"INSERT INTO deployment_hosts ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})",
        **values,
        position=position,
    )


_COLUMNS = {"release": "release_id", "commit": "commit_sha"}


def _column(field: str) -> str:
    # `release` and `commit` are key words of SQL.
    return _COLUMNS.get(field, field)


def _stored(value: object) -> object:
    return to_milliseconds(value) if isinstance(value, datetime) else value


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_milliseconds(value)


def _deployment(row: Row) -> Deployment:
    return Deployment(
        id=row["id"],
        number=row["number"],
        service=row["service"],
        repository=row["repository"],
        environment=row["environment"],
        production=bool(row["production"]),
        release=row["release_id"],
        commit=row["commit_sha"],
        previous_release=row["previous_release"],
        kind=DeploymentKind(row["kind"]),
        state=DeploymentState(row["state"]),
        reason=row["reason"],
        requested_by=row["requested_by"],
        requested_at=from_milliseconds(row["requested_at"]),
        approved_by=row["approved_by"],
        approval_verified=bool(row["approval_verified"]),
        started_at=_instant(row["started_at"]),
        first_switched_at=_instant(row["first_switched_at"]),
        verified_at=_instant(row["verified_at"]),
        finished_at=_instant(row["finished_at"]),
        rolled_back_automatically=bool(row["rolled_back_automatically"]),
        supersedes=row["supersedes"],
        due_at=_instant(row["due_at"]),
        plan=row["plan"],
        origin=row["origin"],
        record_key=row["record_key"],
        request=row["request"],
        asked=row["asked"],
        asked_by=row["asked_by"],
    )


def _host(row: Row) -> HostRow:
    return HostRow(
        deployment=row["deployment"],
        host=row["host"],
        batch=row["batch"],
        state=row["state"],
        reason=row["reason"],
        previous_release=row["previous_release"],
        attempt=row["attempt"],
        switched_at=_instant(row["switched_at"]),
        verified_at=_instant(row["verified_at"]),
        reverted_at=_instant(row["reverted_at"]),
        due_at=_instant(row["due_at"]),
    )


def _step(row: Row) -> DeploymentStep:
    return DeploymentStep(
        deployment=row["deployment"],
        host=row["host"],
        step=row["step"],
        attempt=row["attempt"],
        state=row["state"],
        exit_code=row["exit_code"],
        started_at=from_milliseconds(row["started_at"]),
        finished_at=_instant(row["finished_at"]),
        output=row["output"],
    )
