"""Whether something that a repository told of begins a run, and why or why not."""

import re
from dataclasses import dataclass

from headway.base.globs import first_taken_in, takes_in
from headway.domain.contract import TriggerSpec
from headway.domain.intake import Arrival, ArrivalKind, PullRequest

BRANCHES, TAGS = "refs/heads/", "refs/tags/"
#: Why a stranger's code waits.
FORK = "a pull request from another repository waits for an approval before it sees a builder"

#: The words of the forges, and our own.
_SKIP = re.compile(
    r"\[(skip (?:ci|actions|headway)|(?:ci|actions|headway) skip|no ci)\]", re.IGNORECASE | re.ASCII
)
_SKIP_TRAILER = re.compile(r"skip-checks:[ \t]*true[ \t]*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Decision:
    run: bool
    #: One clause for a person: `a push to main`; `topic was deleted`.
    reason: str
    #: Why the run may not start until a person says so; empty: nothing holds it.
    held_for: str = ""


def decide(triggers: TriggerSpec, arrival: Arrival, *, changed: tuple[str, ...] | None = None) -> Decision:
    """What becomes of an arrival, by the headway.toml of its own commit.

    `changed`: the paths that a push touched, where the caller found them; else the arrival's own. Where nobody knows,
    everything may have changed.
    """
    if arrival.after is None or arrival.kind is ArrivalKind.DELETE:
        return Decision(False, _gone(arrival))
    if arrival.kind is ArrivalKind.TAG:
        return _tag(triggers, arrival.ref)
    if skip := skip_word(arrival.message or arrival.subject):
        return Decision(False, f"{skip} stands in the commit's message")
    if arrival.kind is ArrivalKind.PULL_REQUEST:
        return _pull_request(triggers, arrival)
    return _push(triggers, arrival.ref, arrival.changed if changed is None else changed)


def decide_release(triggers: TriggerSpec, service: str) -> Decision:
    """Whether a green release of another service begins a run of the default branch."""
    if service in triggers.releases:
        return Decision(True, f"a release of {service}")
    return Decision(False, f"releases of {service} begin no run: triggers.releases does not name it")


def skip_word(message: str) -> str | None:
    """What in a commit's message asks for no run: one of the forges' words anywhere, or the trailer in its last part."""
    if found := _SKIP.search(message):
        return found[0]
    lines = message.rstrip().splitlines()
    for line in reversed(lines[1:]):
        if not line.strip():
            break
        if _SKIP_TRAILER.fullmatch(line):
            return line.strip()
    return None


def short_ref(ref: str) -> str:
    """`refs/heads/main` as people say it: `main`."""
    return ref.removeprefix(BRANCHES).removeprefix(TAGS)


def _gone(arrival: Arrival) -> str:
    if arrival.pull_request is not None:
        return f"pull request {arrival.pull_request.number} was closed"
    return f"{short_ref(arrival.ref)} was deleted"


def _tag(triggers: TriggerSpec, ref: str) -> Decision:
    tag = short_ref(ref)
    if not triggers.tags:
        return Decision(False, "tags begin no run: triggers.tags is false")
    if not takes_in(triggers.tags, tag):
        return Decision(False, f"the tag {tag} begins no run: triggers.tags is {_listed(triggers.tags)}")
    return Decision(True, f"the tag {tag}")


def _push(triggers: TriggerSpec, ref: str, changed: tuple[str, ...] | None) -> Decision:
    if not ref.startswith(BRANCHES):
        return Decision(False, f"{ref} is neither a branch nor a tag")
    branch = short_ref(ref)
    if triggers.push is None:
        return Decision(False, "pushes begin no run: triggers.push is false")
    branches, paths = triggers.push.branches, triggers.push.paths
    if branches and not takes_in(branches, branch):
        return Decision(
            False, f"a push to {branch} begins no run: triggers.push.branches is {_listed(branches)}"
        )
    if paths and changed is not None and first_taken_in(paths, changed) is None:
        return Decision(False, f"the push to {branch} changed nothing in {_listed(paths)}")
    return Decision(True, f"a push to {branch}")


def _pull_request(triggers: TriggerSpec, arrival: Arrival) -> Decision:
    asked = arrival.pull_request
    if asked is None:
        return Decision(False, f"nothing is known of the pull request behind {arrival.ref}")
    if triggers.pull_requests is None:
        return Decision(False, "pull requests begin no run: triggers.pull_requests is false")
    base = triggers.pull_requests.base
    if base and not takes_in(base, asked.base):
        listed = f"triggers.pull_requests.base is {_listed(base)}"
        return Decision(False, f"pull request {asked.number} into {asked.base} begins no run: {listed}")
    return Decision(True, _asked(asked), FORK if asked.fork else "")


def _asked(asked: PullRequest) -> str:
    whence = " from another repository" if asked.fork else ""
    return f"pull request {asked.number}{whence} into {asked.base}"


def _listed(globs: tuple[str, ...]) -> str:
    return ", ".join(globs)
