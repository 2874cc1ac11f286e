"""Every service with its last run, and what runs where: each row by walking indexes, never by reading a history."""

from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds
from headway.store.database import Row, Transaction

#: All services that anything is known of. Walks from one name to the next: DISTINCT would read every run.
_SERVICES = """
    WITH RECURSIVE
    of_runs (name) AS (
        SELECT MIN(service) FROM runs
        UNION ALL
        SELECT (SELECT MIN(service) FROM runs WHERE service > of_runs.name)
        FROM of_runs WHERE of_runs.name IS NOT NULL
    ),
    of_releases (name) AS (
        SELECT MIN(service) FROM releases
        UNION ALL
        SELECT (SELECT MIN(service) FROM releases WHERE service > of_releases.name)
        FROM of_releases WHERE of_releases.name IS NOT NULL
    ),
    of_deployments (name) AS (
        SELECT MIN(service) FROM deployments
        UNION ALL
        SELECT (SELECT MIN(service) FROM deployments WHERE service > of_deployments.name)
        FROM of_deployments WHERE of_deployments.name IS NOT NULL
    ),
    names (name) AS (
        SELECT name FROM of_runs WHERE name IS NOT NULL
        UNION SELECT name FROM of_releases WHERE name IS NOT NULL
        UNION SELECT name FROM of_deployments WHERE name IS NOT NULL
        UNION SELECT service FROM repositories WHERE service IS NOT NULL AND removed_at IS NULL
    )
"""


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """A service and the last run of its default branch; without a run the fields of one are None."""

    name: str
    team: str | None
    branch: str | None
    run: int | None
    state: str | None
    reason: str
    commit: str | None
    subject: str | None
    at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """A service in an environment: what is live, and the last deployment that was asked for."""

    service: str
    environment: str
    production: bool
    live: int | None
    live_release: str | None
    live_commit: str | None
    live_at: datetime | None
    number: int
    state: str
    reason: str
    release: str
    asked_at: datetime
    finished_at: datetime | None
    #: Of the last one while it goes on: hosts that serve it, and all.
    hosts_done: int
    hosts: int

    @property
    def is_going(self) -> bool:
        return self.state in ("held", "running", "rolling_back")


@dataclass(frozen=True, slots=True)
class HeldRun:
    """A run that may not start until a person says so."""

    service: str
    number: int
    held_for: str


def held_runs(tx: Transaction, *, service: str | None = None) -> list[HeldRun]:
    rows = tx.all(
        """
        SELECT service, number, held_for FROM runs
        WHERE state IN ('queued', 'running') AND held_for IS NOT NULL AND approved_by IS NULL
            AND (CAST(:service AS TEXT) IS NULL OR service = :service)
        ORDER BY service, number
        """,
        service=service,
    )
    return [HeldRun(row["service"], row["number"], row["held_for"]) for row in rows]


def service_lines(
    tx: Transaction, *, like: str | None = None, service: str | None = None
) -> list[ServiceLine]:
    """By name. `like`: a part of the name in any case; `service`: only this one."""
    rows = tx.all(
        f"""
        {_SERVICES},
        chosen AS (
            SELECT names.name, repository.team, repository.default_branch AS branch,
                COALESCE(
                    (SELECT run.id FROM runs run
                        WHERE run.service = names.name AND run.branch = COALESCE(repository.default_branch, 'main')
                            AND run.event <> 'try'
                        ORDER BY run.created_at DESC LIMIT 1),
                    (SELECT run.id FROM runs run WHERE run.service = names.name AND run.fork = 0
                        ORDER BY run.created_at DESC LIMIT 1)
                ) AS run
            FROM names LEFT JOIN repositories repository ON repository.id = (
                SELECT MIN(one.id) FROM repositories one WHERE one.service = names.name AND one.removed_at IS NULL
            )
            WHERE (CAST(:like AS TEXT) IS NULL OR LOWER(names.name) LIKE :like ESCAPE '!')
                AND (CAST(:service AS TEXT) IS NULL OR names.name = :service)
        )
        SELECT chosen.name, chosen.team, chosen.branch, run.number, run.state, run.reason, run.commit_sha,
            run.branch AS run_branch, run.created_at, run.finished_at, made.subject
        FROM chosen
        LEFT JOIN runs run ON run.id = chosen.run
        LEFT JOIN commits made ON made.repository = run.repository AND made.sha = run.commit_sha
        ORDER BY chosen.name
        """,
        like=None if like is None else _pattern(like),
        service=service,
    )
    return [_service(row) for row in rows]


