"""Which releases and folders go."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.pipeline.retention import Aged, Rules, leftovers_that_go, releases_that_go

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Folder:
    name: str
    changed_at: datetime
    size: int


@pytest.mark.parametrize(
    ("ages", "in_use", "going"),
    [
        ([1, 2, 3], [], []),
        ([40, 50], [], []),  # old, but among the last
        ([1, 2, 31, 40], [], [31, 40]),
        ([1, 2, 29, 30, 40], [], [40]),  # exactly 30 days is not older than 30 days
        ([1, 2, 31, 40], [40], [31]),  # live somewhere
        ([31, 32, 33, 34], [31], [33, 34]),
        ([], [], []),
    ],
)
def test_which_releases_go(ages: list[int], in_use: list[int], going: list[int]) -> None:
    """Ages in days; two of each service stay in any case."""
    releases = [Aged(str(age), "shop", NOW - age * DAY) for age in ages]
    rules = Rules(releases_kept=2, releases=30 * DAY)
    found = releases_that_go(releases, {str(age) for age in in_use}, NOW, rules)
    assert sorted(found) == sorted(str(age) for age in going)


def test_each_service_keeps_its_own_last_releases() -> None:
    releases = [Aged(f"{service}{age}", service, NOW - age * DAY) for service in "ab" for age in (40, 41, 42)]
    assert set(releases_that_go(releases, (), NOW, Rules(releases_kept=2))) == {"a42", "b42"}


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 90)), max_size=30),
    st.sets(st.integers(0, 29)),
)
def test_what_must_stay_stays(drawn: list[tuple[str, int]], used: set[int]) -> None:
    releases = [Aged(str(number), service, NOW - age * DAY) for number, (service, age) in enumerate(drawn)]
    in_use, rules = {str(number) for number in used}, Rules()
    going = set(releases_that_go(releases, in_use, NOW, rules))
    assert not going & in_use
    for service in "ab":
        own = [release for release in releases if release.service == service]
        assert len([release for release in own if release.id not in going]) >= min(len(own), 10)
    assert all(NOW - release.renewed_at > rules.releases for release in releases if release.id in going)


@pytest.mark.parametrize(
    ("most", "most_bytes", "going"),
    [(9, 999, ["f40"]), (2, 999, ["f40", "f20"]), (9, 25, ["f40", "f20"]), (0, 999, ["f40", "f20", "f5"])],
)
def test_which_folders_go(most: int, most_bytes: int, going: list[str]) -> None:
    """Four folders of 10 bytes; the one of 30 days is busy. Older than 35 days goes in any case."""
    found = [Folder(f"f{age}", NOW - age * DAY, 10) for age in (40, 30, 20, 5)]
    chosen = leftovers_that_go(found, {"f30"}, NOW, 35 * DAY, most=most, most_bytes=most_bytes)
    assert [each.name for each in chosen] == going
