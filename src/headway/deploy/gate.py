"""Whether a deployment may begin. The answer always says why, and names everything that stands in the way at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from headway.base.globs import takes_in
from headway.deploy.guards import Guards, Who, Word, own_approval, stricter, why_not_counted
from headway.domain.contract import ApprovalSpec, EnvironmentSpec
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.domain.org import Floor
from headway.domain.request import Obstacle


class Verdict(StrEnum):
    OPEN = "open"
    #: Something must happen first: another environment, an approval, the end of a freeze.
    HELD = "held"
    #: Waiting will not help: this release is not for this environment.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Frozen:
    """A freeze that holds now."""

    name: str
    reason: str
    until: datetime | None
    #: Hotfixes pass it.
    hotfix: bool


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the engine found out for the gate."""

    #: Whether `when` holds for the release's commit, and the clause that says why; None without a `when`.
    when: tuple[bool, str] | None = None
    #: The release has succeeded in the environment that comes before this one.
    succeeded_before: bool = True
    #: Who told that they deployed it there, where that does not count; empty: nobody did.
    recorded_by: str = ""
    #: A command at a terminal: who approved there. It meets the environment's own rule, never a floor's.
    approved_by: str | None = None
    #: Going back to what was there once: only what goes on there now holds it up.
    going_back: bool = False
    #: Of a server; a command at a terminal knows none of what follows.
    now: datetime | None = None
    hotfix: bool = False
    #: Why a hotfix would repair nothing there, in one clause; empty: it would.
    nothing_to_repair: str = ""
    words: tuple[Word, ...] = ()
    #: Handles of who asked for it, who pushed its commit and who wrote it.
    own: frozenset[str] = frozenset()
    #: Why it is not certain who pushed it, in one clause; empty: it is.
    unknown_pusher: str = ""
    #: Why no run of this server built it, in one clause; empty: one did.
    built_elsewhere: str = ""
    asked_by: Who | None = None
    #: Of the runs that made the release.
    branches: tuple[str, ...] = ()
    #: It was made for this pull request, and by no other run.
    pull_request: int | None = None
    has_objective: bool = False
    #: Why its repository is not the service's, in one clause; empty: it is.
    foreign: str = ""
    #: Which root on a host is another environment's, in one clause; empty: none is.
    root_taken: str = ""
    frozen: tuple[Frozen, ...] = ()
    #: Who is at work there, in one clause; empty when nobody is.
    locked: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    verdict: Verdict
    #: The headline: the first thing in the way, those that waiting will not help before the others.
    reason: str
    #: What to do next; empty when the way is open.
    hint: str = ""
    #: All that stands in the way.
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def until(self) -> datetime | None:
        """When the first of those goes away by itself whose end is known; None: nobody knows."""
        known = [one.until for one in self.obstacles if one.until is not None]
        return min(known) if known else None


def nothing_to_repair(last: Deployment | None) -> str:
    """Why the last deployment there leaves nothing to repair, in one clause; empty: it failed, or was taken back."""
    if last is None:
        return "a hotfix repairs a deployment that failed, and there was none there"
    bad = last.state in (DeploymentState.FAILED, DeploymentState.ROLLED_BACK)
    if bad or last.kind is DeploymentKind.ROLLBACK:
        return ""
    return f"a hotfix repairs a deployment that failed, and the last one there, {last.number}, did not"


def may_deploy(
    environment: EnvironmentSpec, release: str, facts: GateFacts, floors: Iterable[Floor] = ()
) -> Answer:
    """All that stands in the way, or that nothing does. `floors` are those that apply to this environment."""
    if facts.going_back:
        found = list(_lock(facts))
        return _answer(found, "going back needs no permission: it was live before")
    guards = stricter(environment, floors)
    found = [
        *_commit(environment, guards, facts),
        *_deployer(environment, guards, facts),
        *_after(environment, release, facts),
        *_approvals(environment, guards, facts),
        *_freezes(environment, facts),
        *_lock(facts),
    ]
    return _answer(found, "nothing stands in the way")


def _answer(found: list[Obstacle], open_reason: str) -> Answer:
    if not found:
        return Answer(Verdict.OPEN, open_reason)
    found.sort(key=lambda one: not one.final)
    first = found[0]
    verdict = Verdict.REFUSED if first.final else Verdict.HELD
    return Answer(verdict, first.reason, first.hint, tuple(found))


