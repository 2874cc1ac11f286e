from datetime import UTC, datetime, timedelta

import pytest

from headway.web import words
from headway.web.rendering import link, segment

NOW = datetime(2025, 6, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0004, "0 ms"),
        (0.34, "340 ms"),
        (1, "1 s"),
        (4.24, "4.2 s"),
        (42, "42 s"),
        (59.6, "1 m 00 s"),
        (64, "1 m 04 s"),
        (7800, "2 h 10 m"),
        (3 * 86400 + 4 * 3600, "3 d 4 h"),
        (-5, "−5 s"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said
    assert words.duration(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(seconds=8), "8 s ago"),
        (timedelta(seconds=59.7), "1 m ago"),
        (timedelta(minutes=4, seconds=59), "4 m ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=2), "2 d ago"),
        (timedelta(days=60), "3 Apr 2025"),
        (timedelta(seconds=-90), "in 1 m"),
        (timedelta(seconds=-0.5), "0 s ago"),
    ],
)
def test_ages(before: timedelta, said: str) -> None:
    assert words.ago(NOW - before, NOW) == said


def test_names_become_segments_of_an_address() -> None:
    assert segment('a/b?<"> متجر') == "a%2Fb%3F%3C%22%3E%20%D9%85%D8%AA%D8%AC%D8%B1"


def test_a_link_keeps_what_else_was_chosen_and_leaves_out_what_says_nothing() -> None:
    assert (
        link("/audit", {"actor": "ada", "before": "7"}, before="", subject="a b")
        == "/audit?actor=ada&subject=a+b"
    )
    assert link("/audit", {}, before=None) == "/audit"


@pytest.mark.parametrize(
    ("text", "length", "shown"),
    [
        ("short", 10, "short"),
        ("exactly-10", 10, "exactly-10"),
        ("headway deploy --release rel-26275cb602b3", 33, "headway deploy --release…"),
        ("a" * 40, 10, "aaaaaaaaa…"),
        ("a " + "b" * 40, 10, "a bbbbbbb…"),
    ],
)
def test_what_is_cut_says_that_it_goes_on_and_ends_with_a_whole_word(
    text: str, length: int, shown: str
) -> None:
    assert words.cut(text, length) == shown
    assert len(shown) <= length
