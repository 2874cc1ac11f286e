"""What repositories told of: stored before its teller is answered, worked on afterwards, each thing once."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.intake import Arrival, ArrivalKind, PullRequest, arrival_key
from headway.store.counters import next_number
from headway.store.database import Row, Transaction


@dataclass(frozen=True, slots=True)
class StoredArrival:
    #: In the order of their coming, over all repositories.
    number: int
    repository: str
    arrival: Arrival
    received_at: datetime
    attempts: int
    #: waiting, done, ignored (nothing was to be done; the note says why) or failed (set aside: the server died of it).
    state: str = "waiting"
    note: str = ""
    run: str | None = None
    delivery: str = ""
    #: How often work on it was begun and not ended: whoever worked on it died.
    begun: int = 0


def add_arrival(
    tx: Transaction, repository: str, key: str, arrival: Arrival, *, delivery: str, now: datetime
) -> int | None:
    """Its number; None when it was told before under this key."""
    known = tx.one(
        "SELECT number FROM arrivals WHERE repository = :repository AND key = :key",
        repository=repository,
        key=key,
    )
    if known is not None:
        return None
    number = next_number(tx, "", "arrival")
    added = tx.execute(
        """
        INSERT INTO arrivals (number, repository, key, delivery, content, kind, ref, body, received_at, state, due_at,
            attempts, note)
        VALUES (:number, :repository, :key, :delivery, :content, :kind, :ref, :body, :now, 'waiting', :now, 0, '')
        ON CONFLICT (repository, key) DO NOTHING
        """,
        number=number,
        repository=repository,
        key=key,
        delivery=delivery,
        content=arrival_key(arrival),
        kind=arrival.kind,
        ref=arrival.ref,
        body=json.dumps(_body(arrival)),
        now=to_milliseconds(now),
    )
    return number if added else None


def repositories_with_news(tx: Transaction, now: datetime) -> list[str]:
    """Those of which something is due. One with an arrival that waits for another try holds its later ones back.

    One that was never tried is due whenever it came: the clock may have been set back since.
    """
    rows = tx.all(
        """
        SELECT DISTINCT repository FROM arrivals WHERE due_at IS NOT NULL AND (due_at <= :now OR attempts = 0)
            AND repository NOT IN (SELECT repository FROM arrivals WHERE due_at > :now AND attempts > 0)
        """,
        now=to_milliseconds(now),
    )
    return [row["repository"] for row in rows]


def due_arrivals(tx: Transaction, repository: str, *, limit: int = 500) -> list[StoredArrival]:
    """All that wait of a repository that has news, in the order of their coming."""
    rows = tx.all(
        """
        SELECT * FROM arrivals WHERE repository = :repository AND due_at IS NOT NULL
        ORDER BY number LIMIT :limit
        """,
        repository=repository,
        limit=limit,
    )
    return [_stored(row) for row in rows]


def next_arrival(tx: Transaction, now: datetime) -> datetime | None:
    """When one that failed is to be tried again."""
    row = tx.one("SELECT MIN(due_at) AS due_at FROM arrivals WHERE due_at > :now", now=to_milliseconds(now))
    return None if row is None or row["due_at"] is None else from_milliseconds(row["due_at"])


def hold_arrival(tx: Transaction, number: int) -> bool:
    """Nobody else ends it until this transaction does. False when somebody has: another server was faster."""
    return bool(
        tx.execute(
            "UPDATE arrivals SET attempts = attempts WHERE number = :number AND state = 'waiting'",
            number=number,
        )
    )


def begin_arrivals(tx: Transaction, numbers: Sequence[int]) -> None:
    """Work on them begins. Whoever ends, puts off or leaves them takes this back; a kill does not."""
    for number in numbers:
        tx.execute("UPDATE arrivals SET begun = begun + 1 WHERE number = :number", number=number)


def leave_arrivals(tx: Transaction, numbers: Sequence[int]) -> None:
    """Nothing came of the work on them, and that was nobody's fault."""
    for number in numbers:
        tx.execute(
            "UPDATE arrivals SET begun = begun - 1 WHERE number = :number AND begun > 0 AND state = 'waiting'",
            number=number,
        )


def arrival_of_run(tx: Transaction, run_id: str) -> StoredArrival | None:
    """What began the run; None when that was forgotten since."""
    row = tx.one("SELECT * FROM arrivals WHERE run = :run ORDER BY number LIMIT 1", run=run_id)
    return None if row is None else _stored(row)


def end_arrival(tx: Transaction, number: int, state: str, *, note: str, run: str | None = None) -> bool:
    """False when it had ended before."""
    return bool(
        tx.execute(
            """
            UPDATE arrivals SET state = :state, due_at = NULL, note = :note, run = :run
            WHERE number = :number AND state = 'waiting'
            """,
            number=number,
            state=state,
            note=note[:500],
            run=run,
        )
    )


