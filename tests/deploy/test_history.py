import pytest

from headway.deploy.history import Live, before_live, good_history, in_the_way
from headway.domain.deployment import DeploymentKind


def lives(text: str) -> list[Live]:
    """`A B! <A`: deployments of A and B (which may not be passed), a rollback to A."""
    found = []
    for number, word in enumerate(text.split()):
        kind = DeploymentKind.ROLLBACK if word.startswith("<") else DeploymentKind.PLANNED
        found.append(Live(f"dep-{number}", word.strip("<!"), "", kind, not word.endswith("!")))
    return found


@pytest.mark.parametrize(
    ("succeeded", "good", "before"),
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
    ],
)
def test_what_a_rollback_goes_back_to(succeeded: str, good: str, before: str | None) -> None:
    history = good_history(lives(succeeded))
    assert " ".join(live.release for live in history) == good
    found = before_live(history)
    assert (found.release if found else None) == before


@pytest.mark.parametrize(
    ("succeeded", "target", "blocker"),
    [
        ("A B C", "A", None),
        ("A B! C", "B", None),
        ("A B! C", "A", "B"),
        ("A B!", "A", "B"),
        ("A B! B", "A", "B"),
    ],
)
def test_what_may_not_be_passed(succeeded: str, target: str, blocker: str | None) -> None:
    found = in_the_way(good_history(lives(succeeded)), target)
    assert (found.release if found else None) == blocker
