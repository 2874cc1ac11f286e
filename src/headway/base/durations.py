"""Durations and sizes as people write them: `90s`, `20m`, `1h30m`, `2d`, `4w`; `64MiB`, `10kB`."""

import re
from datetime import timedelta

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d+)\s*(B|kB|MB|GB|KiB|MiB|GiB)?")
_SIZE_UNITS = {
    None: 1,
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


def parse_duration(text: str) -> timedelta:
    """The duration that `text` names. Raises ValueError with what is allowed."""
    stripped = text.strip()
    position, total = 0, timedelta()
    for part in _PART.finditer(stripped):
        if part.start() != position:
            break
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not stripped or position != len(stripped):
        raise ValueError(
            f"'{text}' is not a duration; write a number with ms, s, m, h, d or w, such as 90s or 1h30m"
        )
    return total


def format_duration(duration: timedelta) -> str:
    """Short and readable: `340ms`, `4.2s`, `3m05s`, `2h10m`, `3d4h`."""
    seconds = duration.total_seconds()
    if seconds < 0:
        return "-" + format_duration(-duration)
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours}h" if hours else f"{days}d"


def parse_size(text: str) -> int:
    """Bytes. Raises ValueError with what is allowed."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"'{text}' is not a size; write a whole number with B, kB, MB, GB, KiB, MiB or GiB, such as 64MiB"
        )
    return int(match[1]) * _SIZE_UNITS[match[2]]


def format_size(size: int) -> str:
    """`812 B`, `3.4 MiB`."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        amount /= 1024
        if amount < 1024 or unit == "GiB":
            break
    return f"{amount:.1f} {unit}"
