"""A line of a log as spans of plain text with classes: colours stay, every other control sequence is dropped.

A log is whatever a job prints. Nothing here makes HTML: the text of a span is text, and whoever shows it escapes it
(the templates) or sets it as text (the log viewer). Classes come from a fixed list, never from the log.
"""

import re
from dataclasses import dataclass, replace

#: (classes, text); classes is empty for plain text.
Span = tuple[str, str]

#: Characters of one line that are shown; the rest stands in the raw log.
LONGEST_LINE = 10_000
#: Spans of one line: a line that changes its colour with every letter is shown plain from there on.
_MOST_SPANS = 500

_SEQUENCE = re.compile(
    rb"\x1b\[(?P<sgr>[0-9;:]*)m"
    rb"|\x1b\[[0-?]*[ -/]*[@-~]?"  # CSI, also one that was cut
    rb"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC with their text
    rb"|\x1b[ -/]*[0-~]?"  # the short ones
    rb"|\xc2[\x80-\x9f]"  # C1 controls in UTF-8
    rb"|[\x00-\x08\x0a-\x1f\x7f]"
)
#: What calls for a closer look: controls except tab, and the first byte of the C1 controls in UTF-8.
_SUSPECT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f\xc2]")
_COLOUR = re.compile(rb"\x1b\[([0-9;:]*)m")
#: What could turn the order of what follows on the screen: shown as a mark, so that no text hides behind another.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_FLAGS = {1: "bold", 2: "faint", 3: "italic", 4: "underline", 7: "inverse", 9: "struck"}
_FLAGS_OFF = {22: ("bold", "faint"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("struck",)}


@dataclass(frozen=True, slots=True)
class Pen:
    """How text is drawn from here on."""

    foreground: str = ""
    background: str = ""
    flags: frozenset[str] = frozenset()

    @property
    def classes(self) -> str:
        """`a-red a-bold`; empty for plain text."""
        if self == PLAIN:
            return ""
        names = [f"a-{self.foreground}"] if self.foreground else []
        names += [f"a-on-{self.background}"] if self.background else []
        return " ".join(names + [f"a-{flag}" for flag in sorted(self.flags)])


PLAIN = Pen()


def spans(line: bytes, pen: Pen = PLAIN) -> tuple[list[Span], Pen]:
    """One line without its line feed, drawn with `pen` from its beginning; and the pen after it.

    A carriage return starts the line anew (progress bars), so what stands after the last one is shown. Bytes that
    are no UTF-8 become U+FFFD. A line longer than `LONGEST_LINE` ends with what was left out.
    """
    line = line.removesuffix(b"\r")
    found: list[Span] = []
    if len(line) <= LONGEST_LINE and _SUSPECT.search(line) is None:
        _add(found, pen, line)
        return found, pen
    if b"\r" in line:
        gone, _, line = line.rpartition(b"\r")
        pen = pen_after(gone, pen)
    left_out = 0
    if len(line) > LONGEST_LINE * 4:
        left_out, line = len(line) - LONGEST_LINE, line[:LONGEST_LINE]
    position = 0
    for match in _SEQUENCE.finditer(line):
        _add(found, pen, line[position : match.start()])
        position = match.end()
        if match["sgr"] is not None and len(found) < _MOST_SPANS:
            pen = _drawn(pen, match["sgr"])
    _add(found, pen, line[position:])
    if left_out:
        found.append(("a-note", f" … {left_out:,} more bytes in the raw log"))
    return found, pen


def pen_after(data: bytes, pen: Pen = PLAIN) -> Pen:
    """The pen after some bytes of a log: what a window's first line is drawn with."""
    for match in _COLOUR.finditer(data):
        pen = _drawn(pen, match[1])
    return pen


def plain(line: bytes) -> str:
    """The line's text alone."""
    return "".join(text for _, text in spans(line)[0])


def _add(found: list[Span], pen: Pen, piece: bytes) -> None:
    if not piece:
        return
    text = _TURNING.sub("\N{REPLACEMENT CHARACTER}", piece.decode(errors="replace"))
    classes = pen.classes
    if found and found[-1][0] == classes:
        found[-1] = (classes, found[-1][1] + text)
    else:
        found.append((classes, text))


def _drawn(pen: Pen, parameters: bytes) -> Pen:
    """The pen after one SGR sequence. Unknown numbers change nothing."""
    codes = [int(code) if code and len(code) < 4 else 0 for code in re.split(rb"[;:]", parameters)]
    while codes:
        code = codes.pop(0)
        if code == 0:
            pen = PLAIN
        elif code in _FLAGS:
            pen = replace(pen, flags=pen.flags | {_FLAGS[code]})
        elif code in _FLAGS_OFF:
            pen = replace(pen, flags=pen.flags.difference(_FLAGS_OFF[code]))
        elif code in (38, 48):
            colour, codes = _extended(codes)
            pen = replace(pen, foreground=colour) if code == 38 else replace(pen, background=colour)
        elif code == 39:
            pen = replace(pen, foreground="")
        elif code == 49:
            pen = replace(pen, background="")
        elif 30 <= code <= 37 or 90 <= code <= 97:
            pen = replace(pen, foreground=_named(code % 10, bright=code >= 90))
        elif 40 <= code <= 47 or 100 <= code <= 107:
            pen = replace(pen, background=_named(code % 10, bright=code >= 100))
    return pen


def _named(index: int, *, bright: bool) -> str:
    return f"bright-{_NAMES[index]}" if bright else _NAMES[index]


def _extended(codes: list[int]) -> tuple[str, list[int]]:
    """`5;n` and `2;r;g;b` as the nearest of the sixteen: those have the contrast that the page's theme promises."""
    if codes[:1] == [5] and len(codes) > 1:
        return _of_256(codes[1]), codes[2:]
    if codes[:1] == [2] and len(codes) > 3:
        return _nearest(codes[1], codes[2], codes[3]), codes[4:]
    return "", []


def _of_256(index: int) -> str:
    if index < 16:
        return _named(index % 8, bright=index >= 8)
    if index < 232:
        red, rest = divmod(index - 16, 36)
        green, blue = divmod(rest, 6)
        return _nearest(*(0 if level == 0 else 55 + 40 * level for level in (red, green, blue)))
    return _nearest(*[8 + 10 * (index - 232)] * 3)


def _nearest(red: int, green: int, blue: int) -> str:
    """By hue: grey ones become black, white or their bright kin, others the named colour of their strong parts."""
    levels = [min(255, level) for level in (red, green, blue)]
    high, low = max(levels), min(levels)
    if high - low < 40:
        return ("black", "bright-black", "white", "bright-white")[high // 64]
    middle = (high + low) / 2
    index = sum(1 << bit for bit, level in enumerate(levels) if level > middle)
    return _named(index, bright=high > 200 and low > 80)
