"""What of a log reaches the terminal."""

import pytest

from headway.cli.terminal import TerminalFilter, clean


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain\ttext\n", b"plain\ttext\n"),
        ("Grüße · 你好\n".encode(), "Grüße · 你好\n".encode()),
        (b"not \xff\xfe UTF-8\n", b"not \xff\xfe UTF-8\n"),
        (b"\x1b[1;31mred\x1b[0m\n", b"red\n"),
        (b"\x1b[2J\x1b[H\x1b[?1049hgone\n", b"gone\n"),
        (b"\x1b]0;new title\x07text\n", b"text\n"),
        (b"\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\\n", b"link\n"),
        (b"\x1bP+q544e\x1b\\answer me\x1b[6n\x05\n", b"answer me\n"),
        (b"\x1bc\x1b7reset\n", b"reset\n"),
        (b"\xc2\x9b31mC1\n", b"31mC1\n"),
        (b"bell\x07 back\x08 null\x00 del\x7f\n", b"bell back null del\n"),
        (b"windows\r\n", b"windows\n"),
    ],
)
def test_what_could_move_the_cursor_stays_out(data, shown):
    assert clean(data, colour=False) == shown
    for cut in range(len(data)):
        filter = TerminalFilter(colour=False)
        assert filter.feed(data[:cut]) + filter.feed(data[cut:]) + filter.end() == shown


def test_colours_may_pass_and_nothing_else():
    assert clean(b"\x1b[1;38:5:208mx\x1b[0m\x1b[3A\n", colour=True) == b"\x1b[1;38:5:208mx\x1b[0m\n"


def test_a_title_that_never_ends_does_not_hold_the_log_back():
    filter = TerminalFilter(colour=False)
    shown = b"".join(filter.feed(b"\x1b]0;" + b"x" * 1000) for _ in range(20))
    assert len(shown) > 10_000
