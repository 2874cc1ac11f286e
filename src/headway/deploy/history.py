"""What was good in an environment, in its order: what a rollback goes back to."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState


class Came(StrEnum):
    """What came of a deployment, for those who look for a way back."""

    #: It serves on all hosts that it was meant for.
    GOOD = "good"
    #: A rollback that switched hosts and did not reach all: a host was away, or did not come up.
    PARTLY = "partly"
    #: It went forward, users met it, and it did not stay.
    NOT_KEPT = "not kept"


@dataclass(frozen=True, slots=True)
class Live:
    """A deployment that users met."""

    deployment: str
    release: str
    commit: str
    kind: DeploymentKind
    #: False: its `once` was declared rollback = "incompatible", so a rollback may not pass it.
    passable: bool = True
    came: Came = Came.GOOD
    #: It was rolled back from, or tried again and not kept, since it was good: nobody goes back to it unless by name.
    taken_back: bool = False


def came_of(deployment: Deployment) -> Came | None:
    """None for one that says nothing about its release: it goes on, no host was switched, or a rollback went back
    itself."""
    if deployment.state is DeploymentState.SUCCEEDED:
        return Came.GOOD
    if not deployment.state.is_final or deployment.first_switched_at is None:
        return None
    if deployment.kind is DeploymentKind.ROLLBACK:
        return None if deployment.state is DeploymentState.ROLLED_BACK else Came.PARTLY
    # Of what is live with other settings: they were bad, it was not.
    return None if deployment.previous_release == deployment.release else Came.NOT_KEPT


def good_history(met: Iterable[Live]) -> list[Live]:
    """The good ones that lead to what is live, the live one last; `met` in the order of time.

    A person who rolled back from a release called it bad: it and all that stood above the target are gone,
    so that rolling back twice goes two releases back, not to and fro. Where one of them was good before, too, and
    where a release that was good before was tried again and not kept, it is marked as taken back.
    """
    good: list[Live] = []
    for live in met:
        if live.came is Came.NOT_KEPT:
            good[:-1] = _marked(good[:-1], {live.release})
            continue
        if live.kind is DeploymentKind.ROLLBACK:
            left = set()
            while good and good[-1].release != live.release:
                left.add(good.pop().release)
            good = _marked(good, left)
        if good and good[-1].release == live.release:
            good[-1] = _again(good[-1], live)
        else:
            good.append(live)
    return good


def _marked(good: Iterable[Live], taken_back: set[str]) -> list[Live]:
    return [replace(one, taken_back=one.taken_back or one.release in taken_back) for one in good]


def _again(before: Live, live: Live) -> Live:
    """The same release once more. What reached some hosts alone has its settings on those alone."""
    return Live(
        before.deployment if live.came is Came.PARTLY else live.deployment,
        live.release,
        live.commit,
        before.kind,
        before.passable and live.passable,
        live.came,
    )


def before_live(good: list[Live]) -> Live | None:
    """The last good release before the live one; while a rollback has not reached all hosts, where that one goes."""
    if good and good[-1].came is Came.PARTLY:
        return good[-1]
    return next((one for one in reversed(good[:-1]) if not one.taken_back), None)


def in_the_way(good: list[Live], target: str) -> Live | None:
    """The deployment that a rollback to the release `target` may not pass; None when the way is free."""
    for live in reversed(good):
        if live.release == target:
            return None
        if not live.passable:
            return live
    return None
