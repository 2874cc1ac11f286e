"""Numbers that people type (`headway logs 12`): they count from 1 within a service, without a gap that matters."""

from headway.store.database import Transaction


def next_number(tx: Transaction, service: str, noun: str) -> int:
    """The next number of this service for this noun (`run`, `deployment`…). Taken for good once `tx` commits.

    One upsert, because `MAX(number) + 1` gives two writers the same number on PostgreSQL.
    """
    row = tx.one(
        """
        INSERT INTO counters (service, noun, next_number) VALUES (:service, :noun, 2)
        ON CONFLICT (service, noun) DO UPDATE SET next_number = counters.next_number + 1
        RETURNING next_number - 1 AS number
        """,
        service=service,
        noun=noun,
    )
    assert row is not None
    return int(row["number"])
