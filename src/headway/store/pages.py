"""Lists in pages, by the place of their last row: the moment and the key that tells rows of one moment apart.

Where a page begins is decided by the statement, on both columns. To decide it afterwards, among rows that were cut
off at a limit, loses those of a moment that has more of them than a page.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from headway.base.clock import from_milliseconds, to_milliseconds

T = TypeVar("T")
#: The moment of a list's last row, and its key.
Place = tuple[datetime, str]

#: What keys are made of; a stranger's word of another kind never reaches a statement.
_KEY = re.compile(r"[a-z0-9:._-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class After:
    """What stands in a statement for the rows after a place: `condition` in its WHERE, `order` behind ORDER BY."""

    condition: str
    order: str
    values: dict[str, object]


def after(place: Place | None, *, at: str, key: str, oldest_first: bool = False) -> After:
    """Of the columns `at` and `key`. None: from the beginning."""
    way, direction = (">", "") if oldest_first else ("<", " DESC")
    order = f"{at}{direction}, {key}{direction}"
    if place is None:
        return After("1 = 1", order, {})
    # The second half alone would be enough to be right; the first lets an index begin at the place.
    condition = f"({at} {way}= :page_at AND ({at} {way} :page_at OR {key} {way} :page_key))"
    return After(condition, order, {"page_at": to_milliseconds(place[0]), "page_key": place[1]})


def cut(found: Sequence[T], limit: int, place: Callable[[T], Place]) -> tuple[list[T], str | None]:
    """A page of at most `limit` of `limit + 1` rows that were asked for, and the cursor of the next; None: the last."""
    page = list(found[:limit])
    return page, write_cursor(place(page[-1])) if len(found) > limit else None


def write_cursor(place: Place) -> str:
    """As it stands in addresses."""
    return f"{to_milliseconds(place[0])}.{place[1]}"


def read_cursor(text: str | None) -> Place | None:
    """None for none, and for one that was not written here."""
    moment, _, key = (text or "").partition(".")
    if not (moment.isascii() and moment.isdigit() and len(moment) < 15 and _KEY.fullmatch(key)):
        return None
    return from_milliseconds(int(moment)), key
