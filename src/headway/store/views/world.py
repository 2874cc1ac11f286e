"""How much of everything is under way or stuck: partial indexes answer, however long the history."""

from dataclasses import dataclass

from headway.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Counts:
    running: int
    queued: int
    deploying: int
    held: int
    #: Requests at a gate, and runs that wait for a person.
    asked: int
    held_runs: int
    #: Effects that were tried several times and did not get out.
    unsent: int
    unreachable: int


def count_everything(tx: Transaction, *, tries: int) -> Counts:
    row = tx.one(
        """
        SELECT
            (SELECT COUNT(*) FROM runs WHERE state IN ('queued', 'running') AND state = 'running') AS running,
            (SELECT COUNT(*) FROM runs WHERE state IN ('queued', 'running') AND state = 'queued') AS queued,
            (SELECT COUNT(*) FROM deployments
                WHERE state IN ('held', 'running', 'rolling_back') AND state <> 'held') AS deploying,
            (SELECT COUNT(*) FROM deployments
                WHERE state IN ('held', 'running', 'rolling_back') AND state = 'held') AS held,
            (SELECT COUNT(*) FROM requests WHERE state = 'waiting') AS asked,
            (SELECT COUNT(*) FROM runs WHERE state IN ('queued', 'running') AND held_for IS NOT NULL
                AND approved_by IS NULL) AS held_runs,
            (SELECT COUNT(*) FROM outbox WHERE due_at IS NOT NULL AND attempts >= :tries) AS unsent,
            (SELECT COUNT(*) FROM repositories WHERE removed_at IS NULL AND faults >= :tries) AS unreachable
        """,
        tries=tries,
    )
    assert row is not None
    return Counts(**row)
