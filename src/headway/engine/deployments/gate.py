"""The gate's facts, from rows and git; and the question to a person."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.base.errors import Held, WrongUse
from headway.deploy.gate import GateFacts, Verdict, may_deploy
from headway.deploy.guards import own_approval
from headway.domain.contract import EnvironmentSpec
from headway.domain.release import Release
from headway.domain.when import parse_when
from headway.engine.standing.what_runs import live_deployment
from headway.store import deployments as rows
from headway.store.database import Database, Transaction
from headway.store.follow_ups import runs_that_made

if TYPE_CHECKING:
    from headway.drivers.git import Git


class GateHeld(Held):
    """Something must happen first: another environment, an approval."""


class GateRefused(WrongUse):
    """This release is not for this environment."""


@dataclass(frozen=True, slots=True)
class Permission:
    approved_by: str | None = None
    #: False when a name was only stated on the command line.
    verified: bool = False


#: Gets the question (one line), answers with who approved, or None.
Approve = Callable[[str], Permission | None]


async def pass_gate(
    database: Database,
    git: "Git",
    environment: EnvironmentSpec,
    release: Release,
    *,
    approve: Approve | None,
    going_back: bool,
) -> Permission | None:
    """Raises GateHeld or GateRefused with the reason and what to do next."""
    facts = await database.fetch(lambda tx: _facts(tx, git, environment, release, going_back=going_back))
    answer = may_deploy(environment, release.id, facts)
    permission = None
    if answer.verdict is Verdict.HELD and own_approval(environment) and facts.succeeded_before and approve:
        question = f"{answer.reason}: {release.id} (commit {release.commit[:12]})"
        if (permission := approve(question)) is not None:
            return permission
    if answer.verdict is Verdict.HELD:
        raise GateHeld(answer.reason, hint=answer.hint)
    if answer.verdict is Verdict.REFUSED:
        raise GateRefused(answer.reason, hint=answer.hint)
    return permission


def _facts(
    tx: Transaction, git: "Git", environment: EnvironmentSpec, release: Release, *, going_back: bool
) -> GateFacts:
    before = came_before(tx, environment, release.service, release.id, release.commit)
    when = None
    if environment.when is not None and not going_back:
        when = _when(tx, git, environment.when, environment.name, release)
    return GateFacts(
        when=when, succeeded_before=before.succeeded, recorded_by=before.recorded_by, going_back=going_back
    )


@dataclass(frozen=True, slots=True)
class Before:
    """What became of a release in the environment that comes before another one."""

    succeeded: bool = True
    #: Who told that they deployed it there, where that does not count.
    recorded_by: str = ""


def came_before(
    tx: Transaction, environment: EnvironmentSpec, service: str, release: str, commit: str
) -> Before:
    after = environment.after
    if after is None or rows.has_succeeded(tx, service, after, release) is not None:
        return Before()
    told = rows.succeeded_elsewhere(tx, service, after, commit)
    if told is None:
        return Before(succeeded=False)
    return Before() if environment.after_recorded else Before(succeeded=False, recorded_by=told.origin)


def _when(tx: Transaction, git: "Git", text: str, environment: str, release: Release) -> tuple[bool, str]:
    """Branch and tag are those of a run that made the release, of any; changed paths are since what is live."""
    from headway.base.errors import HeadwayError
    from headway.pipeline.when import WhenFacts, evaluate

    live = live_deployment(tx, release.service, environment)
    changed = None
    if live is not None and "changed" in text:
        try:
            tree = git.commit(release.repository, release.commit).tree
            changed = git.changed_paths(release.repository, live.commit, tree)
        except HeadwayError:
            # Unknown is an answer that the language knows how to take.
            changed = None
    made = [(one.branch, one.tag) for one in runs_that_made(tx, release.id)] or [(None, None)]
    verdicts = [evaluate(parse_when(text), WhenFacts(branch, tag, changed=changed)) for branch, tag in made]
    verdict = next((one for one in verdicts if one.value), verdicts[0])
    return verdict.value, verdict.reason