def _commit(environment: EnvironmentSpec, guards: Guards, facts: GateFacts) -> Iterable[Obstacle]:
    """What no waiting changes: which commit it is, and what its headway.toml declares."""
    if facts.when is not None and not facts.when[0]:
        yield Obstacle(
            "when",
            f"{environment.name} takes only releases where {environment.when}; {facts.when[1]}",
            "deploy another release, or change `when` in headway.toml",
            final=True,
        )
    if facts.foreign:
        yield Obstacle("repository", facts.foreign, "rename the service in its headway.toml", final=True)
    if facts.root_taken:
        yield Obstacle(
            "root",
            facts.root_taken,
            f"give {environment.name} a `root` of its own in headway.toml",
            final=True,
        )
    if facts.pull_request is not None:
        yield Obstacle(
            "pull_request",
            f"it was made for pull request {facts.pull_request}, which is not merged",
            "merge it, and deploy the release of the merged commit",
            final=True,
        )
    for globs in guards.branches:
        if not any(takes_in(globs, branch) for branch in facts.branches):
            on = ", ".join(facts.branches) or "none that is known"
            yield Obstacle(
                "branch",
                f"org.toml lets only commits of {', '.join(globs)} go to {environment.name}; its branch is {on}",
                "merge it there, and deploy the release of that branch",
                final=True,
            )
    if guards.built_here and facts.built_elsewhere:
        yield Obstacle(
            "built",
            f"org.toml lets only what this server built go to {environment.name}; {facts.built_elsewhere}",
            "push the commit, and deploy the release of its run",
            final=True,
        )
    if guards.objective and not facts.has_objective:
        yield Obstacle(
            "objective",
            f"org.toml asks for an objective before anything goes to {environment.name}, and headway.toml has none",
            "write [objectives.NAME] in headway.toml",
            final=True,
        )


def _deployer(environment: EnvironmentSpec, guards: Guards, facts: GateFacts) -> Iterable[Obstacle]:
    for wanted in guards.deployers:
        if facts.asked_by is None or not facts.asked_by.is_one_of(wanted):
            who = facts.asked_by.handle if facts.asked_by else "nobody"
            yield Obstacle(
                "deployer",
                f"org.toml lets only {', '.join(wanted)} deploy to {environment.name}; {who} asked",
                "let one of them ask for it",
                final=True,
            )


def _after(environment: EnvironmentSpec, release: str, facts: GateFacts) -> Iterable[Obstacle]:
    if environment.after and not facts.succeeded_before:
        told = (
            f"; {facts.recorded_by} told of a deployment there, which counts with after_recorded = true"
            if facts.recorded_by
            else ""
        )
        yield Obstacle(
            "after",
            f"{release} has not succeeded in {environment.after}, which comes before {environment.name}{told}",
            f"headway deploy {environment.after} --release {release}",
        )


def _approvals(environment: EnvironmentSpec, guards: Guards, facts: GateFacts) -> Iterable[Obstacle]:
    for word in facts.words:
        if not word.yes:
            said = f": {word.comment.strip()}" if word.comment.strip() else ""
            yield Obstacle(
                "denied", f"{word.who.handle} said no{said}", "mend what they miss, and ask anew", final=True
            )
    if guards.pusher and facts.unknown_pusher:
        yield Obstacle(
            "pusher",
            f"org.toml lets nobody approve their own push to {environment.name}, and it is not certain whose it is: "
            f"{facts.unknown_pusher}",
            "connect the repository's webhook and push again, or name them in org.toml: aliases",
        )
    own = own_approval(environment)
    for rule in guards.approvals:
        if rule == own and facts.approved_by:
            continue
        if facts.now is None:
            yield Obstacle(
                "approval",
                f"{environment.name} needs an approval from {_from(rule)}",
                "call it in a terminal, which asks, or say who approved: --approved-by NAME (stored as unverified)",
            )
        elif (missing := _missing(rule, facts, facts.now)) is not None:
            yield Obstacle(
                "approval", f"{environment.name} {missing}", f"let {_from(rule)} approve it on its page"
            )


def _missing(rule: ApprovalSpec, facts: GateFacts, now: datetime) -> str | None:
    """What an approval rule still waits for; None when it is met."""
    counted, others = [], []
    for word in facts.words:
        why = why_not_counted(word, rule, facts.own, now)
        if why is None:
            counted.append(word.who.handle)
        elif word.yes:
            others.append(why)
    if len(set(counted)) >= rule.count:
        return None
    with_comment = " with a comment" if rule.comment else ""
    if rule.count == 1:
        told = f"needs an approval from {_from(rule)}{with_comment}"
    else:
        have = f", has {len(counted)} ({', '.join(counted)})" if counted else ""
        told = f"needs {rule.count} approvals from {_from(rule)}{with_comment}{have}"
    return told + (f"; not counted: {'; '.join(others)}" if others else "")


def _from(rule: ApprovalSpec) -> str:
    return " or ".join(rule.from_) or "somebody who may approve"


def _freezes(environment: EnvironmentSpec, facts: GateFacts) -> Iterable[Obstacle]:
    for freeze in facts.frozen:
        if freeze.hotfix and facts.hotfix and not facts.nothing_to_repair:
            continue
        until = f" until {freeze.until:%Y-%m-%d %H:%M} UTC" if freeze.until else ""
        way_out = "; a hotfix of a deployment that failed or was taken back may go" if freeze.hotfix else ""
        no_repair = f"; {facts.nothing_to_repair}" if freeze.hotfix and facts.hotfix else ""
        yield Obstacle(
            "freeze",
            f"{environment.name} is frozen{until}: {freeze.reason or freeze.name}{no_repair}",
            f"it goes on by itself when the freeze {freeze.name} ends{way_out}",
            until=freeze.until,
        )


def _lock(facts: GateFacts) -> Iterable[Obstacle]:
    if facts.locked:
        yield Obstacle("lock", facts.locked, "it goes on by itself when that ends")
