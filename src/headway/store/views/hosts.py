"""What runs on hosts: what stands there, and what a deployment that goes on is doing with it."""

from dataclasses import dataclass
from datetime import datetime

from headway.base.clock import from_milliseconds
from headway.store.database import Row, Transaction


@dataclass(frozen=True, slots=True)
class OnHost:
    """What a service's environment has on a host."""

    host: str
    service: str
    environment: str
    #: The last deployment there; of a host that is no longer of it the one that it still has.
    number: int
    #: Empty where nothing is left: it went back, and there was nothing before.
    release: str
    #: A host's state within a deployment where one goes on or went wrong; else live, left_out, unclear, left_over (no
    #: longer of the environment), or empty: nothing stands there.
    state: str
    reason: str
    #: The deployment's own state.
    whole: str
    at: datetime
    #: When the host last said itself what it has; None: not since this is kept.
    asked_at: datetime | None
    #: Since when deployments go on without it.
    missed_since: datetime | None
    #: How many services and environments this host has, and how many of them are in trouble.
    count: int
    troubled: int


#: States of a host that a person has to look at.
IN_TROUBLE = ("broken", "unprepared", "stuck", "left_out", "left_over", "unclear")

_GOES_ON = "(d.state IN ('running', 'rolling_back') AND h.state IS NOT NULL)"
#: Of a host that a deployment left broken or stuck: no later look found there what was finished before.
_STILL_UNCLEAR = "(s.state = 'unclear' OR s.reason <> '')"
#: What stands there, and how it goes on in the last deployment of its place.
_FOUND = f"""
    WITH latest AS (
        SELECT places.service, places.environment, (
            SELECT d.id FROM deployments d
            WHERE d.service = places.service AND d.environment = places.environment
            ORDER BY d.requested_at DESC LIMIT 1
        ) AS id
        FROM (
            SELECT DISTINCT service, environment FROM standings
            WHERE CAST(:host AS TEXT) IS NULL OR host = :host
        ) AS places
    ),
    found AS (
        SELECT s.host, s.service, s.environment, s.release_id AS stands, s.deployment AS brought, s.asked_at,
            s.missed_since, d.id AS latest, d.release_id AS comes, h.state AS step,
            {_GOES_ON} AS goes_on,
            CASE
                WHEN s.member = 0 THEN 'left_over'
                WHEN {_GOES_ON} THEN h.state
                WHEN h.state = 'unprepared' OR h.state IN ('broken', 'stuck') AND {_STILL_UNCLEAR} THEN h.state
                WHEN s.missed_since IS NOT NULL THEN 'left_out'
                WHEN {_STILL_UNCLEAR} THEN 'unclear'
                WHEN h.state = 'reverted' THEN h.state
                WHEN s.release_id IS NULL THEN ''
                ELSE 'live'
            END AS state,
            CASE
                WHEN s.member = 0 AND s.state = 'unclear' THEN 'no longer of ' || s.environment || ', unclear: ' || s.reason
                WHEN s.member = 0 THEN 'no longer of ' || s.environment
                WHEN h.reason <> '' AND h.state NOT IN ('waiting', 'live', 'finishing', 'finished')
                    AND (h.state NOT IN ('broken', 'stuck') OR {_GOES_ON} OR {_STILL_UNCLEAR}) THEN h.reason
                WHEN s.missed_since IS NOT NULL THEN s.missed_why
                ELSE s.reason
            END AS reason
        FROM standings s
        JOIN latest ON latest.service = s.service AND latest.environment = s.environment
        JOIN deployments d ON d.id = latest.id
        LEFT JOIN deployment_hosts h ON h.deployment = latest.id AND h.host = s.host
        WHERE (CAST(:host AS TEXT) IS NULL OR s.host = :host)
            AND (s.release_id IS NOT NULL OR s.state = 'unclear' OR (s.member = 1 AND h.host IS NOT NULL))
    )
"""
#: Of a deployment that goes on: what stood there before stands there still.
_AS_BEFORE = (
    "waiting",
    "preparing",
    "prepared",
    "migrating",
    "migrated",
    "unprepared",
    "reverted",
    "left_out",
)
_TROUBLED = f"state IN ({', '.join(repr(state) for state in IN_TROUBLE)})"


def on_hosts(tx: Transaction, *, host: str | None = None, most: int, limit: int) -> list[OnHost]:
    """By host, those in trouble first; of each host at most `most` rows, of all together at most `limit`."""
    rows = tx.all(
        f"""
        {_FOUND},
        numbered AS (
            SELECT found.*,
                ROW_NUMBER() OVER (
                    PARTITION BY host ORDER BY CASE WHEN {_TROUBLED} THEN 0 ELSE 1 END, service, environment
                ) AS place,
                COUNT(*) OVER (PARTITION BY host) AS count,
                SUM(CASE WHEN {_TROUBLED} THEN 1 ELSE 0 END) OVER (PARTITION BY host) AS troubled
            FROM found
        )
        SELECT numbered.*, d.number, d.state AS whole, COALESCE(d.finished_at, d.requested_at) AS at
        FROM numbered
        LEFT JOIN deployments brought ON brought.id = numbered.brought
        JOIN deployments d ON d.id = CASE
            WHEN numbered.step IS NULL AND brought.id IS NOT NULL THEN brought.id ELSE numbered.latest END
        WHERE numbered.place <= :most
        ORDER BY numbered.host, numbered.place LIMIT :limit
        """,
        host=host,
        most=most,
        limit=limit,
    )
    return [_on_host(row) for row in rows]


def _on_host(row: Row) -> OnHost:
    # What is being switched is told by where it goes; all else by what stands there, which others may have changed.
    is_switched = bool(row["goes_on"]) and row["step"] not in _AS_BEFORE
    return OnHost(
        host=row["host"],
        service=row["service"],
        environment=row["environment"],
        number=row["number"],
        release=row["comes"] if is_switched else row["stands"] or "",
        state=row["state"],
        reason=row["reason"],
        whole=row["whole"],
        at=from_milliseconds(row["at"]),
        asked_at=_instant(row["asked_at"]),
        missed_since=_instant(row["missed_since"]),
        count=row["count"],
        troubled=row["troubled"],
    )


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_milliseconds(milliseconds)
