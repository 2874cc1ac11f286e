"""What was good in an environment, in its order: what a rollback goes back to."""

from collections.abc import Iterable
from dataclasses import dataclass

from headway.domain.deployment import DeploymentKind


@dataclass(frozen=True, slots=True)
class Live:
    """A deployment that succeeded."""

    deployment: str
    release: str
    commit: str
    kind: DeploymentKind
    #: False: its `once` was declared rollback = "incompatible", so a rollback may not pass it.
    passable: bool = True


def good_history(succeeded: Iterable[Live]) -> list[Live]:
    """The good ones that lead to what is live, the live one last; `succeeded` in the order of time.

    A person who rolled back from a release called it bad: it and all that stood above the target are gone,
    so that rolling back twice goes two releases back, not to and fro.
    """
    good: list[Live] = []
    for live in succeeded:
        if live.kind is DeploymentKind.ROLLBACK:
            while good and good[-1].release != live.release:
                good.pop()
        if good and good[-1].release == live.release:
            good[-1] = Live(
                live.deployment, live.release, live.commit, good[-1].kind, good[-1].passable and live.passable
            )
        else:
            good.append(live)
    return good


def before_live(good: list[Live]) -> Live | None:
    """The last good release before the live one."""
    return good[-2] if len(good) > 1 else None


def in_the_way(good: list[Live], target: str) -> Live | None:
    """The deployment that a rollback to the release `target` may not pass; None when the way is free."""
    for live in reversed(good):
        if live.release == target:
            return None
        if not live.passable:
            return live
    return None
