"""Charts as SVG: scales, axes, marks. Colours come from the page's style sheet by class; nothing is inline but shapes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to pixels; a logarithmic one for times, which span seconds to weeks."""

    low: float
    high: float
    width: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        if math.isinf(value):
            return self.width
        low, high, value = (self._bent(number) for number in (self.low, self.high, value))
        if high <= low:
            return self.width / 2
        return min(max((value - low) / (high - low), 0.0), 1.0) * self.width

    def _bent(self, value: float) -> float:
        return math.log(max(value, 1e-3)) if self.logarithmic else value


def interval(value: float | None, low: float, high: float, scale: Scale, label: str) -> Markup:
    """Dot and whisker: the value on its interval. An end that is infinite reaches the rim, without a stop."""
    height, middle = 20.0, 10.0
    start, end = scale(low), scale(high)
    parts = [_line("axis", 0, middle, scale.width, middle), _line("whisker", start, middle, end, middle)]
    parts.append(_line("whisker", start, middle - 4, start, middle + 4))
    if not math.isinf(high):
        parts.append(_line("whisker", end, middle - 4, end, middle + 4))
    if value is not None:
        parts.append(f'<circle class="dot" cx="{_n(scale(value))}" cy="{_n(middle)}" r="5"/>')
    return _picture(scale.width, height, label, parts)


def sparkline(
    values: Sequence[float | None], label: str, *, width: float = 240, height: float = 28
) -> Markup:
    """One bar a value, the last one stronger; nought is a thin line, and what is not known (None) is a gap."""
    known = [value for value in values if value is not None]
    if not known:
        return Markup("")
    most = max(*known, 1e-9, 0.0)
    step = min(width / len(values), 14.0)
    parts = [_line("axis", 0, height - 0.5, step * len(values), height - 0.5)]
    for index, value in enumerate(values):
        if value is None:
            continue
        tall = max(value / most * (height - 2), 1.0)
        kind = "mark" if index == len(values) - 1 else "mark faint"
        parts.append(_box(kind, index * step, height - tall, max(step - 2, 1), tall))
    return _picture(step * len(values), height, label, parts)


def share_bar(parts_of_whole: Sequence[tuple[float, str]], label: str, *, width: float = 120) -> Markup:
    """One bar that adds up: shares of 1 with their tone (good, bad, warn, info); what is left is the track."""
    height, start = 8.0, 0.0
    shapes = [_box("track", 0, 0, width, height, radius=3)]
    for share, tone in parts_of_whole:
        wide = min(max(share, 0.0), 1.0) * width
        if wide > 0:
            shapes.append(_box(tone, start, 0, wide, height, radius=3))
        start += wide
    return _picture(width, height, label, shapes)


def ticks(scale: Scale, marks: Sequence[tuple[float, str]]) -> Markup:
    """The axis under a column of intervals: a short stroke and a word for each mark that lies on the scale."""
    parts = [_line("axis", 0, 0.5, scale.width, 0.5)]
    for value, word in marks:
        if not scale.low <= value <= scale.high:
            continue
        x = scale(value)
        anchor = "start" if x < 12 else "end" if x > scale.width - 12 else "middle"
        parts.append(_line("axis", x, 0, x, 4))
        parts.append(f'<text x="{_n(x)}" y="15" text-anchor="{anchor}">{escape(word)}</text>')
    return _picture(scale.width, 18, "scale", parts)


def nice_ceiling(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 … at or above `value`: where an axis ends."""
    if value <= 0 or math.isinf(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999999)


def _picture(width: float, height: float, label: str, parts: Sequence[str]) -> Markup:
    inside = "".join(parts)
    # Shapes are made here from numbers, and class names are ours; the label may hold anything.
    return Markup(  # noqa: S704
        f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'width="{_n(width)}" height="{_n(height)}">{inside}</svg>'
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _box(kind: str, x: float, y: float, width: float, height: float, *, radius: float = 1) -> str:
    return f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(radius)}"/>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
