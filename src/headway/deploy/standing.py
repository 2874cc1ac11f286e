"""What runs where: what a host's row makes of its standing, and all hosts of an environment folded to one answer."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from headway.deploy.host_states import GOING_BACK, SERVES, TOUCHED, HostState
from headway.domain.deployment import Deployment, HostRow
from headway.domain.standing import Standing, StandingState

S = HostState


@dataclass(frozen=True, slots=True)
class Before:
    """What a deployment found on a host, and what going back puts there again."""

    release: str
    commit: str
    deployment: str
    number: int | None


def stand(  # noqa: PLR0917  (before, by what, as it is now)
    standing: Standing,
    deployment: Deployment,
    row: HostRow,
    before: Before | None,
    why_left_out: str,
    now: datetime,
) -> Standing:
    """The host's standing once its row is this. Twice is the same as once."""
    state = HostState(row.state)
    standing = replace(standing, member=True)
    if state is S.LEFT_OUT:
        return replace(standing, missed_since=standing.missed_since or now, missed_why=why_left_out)
    if state in SERVES or state is S.WATCHING:
        since = standing.since if standing.deployment == deployment.id else None
        return replace(
            standing,
            release=deployment.release,
            commit=deployment.commit,
            deployment=deployment.id,
            number=deployment.number,
            since=since or row.verified_at or now,
            state=StandingState.SERVES,
            reason="",
            asked_at=now,
            missed_since=None,
            missed_why="",
        )
    if state is S.REVERTED:
        return put_back(standing, before, now)
    if state in (S.BROKEN, S.STUCK):
        return replace(standing, state=StandingState.UNCLEAR, reason=row.reason)
    if state in TOUCHED | GOING_BACK:
        return replace(standing, state=StandingState.MOVING, reason="")
    return standing


def put_back(standing: Standing, before: Before | None, now: datetime) -> Standing:
    """It has what it had before; nothing, where there was nothing."""
    same = before and (standing.deployment, standing.release) == (before.deployment, before.release)
    since = standing.since if same else now
    return replace(
        standing,
        release=before.release if before else None,
        commit=before.commit if before else "",
        deployment=before.deployment if before else None,
        number=before.number if before else None,
        since=since,
        state=StandingState.SERVES,
        reason="",
        asked_at=now,
    )


_HALF_WAY = "is half-way: it has something else than what was finished there last"
_LEFT = "a deployment was left in the middle of its switch"


def seen(
    standing: Standing, found: Before | None, now: datetime, *, half_way: bool, taken: bool = False
) -> Standing:
    """A look at the host found this, while no deployment is at work there. A look tells what is there, and not whether
    it is well: what was unclear stays so until something else is finished there, and so does what a deployment was
    switching when it was left, which may be drained. `taken`: by a deployment, so none goes on without it any more."""
    standing = replace(standing, asked_at=now)
    # What was verified there and never finished: a deployment was stopped on purpose, or could not be taken back.
    half_way = half_way and not _is_as_verified(standing, found)
    if taken:
        standing = replace(standing, missed_since=None, missed_why="")
    same = standing.deployment == (found.deployment if found else None)
    if standing.state is StandingState.MOVING and not standing.reason and (half_way or same):
        standing = replace(standing, state=StandingState.UNCLEAR, reason=_LEFT)
    unclear = standing.state is StandingState.UNCLEAR
    if half_way:
        before = standing.reason.removesuffix(_HALF_WAY).removesuffix("; ") if unclear else ""
        reason = f"{before}; {_HALF_WAY}" if before else _HALF_WAY
        return replace(standing, state=standing.state if unclear else StandingState.MOVING, reason=reason)
    return standing if unclear and same else put_back(standing, found, now)


def _is_as_verified(standing: Standing, found: Before | None) -> bool:
    if found is None or standing.state is not StandingState.SERVES:
        return False
    return (standing.release, standing.deployment) == (found.release, found.deployment)


@dataclass(frozen=True, slots=True)
class WhatRuns:
    """All hosts of an environment. `main` is what most of them have, the newest of several; None: nothing anywhere."""

    #: Of the environment, by name.
    hosts: tuple[Standing, ...]
    #: No longer of it, and not emptied or forgotten.
    gone: tuple[Standing, ...]

    @property
    def main(self) -> Standing | None:
        standing = [one for one in self.hosts if one.release is not None]
        if not standing:
            return None
        count = Counter(one.release for one in standing)
        return max(standing, key=lambda one: (count[one.release], one.since or _NEVER, one.host))

    @property
    def asked_at(self) -> datetime | None:
        """Since then at least one host was not asked; None where one never was."""
        asked = [one.asked_at for one in self.hosts]
        return None if None in asked else min((one for one in asked if one), default=None)

    @property
    def is_whole(self) -> bool:
        """Every host serves the same, none was missed, none is left over."""
        main = self.main
        same = all(one.release == (main.release if main else None) for one in self.hosts)
        return same and not self.gone and all(_is_well(one) for one in self.hosts)

    @property
    def sentence(self) -> str:
        """Where it is whole: the release. Else host by host: `rel-5 on 2 of 3; web3 not reached since …, had rel-6`."""
        main = self.main
        parts = []
        if main is not None:
            have = [one for one in self.hosts if one.release == main.release and _is_well(one)]
            parts.append(
                f"{main.release}"
                + ("" if len(have) == len(self.hosts) else f" on {len(have)} of {len(self.hosts)}")
            )
        others: dict[str, list[str]] = {}
        for one in self.hosts:
            if not _is_well(one):
                parts.append(_trouble(one, main))
            elif main is not None and one.release != main.release:
                others.setdefault(one.release or "nothing", []).append(one.host)
        parts[1:1] = [f"{what} on {', '.join(names)}" for what, names in others.items()]
        parts += [_left_over(one) for one in self.gone]
        return "; ".join(parts) or "nothing"


_NEVER = datetime.min.replace(tzinfo=UTC)


def what_runs(standings: Iterable[Standing]) -> WhatRuns:
    found = sorted(standings, key=lambda one: one.host)
    return WhatRuns(
        tuple(one for one in found if one.member),
        tuple(one for one in found if not one.member and _has_something(one)),
    )


def without(standings: Sequence[Standing], members: Iterable[str]) -> list[Standing]:
    """Those that the file does not name any more, as they have to be stored."""
    named = set(members)
    return [replace(one, member=False) for one in standings if one.member and one.host not in named]


def _has_something(one: Standing) -> bool:
    return one.release is not None or one.state is StandingState.UNCLEAR


def _left_over(one: Standing) -> str:
    unclear = f", unclear: {one.reason}" if one.state is StandingState.UNCLEAR else ""
    return f"{one.host} is no longer of it and still has {one.release or 'nothing'}{unclear}"


def _is_well(one: Standing) -> bool:
    return one.missed_since is None and one.state is StandingState.SERVES and not one.reason


def _trouble(one: Standing, main: Standing | None) -> str:
    parts = []
    if one.missed_since is not None:
        parts.append(f"{one.missed_why or 'not reached'} since {one.missed_since:%Y-%m-%d %H:%M} UTC")
    if one.state is StandingState.UNCLEAR:
        parts.append(f"unclear: {one.reason}")
    elif one.reason:
        parts.append(one.reason)
    elif one.state is StandingState.MOVING:
        # By a deployment under way, or by one whose process has died: the old release and the new one are both there.
        parts.append("is in the middle of a switch")
    had = "" if main is not None and one.release == main.release else f" (had {one.release or 'nothing'})"
    return f"{one.host} {', '.join(parts)}{had}"
