from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.deploy.history import Came, Live, before_live, came_of, good_history, in_the_way
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState


def lives(text: str) -> list[Live]:
    """`A B! <A <A? ~B`: deployments of A and B (which may not be passed), a rollback to A, one that did not reach all
    hosts, a deployment of B that did not stay."""
    found = []
    for number, word in enumerate(text.split()):
        kind = DeploymentKind.ROLLBACK if word.startswith("<") else DeploymentKind.PLANNED
        came = Came.PARTLY if word.endswith("?") else Came.NOT_KEPT if word.startswith("~") else Came.GOOD
        found.append(Live(f"dep-{number}", word.strip("<!?~"), "", kind, not word.endswith("!"), came))
    return found


@pytest.mark.parametrize(
    ("met", "good", "before"),
    [
        ("", "", None),
        ("A", "A", None),
        ("A B C", "A B C", "B"),
        ("A B C <B", "A B", "A"),
        ("A B C <B <A", "A", None),
        ("A B <A C", "A C", "A"),
        ("A B B B", "A B", "A"),
        ("A B A", "A B A", "B"),
        ("A B <Z", "Z", None),
        # A host was away: asked again it goes on with the same, and nothing goes to C any more.
        ("A B C <B?", "A B", "B"),
        ("A B C <B? <B?", "A B", "B"),
        ("A B C <B? <B", "A B", "A"),
        ("A B C <B? <A", "A", None),
        ("A B C <B? D", "A B D", "B"),
        ("A B C <B? D <B", "A B", "A"),
        ("A B <Z?", "Z", "Z"),
        # It was good before, too, and somebody rolled back from it since.
        ("Z A B A <B", "Z A B", "Z"),
        ("A B A <B", "A B", None),
        ("A B A <B? D E <D", "A B D", "B"),
        ("A B A <B A", "A B A", "B"),
        # Tried again, and not kept.
        ("A B C ~B", "A B C", "A"),
        ("A B ~A", "A B", None),
        ("A B ~B C", "A B C", "B"),
        ("A B C ~B B D", "A B C B D", "B"),
    ],
)
def test_what_a_rollback_goes_back_to(met: str, good: str, before: str | None) -> None:
    history = good_history(lives(met))
    assert " ".join(live.release for live in history) == good
    found = before_live(history)
    assert (found.release if found else None) == before


_WORDS = st.builds(
    str.format, st.sampled_from(["{}", "{}", "<{}", "<{}?", "~{}", "{}!"]), st.sampled_from("ABCD")
)


@given(st.lists(_WORDS, max_size=12))
def test_nothing_goes_back_to_a_release_that_was_taken_back_since(words: list[str]) -> None:
    met = lives(" ".join(words))
    bad: set[str] = set()
    live = None
    for one in met:
        if one.came is Came.NOT_KEPT:
            # What serves is not taken back by another try of it.
            bad |= {one.release} - {live}
            continue
        if one.kind is DeploymentKind.ROLLBACK and live not in (None, one.release):
            bad.add(str(live))
        bad.discard(one.release)
        live = one.release
    found = before_live(good_history(met))
    assert found is None or found.release not in bad


def test_the_settings_of_a_rollback_that_reached_some_hosts_are_those_that_all_have() -> None:
    found = before_live(good_history(lives("A B C <B?")))
    assert found is not None
    assert found.deployment == "dep-1"


@pytest.mark.parametrize(
    ("again", "deployment"),
    [
        # The later settings, once all hosts have them.
        (Live("dep-2", "rel-a", "c2", DeploymentKind.ROLLBACK), "dep-2"),
        (Live("dep-2", "rel-a", "c2", DeploymentKind.ROLLBACK, came=Came.PARTLY), "dep-1"),
    ],
)
def test_the_same_release_once_more_is_one_of_the_history(again: Live, deployment: str) -> None:
    first = Live("dep-1", "rel-a", "c1", DeploymentKind.HOTFIX)
    assert good_history([first, again]) == [
        Live(deployment, "rel-a", "c2", DeploymentKind.HOTFIX, came=again.came)
    ]


D, K = DeploymentState, DeploymentKind


@pytest.mark.parametrize(
    ("state", "kind", "before", "switched", "came"),
    [
        (D.SUCCEEDED, K.PLANNED, "rel-a", True, Came.GOOD),
        (D.SUCCEEDED, K.ROLLBACK, "rel-a", True, Came.GOOD),
        (D.RUNNING, K.PLANNED, "rel-a", True, None),
        (D.ROLLING_BACK, K.PLANNED, "rel-a", True, None),
        (D.FAILED, K.ROLLBACK, "rel-a", True, Came.PARTLY),
        (D.CANCELLED, K.ROLLBACK, "rel-a", True, Came.PARTLY),
        (D.FAILED, K.ROLLBACK, "rel-a", False, None),
        (D.ROLLED_BACK, K.ROLLBACK, "rel-a", True, None),
        (D.ROLLED_BACK, K.PLANNED, "rel-a", True, Came.NOT_KEPT),
        (D.FAILED, K.HOTFIX, "rel-a", True, Came.NOT_KEPT),
        (D.CANCELLED, K.PLANNED, "rel-a", True, Came.NOT_KEPT),
        (D.CANCELLED, K.PLANNED, "rel-a", False, None),
        (D.ROLLED_BACK, K.REDEPLOY, "rel-b", True, None),
    ],
)
def test_what_a_deployment_says_of_its_release(
    state: DeploymentState, kind: DeploymentKind, before: str, switched: bool, came: Came | None
) -> None:
    at = datetime(2026, 7, 1, tzinfo=UTC)
    deployment = Deployment(
        "dep-1", 1, "shop", "/repo", "production", True, "rel-b", "c", before, kind, state, "", "ana", at
    )
    if switched:
        deployment = replace(deployment, first_switched_at=at)
    assert came_of(deployment) is came


@pytest.mark.parametrize(
    ("succeeded", "target", "blocker"),
    [
        ("A B C", "A", None),
        ("A B! C", "B", None),
        ("A B! C", "A", "B"),
        ("A B!", "A", "B"),
        ("A B! B", "A", "B"),
        ("A B B!", "A", "B"),
        ("A B B", "A", None),
    ],
)
def test_what_may_not_be_passed(succeeded: str, target: str, blocker: str | None) -> None:
    found = in_the_way(good_history(lives(succeeded)), target)
    assert (found.release if found else None) == blocker
