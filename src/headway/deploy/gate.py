"""Whether a deployment may begin. The answer always says why."""

from dataclasses import dataclass
from enum import StrEnum

from headway.domain.contract import EnvironmentSpec


class Verdict(StrEnum):
    OPEN = "open"
    #: Something must happen first: another environment, an approval.
    HELD = "held"
    #: Waiting will not help: this release is not for this environment.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the engine found out for the gate."""

    #: Whether `when` holds for the release's commit, and the clause that says why; None without a `when`.
    when: tuple[bool, str] | None = None
    #: The release has succeeded in the environment that comes before this one.
    succeeded_before: bool = True
    approved_by: str | None = None
    #: Going back to what was there once: neither `after` nor an approval holds it up, but a `when` said no is told.
    going_back: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    verdict: Verdict
    reason: str
    #: What to do next; empty when the way is open.
    hint: str = ""


def may_deploy(environment: EnvironmentSpec, release: str, facts: GateFacts) -> Answer:
    """The first thing that stands in the way, or that nothing does."""
    if facts.going_back:
        return Answer(Verdict.OPEN, "going back needs no permission: it was live before")
    if facts.when is not None and not facts.when[0]:
        return Answer(
            Verdict.REFUSED,
            f"{environment.name} takes only releases where {environment.when}; {facts.when[1]}",
            "deploy another release, or change `when` in headway.toml",
        )
    if environment.after and not facts.succeeded_before:
        return Answer(
            Verdict.HELD,
            f"{release} has not succeeded in {environment.after}, which comes before {environment.name}",
            f"headway deploy {environment.after} --release {release}",
        )
    if environment.approval_from and not facts.approved_by:
        return Answer(
            Verdict.HELD,
            f"{environment.name} needs an approval from {environment.approval_from}",
            "call it in a terminal, which asks, or say who approved: --approved-by NAME (stored as unverified)",
        )
    return Answer(Verdict.OPEN, "nothing stands in the way")
