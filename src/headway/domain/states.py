"""The states of runs, jobs and steps: one list, the same words in code, database, output and pages."""

from enum import StrEnum


class State(StrEnum):
    """*failed*: your code; *errored*: the platform (builder, network, Headway); *cancelled*: you asked."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ERRORED = "errored"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)
