"""What a server tells of its runs, in the transaction of each change: events for lookers-on, and what is to be sent."""

from collections.abc import Callable, Sequence
from datetime import datetime

from headway.domain.run import Job, Run
from headway.engine.runs.observer import Observer
from headway.store.database import Transaction
from headway.store.events import add_event

#: Called with the run as it stands; writes its own rows.
RunFollower = Callable[[Transaction, Run, datetime], None]


class RunNews(Observer):
    def __init__(self) -> None:
        #: What else is written when a run changes: commit statuses, for example.
        self.followers: list[RunFollower] = []

    def changed(
        self, tx: Transaction, run: Run, jobs: Sequence[Job], now: datetime, *, run_changed: bool
    ) -> None:
        for job in jobs:
            add_event(
                tx,
                "job.changed",
                service=run.service,
                subject=job.id,
                data={
                    "run": run.id,
                    "number": run.number,
                    "job": job.id,
                    "name": job.name,
                    "attempt": job.attempt,
                    "state": job.state,
                    "reason": job.reason,
                },
                now=now,
            )
        if run_changed:
            add_event(tx, "run.changed", service=run.service, subject=run.id, data=run_facts(run), now=now)
            for follower in self.followers:
                follower(tx, run, now)


def run_facts(run: Run) -> dict[str, object]:
    """What an event tells of a run; small, and nothing secret."""
    trigger = run.trigger
    return {
        "run": run.id,
        "number": run.number,
        "state": run.state,
        "reason": run.reason,
        "commit": run.commit,
        "branch": run.branch,
        "tag": run.tag,
        "release": run.release,
        "event": trigger.event if trigger else None,
        "held_for": trigger.held_for if trigger else "",
        "requested_by": run.requested_by,
    }
