"""Who works on what. A claim has an owner (a process), a lease, and a token that grows with each claim:
every later write of that owner says `AND token = :token`, so one that was taken over writes nothing.

On one machine a dead process has lost its claims at once; on another machine it loses them when the lease is over.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.store.database import Row, Transaction

# With several servers the database's clock is the only one they share: there, and only there, it stands in for `now`.
_DATABASE_CLOCK = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, told apart from every other that ever had its pid."""

    machine: str
    boot_id: str
    pid: int
    #: Clock ticks since boot, as /proc says; text, because other systems say it otherwise.
    start_time: str
    #: For people: `ana@laptop`.
    user: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    owner: Owner
    token: int
    reason: str
    claimed_at: datetime
    lease_until: datetime


#: Whether an owner lives: True or False where that can be known (its machine is this one), else None.
Liveness = Callable[[Owner], bool | None]


def claim(  # noqa: PLR0917  (what is claimed, by whom, and when: each call reads like a sentence)
    tx: Transaction,
    kind: str,
    id: str,
    owner: Owner,
    now: datetime,
    lease: timedelta,
    *,
    reason: str = "",
    is_alive: Liveness = lambda _: None,
) -> int | None:
    """The token, when the claim is ours now; None when somebody (this very process included) holds it.

    None may also mean that another was faster in this moment: look again at `holder`.
    """
    values = {
        "kind": kind,
        "id": id,
        "owner": json.dumps(asdict(owner)),
        "reason": reason,
        "now": to_milliseconds(now),
        "lease": lease // timedelta(milliseconds=1),
    }
    insert = """
        INSERT INTO claims (kind, id, owner, reason, token, claimed_at, lease_until)
        VALUES (:kind, :id, :owner, :reason, 1, :now, :now + :lease)
        ON CONFLICT (kind, id) DO NOTHING RETURNING token
        """
    if (first := tx.one(_by_one_clock(tx, insert), **values)) is not None:
        return int(first["token"])
    seen = _look(tx, kind, id, to_milliseconds(now))
    if seen is None or not _is_free(seen, is_alive):
        return None
    # Compare and swap: on PostgreSQL another may have taken it since the look.
    swap = """
        UPDATE claims SET owner = :owner, reason = :reason, token = token + 1,
            claimed_at = :now, lease_until = :now + :lease
        WHERE kind = :kind AND id = :id AND token = :seen RETURNING token
        """
    taken = tx.one(_by_one_clock(tx, swap), **values, seen=seen["token"])
    return None if taken is None else int(taken["token"])


def renew(  # noqa: PLR0917
    tx: Transaction, kind: str, id: str, token: int, now: datetime, lease: timedelta
) -> bool:
    """Still ours, for another `lease`; False when it was taken over: stop working on it."""
    statement = """
        UPDATE claims SET lease_until = :now + :lease
        WHERE kind = :kind AND id = :id AND token = :token AND owner IS NOT NULL
        """
    changed = tx.execute(
        _by_one_clock(tx, statement),
        kind=kind,
        id=id,
        token=token,
        now=to_milliseconds(now),
        lease=lease // timedelta(milliseconds=1),
    )
    return changed == 1


def release(tx: Transaction, kind: str, id: str, token: int) -> bool:
    """Give it back; False when it was no longer ours. The row stays, so that the token never goes back."""
    return bool(
        tx.execute(
            """
            UPDATE claims SET owner = NULL
            WHERE kind = :kind AND id = :id AND token = :token AND owner IS NOT NULL
            """,
            kind=kind,
            id=id,
            token=token,
        )
    )


def holder(tx: Transaction, kind: str, id: str) -> Claim | None:
    """The claim as it stands, alive or not; None when nobody has it."""
    row = tx.one(
        """
        SELECT owner, token, reason, claimed_at, lease_until FROM claims
        WHERE kind = :kind AND id = :id AND owner IS NOT NULL
        """,
        kind=kind,
        id=id,
    )
    if row is None:
        return None
    return Claim(
        owner=Owner(**json.loads(row["owner"])),
        token=row["token"],
        reason=row["reason"],
        claimed_at=from_milliseconds(row["claimed_at"]),
        lease_until=from_milliseconds(row["lease_until"]),
    )


def is_held(tx: Transaction, kind: str, id: str, now: datetime, is_alive: Liveness = lambda _: None) -> bool:
    """Whether a claim on it would be refused."""
    seen = _look(tx, kind, id, to_milliseconds(now))
    return seen is not None and not _is_free(seen, is_alive)


def _look(tx: Transaction, kind: str, id: str, now: int) -> Row | None:
    look = """
        SELECT owner, token, CASE WHEN lease_until <= :now THEN 1 ELSE 0 END AS is_over
        FROM claims WHERE kind = :kind AND id = :id
        """
    return tx.one(_by_one_clock(tx, look), kind=kind, id=id, now=now)


def _is_free(seen: Row, is_alive: Liveness) -> bool:
    if seen["owner"] is None or seen["is_over"]:
        return True
    return is_alive(Owner(**json.loads(seen["owner"]))) is False


def _by_one_clock(tx: Transaction, sql: str) -> str:
    return sql if tx.dialect == "sqlite" else sql.replace(":now", _DATABASE_CLOCK)
