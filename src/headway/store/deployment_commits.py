"""Which commits a deployment brought."""

from collections.abc import Sequence

from headway.base.clock import to_milliseconds
from headway.domain.commit import Commit
from headway.store.bulk import insert_rows
from headway.store.database import Transaction

_LONGEST_SUBJECT = 200


def record_commits(
    tx: Transaction,
    deployment: str,
    *,
    base: str | None,
    commits: Sequence[Commit] = (),
    unknown: str | None = None,
) -> bool:
    """Store what the deployment brings, once: False, and nothing changed, when that was stored before.

    `base` is the commit that was live when it began (None the first time), `unknown` why the commits between
    could not be found.
    """
    stored = tx.execute(
        """
        INSERT INTO deployment_changes (deployment, base, unknown) VALUES (:deployment, :base, :unknown)
        ON CONFLICT (deployment) DO NOTHING
        """,
        deployment=deployment,
        base=base,
        unknown=unknown,
    )
    if stored == 0:
        return False
    rows = [
        {
            "deployment": deployment,
            "sha": commit.sha,
            "committed_at": to_milliseconds(commit.committed_at),
            "subject": commit.subject[:_LONGEST_SUBJECT],
        }
        for commit in commits
    ]
    insert_rows(tx, "deployment_commits", rows)
    return True
