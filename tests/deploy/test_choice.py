"""What a deployment of a commit takes where the commit has several releases."""

from datetime import timedelta

import pytest

from headway.deploy.choice import Candidate, preferred
from tests.deploy.examples import NOW


def candidates(*succeeded: dict[str, int]) -> list[Candidate]:
    """rel-1, rel-2 … made an hour apart; of each the environments where it succeeded, with the hour of that."""
    return [
        Candidate(
            f"rel-{number}",
            NOW + timedelta(hours=number),
            {name: NOW + timedelta(hours=hour) for name, hour in environments.items()},
        )
        for number, environments in enumerate(succeeded, start=1)
    ]


@pytest.mark.parametrize(
    ("succeeded", "after", "live", "expected"),
    [
        # A run by cron, or again, changes nothing.
        ([{}, {}, {}], None, None, ("rel-1", "was made first")),
        ([{"staging": 3}, {}], "staging", None, ("rel-1", "passed staging")),
        ([{}, {"staging": 3}, {}], "staging", None, ("rel-2", "passed staging")),
        ([{}, {"production": 3}, {}], None, "rel-2", ("rel-2", "is live in production")),
        ([{}, {"testing": 3}], None, None, ("rel-2", "was deployed to testing")),
        # Of several that passed: the live one, else the one that passed last.
        ([{"staging": 9}, {"staging": 8}], "staging", "rel-2", ("rel-2", "passed staging")),
        ([{"staging": 8}, {"staging": 9}], "staging", None, ("rel-2", "passed staging")),
        # Where it went besides says nothing of that.
        ([{"staging": 8, "testing": 20}, {"staging": 9}], "staging", None, ("rel-2", "passed staging")),
        # Something else is live there, of another commit.
        ([{}, {}], None, "rel-9", ("rel-1", "was made first")),
        ([{}, {"testing": 3, "alpha": 5}], "staging", "rel-9", ("rel-2", "was deployed to alpha")),
        # What is live without having passed (staging came later) does not go before what has.
        ([{"production": 2}, {"staging": 3}], "staging", "rel-1", ("rel-2", "passed staging")),
        ([{"production": 2}, {}], "staging", "rel-1", ("rel-1", "is live in production")),
    ],
)
def test_the_one_that_passed_after_is_preferred(
    succeeded: list[dict[str, int]], after: str | None, live: str | None, expected: tuple[str, str]
) -> None:
    found = candidates(*succeeded)
    assert preferred(found, environment="production", after=after, live=live) == expected
    assert preferred(found[::-1], environment="production", after=after, live=live) == expected


def test_further_runs_of_the_commit_change_nothing() -> None:
    """Whatever was taken before they made releases of it is taken after."""
    for first in ({}, {"staging": 2}, {"production": 2, "staging": 1}):
        one = candidates(first)
        more = candidates(first, {}, {})
        for after in (None, "staging"):
            before = preferred(one, environment="production", after=after, live=None)
            assert preferred(more, environment="production", after=after, live=None) == before
