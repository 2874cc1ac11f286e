"""How instants, durations, sizes and counts are said on pages."""

from datetime import datetime, timedelta

from headway.base.durations import format_size as size

__all__ = ["ago", "count", "duration", "exact", "machine", "number", "short", "size", "span"]

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def exact(instant: datetime) -> str:
    """`2025-06-02 14:03:07 UTC`"""
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def machine(instant: datetime) -> str:
    """For `<time datetime=…>`."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def span(instant: datetime, now: datetime) -> str:
    """How far away, in one unit: `8 s`, `4 m`, `2 d`; from 60 days on the day itself: `2 Jun 2025`."""
    seconds = abs((now - instant).total_seconds())
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds < 59.5 else "1 m"
    if seconds < 3600:
        return f"{seconds // 60:.0f} m"
    if seconds < 2 * 86400:
        return f"{seconds // 3600:.0f} h"
    if seconds < 60 * 86400:
        return f"{seconds // 86400:.0f} d"
    return f"{instant.day} {_MONTHS[instant.month - 1]} {instant.year}"


def ago(instant: datetime, now: datetime) -> str:
    """`8 s ago`, `in 4 m`, `2 Jun 2025`."""
    said = span(instant, now)
    if said[-1].isdigit():
        return said
    if (instant - now).total_seconds() > 1:
        return f"in {said}"
    return f"{said} ago"


def duration(value: timedelta | float) -> str:
    """`340 ms`, `4.2 s`, `1 m 04 s`, `2 h 10 m`, `3 d 4 h`. Numbers are seconds."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < 0:
        return "−" + duration(-seconds)
    if seconds < 59.5:
        return _few_seconds(seconds)
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} m {rest:02d} s"
    if hours < 24:
        return f"{hours} h {minutes_left:02d} m"
    return f"{hours // 24} d {hours % 24} h"


def _few_seconds(seconds: float) -> str:
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    return f"{seconds:.0f} s"


def short(text: str, length: int = 7) -> str:
    """An id as people say it: the first seven digits of a commit; a release's without its prefix."""
    return text.removeprefix("rel-")[:length]


def number(value: int) -> str:
    """`12 345` with narrow spaces that do not break."""
    return f"{value:,}".replace(",", "\u202f")


def count(value: int, noun: str, nouns: str = "") -> str:
    """`1 host`, `12 hosts`."""
    return f"{number(value)} {noun if value == 1 else nouns or noun + 's'}"


def cut(text: str, length: int) -> str:
    """At most so many characters: one that is longer ends with a whole word, if it has one, and says that it goes on."""
    if len(text) <= length:
        return text
    kept = text[: length - 1]
    head, space, _ = kept.rpartition(" ")
    return f"{head if space and len(head) > length // 2 else kept}…"
