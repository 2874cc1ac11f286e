"""The runs of one commit, for whoever asks whether it was run already."""

from headway.domain.run import Run
from headway.store.database import Transaction
from headway.store.runs import run_by_id


def newest_run_of(tx: Transaction, service: str, commit: str) -> Run | None:
    """Of the commit as it is, without anybody's changes; superseded ones are passed over."""
    row = tx.one(
        """
        SELECT id FROM runs
        WHERE service = :service AND commit_sha = :commit AND dirty = 0 AND superseded_by IS NULL AND event <> 'try'
        ORDER BY created_at DESC, id DESC LIMIT 1
        """,
        service=service,
        commit=commit,
    )
    return None if row is None else run_by_id(tx, row["id"])
