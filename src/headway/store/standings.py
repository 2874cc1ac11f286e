"""What stands on which host of an environment. One row a host; written with every change of a deployment's hosts."""

from dataclasses import asdict
from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.standing import Standing, StandingState
from headway.store.database import Row, Transaction


def put_standing(tx: Transaction, standing: Standing) -> None:
    values = {_COLUMNS.get(name, name): _stored(value) for name, value in asdict(standing).items()}
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name not in _KEY)
    tx.execute(
        f"""
        INSERT INTO standings ({", ".join(values)}) VALUES ({", ".join(":" + name for name in values)})
        ON CONFLICT (service, environment, host) DO UPDATE SET {changes}
        """,
        **values,
    )


def standings_of(tx: Transaction, service: str, environment: str) -> list[Standing]:
    """By host; also of hosts that the environment does not name any more."""
    rows = tx.all(
        "SELECT * FROM standings WHERE service = :service AND environment = :environment ORDER BY host",
        service=service,
        environment=environment,
    )
    return [_standing(row) for row in rows]


def asked_before(tx: Transaction, at: datetime) -> list[tuple[str, str]]:
    """Service and environment where a host has not said since `at` what it has; the longest ago first."""
    rows = tx.all(
        """
        SELECT service, environment FROM standings
        WHERE member = 1 AND (asked_at IS NULL OR asked_at < :at)
        GROUP BY service, environment ORDER BY MIN(COALESCE(asked_at, 0)), service, environment
        """,
        at=to_milliseconds(at),
    )
    return [(row["service"], row["environment"]) for row in rows]


def get_standing(tx: Transaction, service: str, environment: str, host: str) -> Standing | None:
    row = tx.one(
        "SELECT * FROM standings WHERE service = :service AND environment = :environment AND host = :host",
        service=service,
        environment=environment,
        host=host,
    )
    return _standing(row) if row else None


def forget_standing(tx: Transaction, service: str, environment: str, host: str) -> bool:
    """False when nothing was known of it."""
    return bool(
        tx.execute(
            "DELETE FROM standings WHERE service = :service AND environment = :environment AND host = :host",
            service=service,
            environment=environment,
            host=host,
        )
    )


def rename_standings(tx: Transaction, service: str, environment: str, to: str) -> None:
    tx.execute(
        "UPDATE standings SET environment = :to WHERE service = :service AND environment = :environment",
        service=service,
        environment=environment,
        to=to,
    )


_KEY = ("service", "environment", "host")
#: `release` and `commit` are key words of SQL.
_COLUMNS = {"release": "release_id", "commit": "commit_sha"}


def _stored(value: object) -> object:
    return to_milliseconds(value) if isinstance(value, datetime) else value


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_milliseconds(value)


def _standing(row: Row) -> Standing:
    return Standing(
        service=row["service"],
        environment=row["environment"],
        host=row["host"],
        release=row["release_id"],
        commit=row["commit_sha"],
        deployment=row["deployment"],
        number=row["number"],
        since=_instant(row["since"]),
        state=StandingState(row["state"]),
        reason=row["reason"],
        asked_at=_instant(row["asked_at"]),
        missed_since=_instant(row["missed_since"]),
        missed_why=row["missed_why"],
        member=bool(row["member"]),
    )
