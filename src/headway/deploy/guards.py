"""What stands before an environment: its own words in headway.toml and the floors of org.toml, the stricter of each.

Guards are joined by *and*: each rule has to be met, whoever wrote it. So a repository may be stricter than the floors
and never looser, whatever both say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from headway.base.globs import takes_in
from headway.domain.contract import ApprovalSpec, EnvironmentSpec
from headway.domain.org import Floor
from headway.domain.people import Role


@dataclass(frozen=True, slots=True)
class Who:
    """A person as guards know them."""

    handle: str
    role: Role
    teams: frozenset[str] = frozenset()

    def is_one_of(self, wanted: Iterable[str]) -> bool:
        """`team:NAME`, `role:NAME` (that role or a higher one), or a handle."""
        return any(self._is(*one.partition(":")) for one in wanted)

    def _is(self, kind: str, mark: str, name: str) -> bool:
        if not mark:
            return kind == self.handle
        if kind == "team":
            return name in self.teams
        return kind == "role" and name in list(Role) and self.role.covers(Role(name))


@dataclass(frozen=True, slots=True)
class Word:
    """What one person said to a request."""

    who: Who
    yes: bool
    at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Guards:
    """Each rule of each field has to be met."""

    approvals: tuple[ApprovalSpec, ...] = ()
    #: Sets of globs; the release's branch has to match one glob of each set.
    branches: tuple[tuple[str, ...], ...] = ()
    #: Sets of people; whoever asks has to be in each.
    deployers: tuple[tuple[str, ...], ...] = ()
    #: An objective must be declared.
    objective: bool = False
    #: Nothing goes there by itself: a person asks.
    ask: bool = False
    #: Only what a run of this server built.
    built_here: bool = False
    #: It must be certain who pushed: a floor lets nobody approve their own push.
    pusher: bool = False


def stricter(environment: EnvironmentSpec, floors: Iterable[Floor]) -> Guards:
    """The environment's own guards and all of the floors, which have to apply to it (see `applying`)."""
    floors = tuple(floors)
    own = own_approval(environment)
    asked = [floor.approvals for floor in floors if floor.approvals is not None]
    rules = [ApprovalSpec(one.count, one.from_, one.expires, one.not_own, one.comment) for one in asked]
    return Guards(
        approvals=tuple(dict.fromkeys([*([own] if own else []), *rules])),
        branches=tuple(floor.branches for floor in floors if floor.branches),
        deployers=tuple(floor.deployers for floor in floors if floor.deployers),
        objective=any(floor.objective for floor in floors),
        ask=any(floor.ask for floor in floors),
        built_here=any(floor.built_here for floor in floors),
        pusher=any(one.not_own for one in asked),
    )


def own_approval(environment: EnvironmentSpec) -> ApprovalSpec | None:
    """The rule that headway.toml itself has."""
    if environment.approval is not None:
        return environment.approval
    return ApprovalSpec(from_=(environment.approval_from,)) if environment.approval_from else None


def applying(floors: Iterable[Floor], service: str, environment: str) -> tuple[Floor, ...]:
    """Those whose globs take in this service and environment."""
    return tuple(
        floor
        for floor in floors
        if takes_in(floor.services, service) and takes_in(floor.environments, environment)
    )


def why_not_counted(word: Word, rule: ApprovalSpec, own: frozenset[str], now: datetime) -> str | None:
    """Why this approval does not count for this rule, in one clause; None: it counts."""
    who = word.who
    reasons = {
        f"{who.handle} said no": not word.yes,
        f"{who.handle}'s has run out": word.at + rule.expires <= now,
        f"{who.handle} is none of {', '.join(rule.from_)}": bool(rule.from_)
        and not who.is_one_of(rule.from_),
        f"{who.handle} may only look": not rule.from_ and not who.role.covers(Role.DEVELOPER),
        f"{who.handle} asked for it, pushed or wrote it": rule.not_own and who.handle in own,
        f"{who.handle}'s has no comment": rule.comment and not word.comment.strip(),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
