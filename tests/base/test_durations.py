from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.base.durations import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("20m", 1200),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1w", 604800),
        ("250ms", 0.25),
        ("1.5h", 5400),
    ],
)
def test_a_duration_is_read_as_people_write_it(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "20", "m", "20 m", "20m5", "-5s", "soon", "5M"])
def test_what_is_no_duration_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match="such as 90s or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0421, "42ms"),
        (4.2, "4.2s"),
        (59, "59s"),
        (185, "3m05s"),
        (7800, "2h10m"),
        (3600, "1h"),
        (273600, "3d4h"),
    ],
)
def test_a_duration_is_shown_short(seconds, text):
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.integers(min_value=1, max_value=10**7))
def test_a_shown_duration_can_be_read_back_closely(seconds):
    shown = parse_duration(format_duration(timedelta(seconds=seconds))).total_seconds()
    assert abs(shown - seconds) <= max(60, seconds * 0.04)


@pytest.mark.parametrize(
    ("text", "size"), [("512", 512), ("10kB", 10_000), ("64MiB", 64 * 2**20), ("1 GiB", 2**30)]
)
def test_a_size_is_read(text, size):
    assert parse_size(text) == size


def test_what_is_no_size_is_refused():
    with pytest.raises(ValueError, match="such as 64MiB"):
        parse_size("64 megs")


@pytest.mark.parametrize(("size", "text"), [(812, "812 B"), (3565158, "3.4 MiB"), (5 * 2**40, "5120.0 GiB")])
def test_a_size_is_shown_short(size, text):
    assert format_size(size) == text
