"""The kinds of value that only org.toml knows: instants, times of day, addresses, paths of calendars."""

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Tag

from headway.wire.strict.faults import show
from headway.wire.strict.values import LIST, LONGEST_GLOB, LONGEST_NAME, TEXT, either, schema

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
#: Midnight at a day's end.
END_OF_DAY = "24:00"


def _instant(value: object) -> datetime:
    """Without an offset it is meant in the freeze's zone; a date is its first moment."""
    parsed = value
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value) if len(value) <= LONGEST_NAME else None
        except ValueError:
            parsed = None
    if isinstance(parsed, datetime):
        return parsed
    if isinstance(parsed, date):
        return datetime(parsed.year, parsed.month, parsed.day)  # noqa: DTZ001
    raise ValueError(f"found {show(value)}; allowed is a date and time, such as 2026-12-20T18:00:00+01:00")


def _time_of_day(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise ValueError(f"{show(value)} is no time of day; allowed is such as '16:00'")
    return value


def _end_of_window(value: str) -> str:
    return value if value == END_OF_DAY else _time_of_day(value)


def _email(value: str) -> str:
    if not _ADDRESS.fullmatch(value) or len(value) > 254:
        raise ValueError(f"{show(value)} is no e-mail address")
    return value


def _calendar(value: str) -> str:
    if not value.endswith(".ics") or value.startswith(("/", "~")) or ".." in value.split("/"):
        raise ValueError(
            f"{show(value)} is no calendar beside org.toml; allowed is a relative path without '..', such as 'freezes.ics'"
        )
    return value


def _name_glob(value: str) -> str:
    if not value.removeprefix("!") or len(value) > LONGEST_GLOB or not value.isprintable() or " " in value:
        raise ValueError(f"{show(value)} is no glob of names; allowed is such as 'shop-*'")
    return value


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    schema("string", title="instant", examples=["2026-12-20T18:00:00+01:00"]),
]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day), Field(json_schema_extra={"pattern": r"^\d\d:\d\d$"})]
EndOfWindow = Annotated[
    str, AfterValidator(_end_of_window), Field(json_schema_extra={"pattern": r"^\d\d:\d\d$"})
]
Email = Annotated[str, AfterValidator(_email), Field(min_length=3)]
CalendarPath = Annotated[str, AfterValidator(_calendar), Field(min_length=5)]
NameGlob = Annotated[str, AfterValidator(_name_glob), Field(min_length=1)]
GlobOrList = Annotated[
    Annotated[NameGlob, Tag(TEXT)] | Annotated[list[NameGlob], Tag(LIST), Field(min_length=1)],
    either(TEXT, LIST, allowed="text or a list of text"),
]
