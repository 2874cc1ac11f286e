"""Places in lists, as they stand in addresses: the moment and the key of the last row that was shown."""

from datetime import datetime

from headway.base.clock import from_milliseconds, to_milliseconds

Cursor = tuple[datetime, str]


def write_cursor(at: datetime, key: str) -> str:
    return f"{to_milliseconds(at)}.{key}"


def read_cursor(text: str | None) -> Cursor | None:
    """None for none, and for one that was not written here: the list then begins at its beginning."""
    moment, _, key = (text or "").partition(".")
    if not (moment.isascii() and moment.isdigit() and len(moment) < 15):
        return None
    return from_milliseconds(int(moment)), key
