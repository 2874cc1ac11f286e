"""The graph of definitions: cycles named, order, what a choice brings along."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.pipeline.graph import find_cycle, heights, in_order, with_needs


@pytest.mark.parametrize(
    ("needs", "cycle"),
    [
        ({}, None),
        ({"a": [], "b": ["a"], "c": ["a", "b"]}, None),
        ({"a": ["a"]}, ("a", "a")),
        ({"a": ["b"], "b": ["a"]}, ("a", "b", "a")),
        (
            {"lint": [], "test": ["build"], "build": ["package"], "package": ["test"]},
            ("test", "build", "package", "test"),
        ),
        ({"x": ["b"], "b": ["c"], "c": ["b"]}, ("b", "c", "b")),
        ({"x": ["c"], "b": ["c"], "c": ["b"]}, ("b", "c", "b")),
        ({"a": ["nobody"]}, None),
    ],
)
def test_a_cycle_is_named_as_it_is_to_be_read(needs, cycle):
    assert find_cycle(needs) == cycle


def test_order_keeps_the_file_where_it_can():
    needs = {"deploy-docs": ["build"], "lint": [], "build": ["test"], "test": []}
    assert in_order(needs) == ("test", "build", "deploy-docs", "lint")


def test_order_refuses_a_cycle():
    with pytest.raises(ValueError, match="a → b → a"):
        in_order({"a": ["b"], "b": ["a"]})


def test_a_choice_brings_what_it_needs():
    needs = {"a": [], "b": ["a"], "c": ["b"], "d": ["a"]}
    assert with_needs(["c"], needs) == {"a", "b", "c"}
    assert with_needs(["e", "nobody"], needs | {"e": ["a", "somebody"]}) == {"a", "e"}


def test_a_long_chain_is_no_deeper_than_a_short_one():
    needs = {f"job{number}": [f"job{number - 1}"] if number else [] for number in range(5000)}
    assert find_cycle(needs) is None
    assert heights(needs)["job0"] == 4999


graphs = st.integers(1, 8).flatmap(
    lambda size: st.fixed_dictionaries(
        {f"j{n}": st.lists(st.sampled_from([f"j{m}" for m in range(size)]), max_size=3) for n in range(size)}
    )
)


@given(graphs)
@settings(max_examples=60, deadline=None)
def test_either_there_is_a_cycle_or_an_order(needs):
    cycle = find_cycle(needs)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert all(need in needs[name] for name, need in pairwise(cycle))
        return
    order = in_order(needs)
    assert sorted(order) == sorted(needs)
    assert all(order.index(need) < order.index(name) for name in needs for need in needs[name])
    height = heights(needs)
    assert all(height[need] > height[name] for name in needs for need in needs[name])
