"""What begins a run, and the sentence that says why or why not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain.contract import PullRequestTrigger, PushTrigger, TriggerSpec
from headway.domain.intake import Arrival, ArrivalKind, PullRequest
from headway.pipeline.triggers import FORK, Decision, decide, decide_release, skip_word

EVERYTHING = TriggerSpec()
NOTHING = TriggerSpec(push=None, tags=(), pull_requests=None)
MAIN = TriggerSpec(PushTrigger(("main", "release/*")), ("v*",), PullRequestTrigger(("main",)))
SOURCES = TriggerSpec(PushTrigger(paths=("src/**", "!*.md")))


def push(branch: str = "main", **more) -> Arrival:
    return Arrival(ArrivalKind.PUSH, f"refs/heads/{branch}", "a" * 40, "b" * 40, "ada", **more)


def tag(name: str, **more) -> Arrival:
    return Arrival(ArrivalKind.TAG, f"refs/tags/{name}", None, "b" * 40, "ada", **more)


def pull_request(base: str = "main", *, fork: bool = False, **more) -> Arrival:
    asked = PullRequest(7, "a fix", base, "fix", "https://forge.example/eve/shop", fork)
    return Arrival(
        ArrivalKind.PULL_REQUEST, "refs/pull/7/head", None, "b" * 40, "eve", pull_request=asked, **more
    )


def delete(ref: str) -> Arrival:
    return Arrival(ArrivalKind.DELETE, ref, "a" * 40, None, "ada")


@pytest.mark.parametrize(
    ("triggers", "arrival", "decision"),
    [
        (EVERYTHING, push("topic/x"), Decision(True, "a push to topic/x")),
        (EVERYTHING, tag("v1"), Decision(True, "the tag v1")),
        (EVERYTHING, tag("team/v1"), Decision(True, "the tag team/v1")),
        (EVERYTHING, pull_request("topic/x"), Decision(True, "pull request 7 into topic/x")),
        (EVERYTHING, pull_request(fork=True), Decision(True, "pull request 7 from another repository into main", FORK)),
        (EVERYTHING, delete("refs/heads/topic"), Decision(False, "topic was deleted")),
        (EVERYTHING, delete("refs/tags/v1"), Decision(False, "v1 was deleted")),
        (EVERYTHING, replace(push(), after=None), Decision(False, "main was deleted")),
        (EVERYTHING, replace(pull_request(), after=None), Decision(False, "pull request 7 was closed")),
        (EVERYTHING, replace(push(), ref="refs/notes/x"), Decision(False, "refs/notes/x is neither a branch nor a tag")),
        (EVERYTHING, replace(pull_request(), pull_request=None), Decision(False, "nothing is known of the pull request behind refs/pull/7/head")),
        (NOTHING, push(), Decision(False, "pushes begin no run: triggers.push is false")),
        (NOTHING, tag("v1"), Decision(False, "tags begin no run: triggers.tags is false")),
        (NOTHING, pull_request(), Decision(False, "pull requests begin no run: triggers.pull_requests is false")),
        (MAIN, push("release/1"), Decision(True, "a push to release/1")),
        (MAIN, push("topic/main"), Decision(False, "a push to topic/main begins no run: triggers.push.branches is main, release/*")),
        (MAIN, tag("v1"), Decision(True, "the tag v1")),
        (MAIN, tag("rc1"), Decision(False, "the tag rc1 begins no run: triggers.tags is v*")),
        (MAIN, pull_request("dev"), Decision(False, "pull request 7 into dev begins no run: triggers.pull_requests.base is main")),
        (SOURCES, push(), Decision(True, "a push to main")),
        (SOURCES, push(changed=("src/a.py", "b")), Decision(True, "a push to main")),
        (SOURCES, push(changed=("src/a.md", "b")), Decision(False, "the push to main changed nothing in src/**, !*.md")),
        (SOURCES, push(changed=()), Decision(False, "the push to main changed nothing in src/**, !*.md")),
        (EVERYTHING, push(message="fix\n\n[skip ci]"), Decision(False, "[skip ci] stands in the commit's message")),
        (EVERYTHING, push(subject="fix [CI skip]"), Decision(False, "[CI skip] stands in the commit's message")),
        (EVERYTHING, pull_request(message="x\n\nskip-checks: true"), Decision(False, "skip-checks: true stands in the commit's message")),
        # Asked for on purpose: a tag runs whatever its commit says.
        (EVERYTHING, tag("v1", message="[skip ci]"), Decision(True, "the tag v1")),
    ],
)  # fmt: skip
def test_decisions(triggers: TriggerSpec, arrival: Arrival, decision: Decision) -> None:
    assert decide(triggers, arrival) == decision


def test_paths_that_the_caller_found_count_before_those_of_the_forge() -> None:
    assert not decide(SOURCES, push(changed=("src/a.py",)), changed=("docs/a",)).run
    assert decide(SOURCES, push(changed=("docs/a",)), changed=("src/a.py",)).run


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("fix [skip ci]", "[skip ci]"),
        ("[ci skip] fix", "[ci skip]"),
        ("fix [no ci]", "[no ci]"),
        ("fix\n\n[skip actions]", "[skip actions]"),
        ("fix [actions skip]", "[actions skip]"),
        ("fix [Skip Headway]", "[Skip Headway]"),
        ("fix\n\nSigned-off-by: ada\nSkip-Checks:true\n", "Skip-Checks:true"),
        ("fix\n\nskip-checks: true\n\n\n", "skip-checks: true"),
        ("fix\nskip-checks: true", "skip-checks: true"),
        ("fix skip ci", None),
        ("fix [skip  ci]", None),
        ("fix [skip-ci]", None),
        ("skip-checks: true", None),
        ("fix\n\nskip-checks: true\n\nReviewed-by: eve", None),
        ("fix\n\nskip-checks: false", None),
        ("", None),
    ],
)
def test_words_that_ask_for_no_run(message: str, word: str | None) -> None:
    assert skip_word(message) == word


def test_releases_of_other_services() -> None:
    triggers = TriggerSpec(releases=("library",))
    assert decide_release(triggers, "library") == Decision(True, "a release of library")
    assert decide_release(triggers, "shop") == Decision(
        False, "releases of shop begin no run: triggers.releases does not name it"
    )


ARRIVALS = st.builds(
    Arrival,
    st.sampled_from(ArrivalKind),
    st.sampled_from(["refs/heads/main", "refs/tags/v1", "refs/pull/7/head", "refs/x", ""]),
    st.none(),
    st.sampled_from([None, "b" * 40]),
    st.just("eve"),
    st.text(max_size=20),
    st.text(max_size=20),
    pull_request=st.sampled_from([None, pull_request().pull_request, pull_request(fork=True).pull_request]),
)


@given(st.sampled_from([EVERYTHING, NOTHING, MAIN, SOURCES]), ARRIVALS)
def test_every_answer_has_its_reason_and_no_stranger_runs_unasked(
    triggers: TriggerSpec, arrival: Arrival
) -> None:
    decision = decide(triggers, arrival)
    assert decision.reason
    if arrival.after is None or arrival.kind is ArrivalKind.DELETE:
        assert not decision.run
    if decision.run and arrival.kind is ArrivalKind.PULL_REQUEST:
        assert arrival.pull_request is not None
        assert bool(decision.held_for) == arrival.pull_request.fork
