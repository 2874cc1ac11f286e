import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from headway.web import charts

numbers = st.floats(min_value=0, max_value=1e9, allow_nan=False)


@given(numbers, numbers, numbers, st.booleans())
def test_nothing_lies_outside_of_a_scale(value: float, low: float, high: float, logarithmic: bool) -> None:
    scale = charts.Scale(low, high, 200, logarithmic=logarithmic)
    assert 0 <= scale(value) <= 200


@given(st.lists(st.none() | numbers, max_size=40))
def test_a_sparkline_has_a_bar_for_each_known_value(values: list[float | None]) -> None:
    drawn = charts.sparkline(values, "by week")
    assert drawn.count("<rect") == sum(value is not None for value in values)


def test_the_last_value_is_drawn_stronger() -> None:
    assert re.findall(r'class="(mark[^"]*)"', charts.sparkline([1, 2, 3], "x")) == [
        "mark faint",
        "mark faint",
        "mark",
    ]


def test_an_open_interval_has_no_stop_at_its_open_end() -> None:
    scale = charts.Scale(0, 10, 100)
    assert charts.interval(5, 1, 9, scale, "x").count("<line") == 4
    assert charts.interval(5, 1, math.inf, scale, "x").count("<line") == 3


@pytest.mark.parametrize(
    "drawn",
    [
        charts.interval(None, 1, 9, charts.Scale(0, 10, 100), '"><script>'),
        charts.sparkline([1.0, None, 0.0], '"><script>'),
        charts.share_bar([(0.4, "good"), (2.0, "bad")], '"><script>'),
        charts.ticks(charts.Scale(0, 1, 100), [(0, '"><script>'), (1, "1")]),
    ],
)
def test_charts_are_sound_xml_whatever_their_words(drawn: Markup) -> None:
    tree = ElementTree.fromstring(drawn)
    assert tree.tag == "svg"
    assert "<script" not in drawn
    assert "style" not in drawn


@pytest.mark.parametrize(
    ("value", "end"), [(0, 1), (0.7, 1), (1, 1), (1.2, 2), (3, 5), (7, 10), (1100, 2000)]
)
def test_an_axis_ends_at_a_round_number(value: float, end: float) -> None:
    assert charts.nice_ceiling(value) == end
