"""What is stored of a dataclass comes back as it was."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from headway.base.plain import from_plain, to_plain
from headway.domain.states import State


@dataclass(frozen=True)
class Inner:
    states: frozenset[State] = frozenset()
    limit: timedelta | None = None


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)


WHOLE = Outer(
    "shop",
    Inner(frozenset({State.FAILED, State.ERRORED}), timedelta(seconds=90)),
    (Inner(), Inner(limit=timedelta(milliseconds=1))),
    {"LEVEL": "full"},
)


def test_it_is_plain_json_in_one_order():
    assert to_plain(WHOLE) == {
        "name": "shop",
        "inner": {"states": ["errored", "failed"], "limit": 90.0},
        "many": [{"states": [], "limit": None}, {"states": [], "limit": 0.001}],
        "words": {"LEVEL": "full"},
    }


@pytest.mark.parametrize("value", [WHOLE, Outer("shop")])
def test_it_comes_back_as_it_was(value):
    assert from_plain(Outer, to_plain(value)) == value


def test_an_older_version_did_not_know_a_field_and_a_newer_one_knows_more():
    assert from_plain(Outer, {"name": "shop", "colour": "red"}) == Outer("shop")


@pytest.mark.parametrize(
    "value", [{}, {"name": 3}, {"name": "shop", "inner": {"states": ["loud"]}}, [], {"name": "x", "many": 3}]
)
def test_what_is_none_is_refused(value):
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        from_plain(Outer, value)
