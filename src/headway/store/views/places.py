"""Environments that may be in trouble: found without reading a history, for the bar of every page asks."""

from dataclasses import dataclass

from headway.store.database import Row, Transaction


@dataclass(frozen=True, slots=True)
class BadEnd:
    """The last deployment to an environment that began and ended: it failed, or was taken back."""

    service: str
    environment: str
    number: int
    state: str
    #: Who did it when it was not Headway; empty for Headway's own.
    origin: str


def bad_ends(tx: Transaction, *, service: str | None = None) -> list[BadEnd]:
    """One for each environment whose last deployment ended badly."""
    rows = tx.all(
        """
        SELECT bad.service, bad.environment, bad.number, bad.state, bad.origin
        FROM (
            SELECT service, environment, MAX(requested_at) AS at FROM deployments
            WHERE state IN ('failed', 'rolled_back') AND (CAST(:service AS TEXT) IS NULL OR service = :service)
            GROUP BY service, environment
        ) AS last
        JOIN deployments bad ON bad.service = last.service AND bad.environment = last.environment
            AND bad.requested_at = last.at AND bad.state IN ('failed', 'rolled_back')
        WHERE NOT EXISTS (
            SELECT 1 FROM deployments good
            WHERE good.service = bad.service AND good.environment = bad.environment AND good.state = 'succeeded'
                AND good.requested_at >= bad.requested_at
                AND (good.requested_at > bad.requested_at OR good.number > bad.number)
        )
        ORDER BY bad.service, bad.environment, bad.number
        """,
        service=service,
    )
    # Of several of one moment the last.
    return list({(row["service"], row["environment"]): _bad_end(row) for row in rows}.values())


def standing_strangely(tx: Transaction, *, service: str | None = None) -> list[tuple[str, str]]:
    """Service and environment where hosts differ, or one is missed, unclear, or left over."""
    rows = tx.all(
        """
        SELECT service, environment FROM standings
        WHERE CAST(:service AS TEXT) IS NULL OR service = :service
        GROUP BY service, environment
        HAVING MIN(CASE WHEN member = 1 THEN COALESCE(release_id, '') END)
                <> MAX(CASE WHEN member = 1 THEN COALESCE(release_id, '') END)
            OR MAX(CASE
                WHEN member = 0 AND (release_id IS NOT NULL OR state = 'unclear') THEN 1
                WHEN member = 1 AND (missed_since IS NOT NULL OR state = 'unclear' OR reason <> '') THEN 1
                ELSE 0 END) = 1
        ORDER BY service, environment
        """,
        service=service,
    )
    return [(row["service"], row["environment"]) for row in rows]


def moving_places(tx: Transaction) -> set[tuple[str, str]]:
    """Where a deployment is at work."""
    rows = tx.all(
        """
        SELECT DISTINCT service, environment FROM deployments
        WHERE state IN ('held', 'running', 'rolling_back') AND state <> 'held'
        """
    )
    return {(row["service"], row["environment"]) for row in rows}


def _bad_end(row: Row) -> BadEnd:
    return BadEnd(row["service"], row["environment"], row["number"], row["state"], row["origin"])