def try_again(tx: Transaction, numbers: Sequence[int], due_at: datetime, note: str) -> None:
    for number in numbers:
        tx.execute(
            """
            UPDATE arrivals SET due_at = :due_at, attempts = attempts + 1, begun = 0, note = :note
            WHERE number = :number AND state = 'waiting'
            """,
            number=number,
            due_at=to_milliseconds(due_at),
            note=note[:500],
        )


def taken_before(tx: Transaction, repository: str, arrival: Arrival, number: int) -> bool:
    """Whether an earlier one said the same, and something came of it."""
    row = tx.one(
        """
        SELECT 1 AS known FROM arrivals WHERE repository = :repository AND content = :content
            AND number < :number AND state = 'done' LIMIT 1
        """,
        repository=repository,
        content=arrival_key(arrival),
        number=number,
    )
    return row is not None


def refs_on_their_way(tx: Transaction, repository: str) -> set[str]:
    """Refs of which something is stored that was not worked on yet."""
    rows = tx.all(
        "SELECT DISTINCT ref FROM arrivals WHERE repository = :repository AND due_at IS NOT NULL",
        repository=repository,
    )
    return {row["ref"] for row in rows}


def last_waiting(tx: Transaction, repository: str, ref: str) -> Arrival | None:
    """The newest of this ref that was not worked on yet."""
    row = tx.one(
        """
        SELECT * FROM arrivals WHERE repository = :repository AND ref = :ref AND due_at IS NOT NULL
        ORDER BY number DESC LIMIT 1
        """,
        repository=repository,
        ref=ref,
    )
    return None if row is None else _stored(row).arrival


def was_told(tx: Transaction, repository: str, ref: str, sha: str) -> bool:
    """Whether somebody told that the ref had come to point there."""
    row = tx.one(
        """
        SELECT 1 AS told FROM arrivals WHERE repository = :repository AND ref = :ref AND content LIKE '%:' || :sha
        LIMIT 1
        """,
        repository=repository,
        ref=ref,
        sha=sha,
    )
    return row is not None


def senders_of(tx: Transaction, repository: str, sha: str) -> set[str]:
    """Who told, and could prove it, that a ref came to point there; also of what was told twice and passed over."""
    rows = tx.all(
        "SELECT body FROM arrivals WHERE repository = :repository AND content LIKE '%:' || :sha",
        repository=repository,
        sha=sha,
    )
    return {sender for row in rows if (sender := json.loads(row["body"]).get("sender"))}


def latest_arrivals(tx: Transaction, repository: str, *, limit: int = 20) -> list[StoredArrival]:
    """Newest first: what the settings page shows of a webhook that is being set up."""
    rows = tx.all(
        "SELECT * FROM arrivals WHERE repository = :repository ORDER BY number DESC LIMIT :limit",
        repository=repository,
        limit=limit,
    )
    return [_stored(row) for row in rows]


def waiting_arrivals(tx: Transaction) -> int:
    row = tx.one("SELECT COUNT(*) AS waiting FROM arrivals WHERE due_at IS NOT NULL")
    return 0 if row is None else int(row["waiting"])


def forget_arrivals(tx: Transaction, *, before: datetime, limit: int = 5000) -> int:
    """Delete ended ones that came before; how many went. Their keys go with them: older news is taken for new."""
    return tx.execute(
        """
        DELETE FROM arrivals WHERE number IN (
            SELECT number FROM arrivals WHERE received_at < :before AND state <> 'waiting'
            ORDER BY received_at LIMIT :limit
        )
        """,
        before=to_milliseconds(before),
        limit=limit,
    )


def _body(arrival: Arrival) -> dict[str, Any]:
    body = asdict(arrival)
    body["committed_at"] = None if arrival.committed_at is None else to_milliseconds(arrival.committed_at)
    return body


def _stored(row: Row) -> StoredArrival:
    body = json.loads(row["body"])
    committed_at, asked = body["committed_at"], body["pull_request"]
    body |= {
        "kind": ArrivalKind(body["kind"]),
        "committed_at": None if committed_at is None else from_milliseconds(committed_at),
        "pull_request": None if asked is None else PullRequest(**asked),
        "changed": None if body["changed"] is None else tuple(body["changed"]),
    }
    return StoredArrival(
        number=row["number"],
        repository=row["repository"],
        arrival=Arrival(**body),
        received_at=from_milliseconds(row["received_at"]),
        attempts=row["attempts"],
        state=row["state"],
        note=row["note"],
        run=row["run"],
        delivery=row["delivery"],
        begun=row["begun"],
    )
