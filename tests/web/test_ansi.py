"""Lines of a log as spans: colours stay, everything else that a terminal would obey is gone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.web import ansi
from headway.web.ansi import LONGEST_LINE, PLAIN, Pen, pen_after, plain, spans


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", []),
        (b"plain", [("", "plain")]),
        (b"tab\there", [("", "tab\there")]),
        (b"\x1b[31mred\x1b[0m and not", [("a-red", "red"), ("", " and not")]),
        (b"\x1b[1;32mbold green\x1b[m", [("a-green a-bold", "bold green")]),
        (b"\x1b[1m\x1b[31mb\x1b[22mr", [("a-red a-bold", "b"), ("a-red", "r")]),
        (b"\x1b[91;44mx", [("a-bright-red a-on-blue", "x")]),
        (b"\x1b[38;5;196mx\x1b[39my", [("a-red", "x"), ("", "y")]),
        (b"\x1b[38;2;0;180;0mx", [("a-green", "x")]),
        (b"\x1b[38:5:21mx", [("a-blue", "x")]),
        (b"\x1b[48;5;250mx", [("a-on-white", "x")]),
        # A number that nobody knows changes nothing.
        (b"\x1b[77mx", [("", "x")]),
        # Windows' line ends, and progress bars: what stands after the last carriage return is what one sees.
        (b"line\r", [("", "line")]),
        (b"10 %\r50 %\r100 %\r", [("", "100 %")]),
        # Bytes that are no UTF-8.
        (b"caf\xe9", [("", "caf�")]),
        ("café".encode(), [("", "café")]),
        # Whatever else a terminal would obey: titles, cursors, links, bells, answers, alternate character sets.
        (b"\x1b]0;title\x07text\x1b[2J\x1b[10;10Hmore\x07\x08", [("", "textmore")]),
        (b"\x1b]8;;http://evil/\x1b\\link\x1b]8;;\x1b\\", [("", "link")]),
        (b"\x1b[6n\x1b[c\x1b(0\x1b7ok", [("", "ok")]),
        (b"\xc2\x9b31mok", [("", "31mok")]),
        (b"cut\x1b[3", [("", "cut")]),
        (b"nul\x00\x7f!", [("", "nul!")]),
        # What would turn the reading order of the line on the screen.
        ("a\u202eb".encode(), [("", "a�b")]),
    ],
)
def test_a_line_becomes_spans(line, expected):
    assert spans(line)[0] == expected


def test_a_colour_goes_on_in_the_next_line():
    _, pen = spans(b"\x1b[33mwarning: first")
    assert pen == Pen(foreground="yellow")
    assert spans(b"second\x1b[0m", pen) == ([("a-yellow", "second")], PLAIN)


def test_the_pen_of_a_window_comes_from_the_bytes_before_it():
    assert pen_after(b"\x1b[31mone\n\x1b[1mtwo\n") == Pen(foreground="red", flags=frozenset({"bold"}))
    assert pen_after(b"\x1b[31mone\x1b[0m\n") == PLAIN


def test_a_line_of_a_megabyte_is_cut_and_says_so():
    found, _ = spans(b"x" * 1_000_000)
    assert sum(len(text) for _, text in found) < LONGEST_LINE + 100
    assert found[-1] == ("a-note", " … 990,000 more bytes in the raw log")


def test_a_line_that_changes_colour_with_every_letter_stays_small():
    assert len(spans(b"\x1b[31mx\x1b[32my" * 1000)[0]) < 510


@given(st.binary(max_size=300))
def test_whatever_the_bytes_only_known_classes_and_harmless_text_come_out(line):
    found, _ = spans(line)
    for classes, text in found:
        assert re.fullmatch(r"(a-[a-z-]+( a-[a-z-]+)*)?", classes)
        assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert plain(line) == "".join(text for _, text in found)


@given(st.text(alphabet="abc<>&\"' é漢", max_size=50))
def test_text_without_controls_comes_through_unchanged(text):
    assert plain(text.encode()) == text
    assert ansi.plain(b"\x1b[31m" + text.encode() + b"\x1b[0m") == text
