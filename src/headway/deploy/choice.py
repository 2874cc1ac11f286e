"""Of several releases of one commit, the one that a deployment of the commit takes: a build that differs each time
makes a new one with every run, and a run by cron or again must not change what is meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A release of the commit. `succeeded`: environment -> when it was last deployed there well."""

    release: str
    made_at: datetime
    succeeded: Mapping[str, datetime] = field(default_factory=dict)


def preferred(
    candidates: Sequence[Candidate], *, environment: str | None, after: str | None, live: str | None
) -> tuple[str, str]:
    """The release, and why it is taken: `passed staging`. `candidates` are not empty.

    First what succeeded in `after`, of that what is live in `environment`, else what passed last; then what is live,
    what was deployed anywhere last, and what was made first.
    """

    def rank(one: Candidate) -> tuple[bool, bool, float, float, datetime, str]:
        passed = one.succeeded.get(after) if after else None
        return (
            after is not None and passed is None,
            live is None or one.release != live,
            -passed.timestamp() if passed else 0.0,
            -max((at.timestamp() for at in one.succeeded.values()), default=0.0),
            one.made_at,
            one.release,
        )

    chosen = min(candidates, key=rank)
    if after is not None and after in chosen.succeeded:
        return chosen.release, f"passed {after}"
    if live is not None and chosen.release == live:
        return chosen.release, f"is live in {environment}"
    if chosen.succeeded:
        return chosen.release, f"was deployed to {max(chosen.succeeded, key=chosen.succeeded.__getitem__)}"
    return chosen.release, "was made first"
