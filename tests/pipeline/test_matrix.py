"""What a matrix makes of one definition."""

import pytest

from headway.domain.contract import JobDefinition, StepDefinition
from headway.pipeline.matrix import count, expand


def definition(**axes: tuple[str, ...]) -> JobDefinition:
    return JobDefinition(name="test", steps=(StepDefinition("true", "true"),), matrix=axes)


@pytest.mark.parametrize(
    ("axes", "names"),
    [
        ({}, ["test"]),
        ({"python": ("3.11", "3.12")}, ["test (python=3.11)", "test (python=3.12)"]),
        (
            {"os": ("debian", "alpine"), "python": ("3.11", "3.12")},
            [
                "test (os=debian, python=3.11)",
                "test (os=debian, python=3.12)",
                "test (os=alpine, python=3.11)",
                "test (os=alpine, python=3.12)",
            ],
        ),
        ({"python": ()}, []),
    ],
)
def test_names_are_read_in_the_order_of_the_file(axes, names):
    assert [variant.name for variant in expand(definition(**axes))] == names
    assert count(definition(**axes)) == len(names)


def test_values_arrive_by_axis():
    assert [variant.values for variant in expand(definition())] == [{}]
    assert expand(definition(os=("debian",), python=("3.12",)))[0].values == {
        "os": "debian",
        "python": "3.12",
    }


def test_a_hostile_matrix_is_counted_without_being_made():
    axes = {f"axis{number}": tuple(map(str, range(100))) for number in range(20)}
    assert count(definition(**axes)) == 100**20
