"""Whoever writes along with a run's own rows: a server's events and what is to be sent."""

from collections.abc import Sequence
from datetime import datetime

from headway.domain.run import Job, Run
from headway.store.database import Transaction


class Observer:
    """Called in the transactions that change a run."""

    def changed(
        self, tx: Transaction, run: Run, jobs: Sequence[Job], now: datetime, *, run_changed: bool
    ) -> None:
        """These jobs have changed, and perhaps the run itself; they are as they stand after this transaction."""