def place_lines(tx: Transaction, *, service: str | None = None) -> list[PlaceLine]:
    """Every environment that anything was ever deployed to, by service and name; of one service or of all."""
    rows = tx.all(
        """
        WITH RECURSIVE places (service, environment) AS (
            SELECT * FROM (
                SELECT service, environment FROM deployments
                WHERE CAST(:service AS TEXT) IS NULL OR service = :service
                ORDER BY service, environment LIMIT 1
            ) AS first
            UNION ALL
            SELECT found.service, found.environment FROM places JOIN deployments found ON found.id = (
                SELECT after.id FROM deployments after
                WHERE (after.service, after.environment) > (places.service, places.environment)
                ORDER BY after.service, after.environment LIMIT 1
            )
            WHERE CAST(:service AS TEXT) IS NULL OR found.service = :service
        ),
        ends AS (
            SELECT service, environment,
                (SELECT good.id FROM deployments good
                    WHERE good.service = places.service AND good.environment = places.environment
                        AND good.state = 'succeeded'
                    ORDER BY good.requested_at DESC LIMIT 1) AS good,
                -- As engine.standing.what_runs.live_deployment: what put there what most hosts have.
                (SELECT most.deployment FROM standings most JOIN deployments brought ON brought.id = most.deployment
                    WHERE most.service = places.service AND most.environment = places.environment AND most.member = 1
                        AND brought.state NOT IN ('held', 'running', 'rolling_back')
                    ORDER BY (
                        SELECT COUNT(*) FROM standings same
                        WHERE same.service = most.service AND same.environment = most.environment
                            AND same.release_id = most.release_id AND same.member = 1
                    ) DESC, most.since DESC, most.host DESC LIMIT 1) AS standing,
                (SELECT newest.id FROM deployments newest
                    WHERE newest.service = places.service AND newest.environment = places.environment
                    ORDER BY newest.requested_at DESC LIMIT 1) AS latest
            FROM places
        )
        SELECT ends.service, ends.environment, latest.production, live.number AS live, live.release_id AS live_release,
            live.commit_sha AS live_commit, COALESCE(live.verified_at, live.finished_at) AS live_at,
            latest.number, latest.state, latest.reason, latest.release_id, latest.requested_at, latest.finished_at,
            CASE WHEN latest.state IN ('running', 'rolling_back') THEN
                (SELECT COUNT(*) FROM deployment_hosts host WHERE host.deployment = latest.id
                    AND host.state IN ('live', 'finishing', 'finished'))
            ELSE 0 END AS hosts_done,
            CASE WHEN latest.state IN ('running', 'rolling_back') THEN
                (SELECT COUNT(*) FROM deployment_hosts host WHERE host.deployment = latest.id)
            ELSE 0 END AS hosts
        FROM ends
        JOIN deployments latest ON latest.id = ends.latest
        LEFT JOIN deployments good ON good.id = ends.good
        LEFT JOIN deployments live ON live.id =
            CASE WHEN good.origin <> '' THEN good.id ELSE COALESCE(ends.standing, good.id) END
        ORDER BY ends.service, ends.environment
        """,
        service=service,
    )
    return [_place(row) for row in rows]


def _pattern(part: str) -> str:
    plain = part.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{plain}%"


def _service(row: Row) -> ServiceLine:
    return ServiceLine(
        name=row["name"],
        team=row["team"],
        branch=row["run_branch"] or row["branch"],
        run=row["number"],
        state=row["state"],
        reason=row["reason"] or "",
        commit=row["commit_sha"],
        subject=row["subject"],
        at=_instant(row["created_at"]),
        finished_at=_instant(row["finished_at"]),
    )


def _place(row: Row) -> PlaceLine:
    return PlaceLine(
        service=row["service"],
        environment=row["environment"],
        production=bool(row["production"]),
        live=row["live"],
        live_release=row["live_release"],
        live_commit=row["live_commit"],
        live_at=_instant(row["live_at"]),
        number=row["number"],
        state=row["state"],
        reason=row["reason"],
        release=row["release_id"],
        asked_at=from_milliseconds(row["requested_at"]),
        finished_at=_instant(row["finished_at"]),
        hosts_done=row["hosts_done"],
        hosts=row["hosts"],
    )


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
