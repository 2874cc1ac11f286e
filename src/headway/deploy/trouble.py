"""What is wrong in an environment, the worst first: the one answer of the bar, the pages, the API and `headway status`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from headway.deploy.standing import WhatRuns
from headway.domain.deployment import DeploymentState
from headway.domain.standing import Standing, StandingState


class TroubleKind(StrEnum):
    FAILED = "failed"
    #: A host of which nobody can say what it serves.
    UNCLEAR = "unclear"
    #: Several releases are live, and nothing is on its way that would make them one.
    DIFFERS = "differs"
    #: Deployments have gone on without a host.
    MISSED = "missed"
    #: A host that the file does not name any more still has a release.
    LEFT_OVER = "left_over"
    #: It went back by itself or by a person; what serves is whole.
    TAKEN_BACK = "taken_back"


_WAITS = frozenset({TroubleKind.MISSED, TroubleKind.LEFT_OVER, TroubleKind.TAKEN_BACK})


@dataclass(frozen=True, slots=True)
class PlaceTrouble:
    kind: TroubleKind
    #: Short, without its full stop: names no environment.
    sentence: str

    @property
    def is_broken(self) -> bool:
        """False: it serves as it should, and somebody has to do something all the same."""
        return self.kind not in _WAITS


@dataclass(frozen=True, slots=True)
class Ended:
    """The last deployment there that began and ended."""

    number: int
    state: DeploymentState
    #: Another system did it, and told of it: no host of it is known here.
    elsewhere: bool = False


def troubles(runs: WhatRuns, last: Ended | None, *, moving: bool) -> tuple[PlaceTrouble, ...]:
    """`moving`: a deployment is at work there. What failed stays told until something better has ended: a deployment
    that is only under way repaired nothing yet. Nothing is wrong where nothing is left of it."""
    if not runs.hosts and not runs.gone and not (last and last.elsewhere):
        return ()
    found = []
    if last is not None and last.state is DeploymentState.FAILED:
        found.append(PlaceTrouble(TroubleKind.FAILED, f"deployment {last.number} failed"))
    unclear = [one for one in runs.hosts if _is_unclear(one, moving=moving)]
    if unclear:
        found.append(PlaceTrouble(TroubleKind.UNCLEAR, f"{_names(unclear)}: unclear what it serves"))
    releases = {one.release for one in runs.hosts}
    if len(releases) > 1 and not moving:
        found.append(PlaceTrouble(TroubleKind.DIFFERS, _different(runs.hosts)))
    missed = [one for one in runs.hosts if one.missed_since is not None]
    if missed:
        why = missed[0].missed_why or "not reached"
        told = why if all(one.missed_why == missed[0].missed_why for one in missed) else "left behind"
        found.append(PlaceTrouble(TroubleKind.MISSED, f"{_names(missed)} {told}"))
    if runs.gone:
        has = "has" if len(runs.gone) == 1 else "have"
        what = "a release" if all(one.release for one in runs.gone) else "something of it"
        said = f"{_names(runs.gone)}, no longer of it, still {has} {what}"
        found.append(PlaceTrouble(TroubleKind.LEFT_OVER, said))
    if last is not None and last.state is DeploymentState.ROLLED_BACK:
        found.append(PlaceTrouble(TroubleKind.TAKEN_BACK, f"deployment {last.number} was taken back"))
    return tuple(found)


def _is_unclear(one: Standing, *, moving: bool) -> bool:
    return one.state is StandingState.UNCLEAR or (not moving and bool(one.reason))


def _different(hosts: Sequence[Standing]) -> str:
    nothing = [one for one in hosts if one.release is None]
    releases = len({one.release for one in hosts} - {None})
    if releases > 1:
        return f"{releases} releases are live"
    return f"nothing on {_names(nothing)}"


_MOST_NAMES = 3


def _names(hosts: Sequence[Standing]) -> str:
    named = ", ".join(one.host for one in hosts[:_MOST_NAMES])
    more = len(hosts) - _MOST_NAMES
    return named if more <= 0 else f"{named} and {more} more"
