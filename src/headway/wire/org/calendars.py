"""Freezes of iCalendar files: events as spans, repetitions written out for the time around now.

icalendar reads the file but writes no repetition out; dateutil, which it brings along, does that on wall times, so that
an event at nine stays at nine over a change of the clock. Rules that repeat more often than daily are refused: they
are no freeze, and they could keep a server busy for long.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from icalendar import Calendar

Span = tuple[datetime, datetime, str]
#: An event's properties: icalendar types each as any of its thirty kinds, and the file may hold any of them.
Properties: TypeAlias = Any

#: How far ahead repetitions are written out, and how far back: the longest freeze that still counts.
AHEAD, BACK = timedelta(days=400), timedelta(days=62)
LARGEST_CALENDAR = 1024 * 1024
MOST_EVENTS = 2_000
#: Repetitions of one event, counted from its first.
_MOST_REPEATED = 20_000
_EARLIEST = 1970
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")


class CalendarInvalid(Exception):
    """What is wrong with the calendar, as the second half of a sentence that begins with its name."""


def read_calendar(text: str, zone: ZoneInfo, now: datetime) -> tuple[Span, ...]:
    """The spans around `now`, in order; `zone` is meant where an event names none. Raises CalendarInvalid."""
    if len(text) > LARGEST_CALENDAR:
        raise CalendarInvalid(f"is larger than {LARGEST_CALENDAR // 1024} KiB")
    try:
        calendar = Calendar.from_ical(text)
        events: list[Properties] = list(calendar.walk("VEVENT"))
    except Exception as error:
        raise CalendarInvalid(f"is no calendar: {_said(error)}") from None
    if len(events) > MOST_EVENTS:
        raise CalendarInvalid(f"has {len(events)} events; allowed are up to {MOST_EVENTS}")
    moved = {
        (str(event.get("UID")), _instant(event["RECURRENCE-ID"].dt, zone))
        for event in events
        if "RECURRENCE-ID" in event
    }
    found: set[Span] = set()
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        summary = " ".join(str(event.get("SUMMARY", "")).split())[:200]
        try:
            for start, end in _spans(event, zone, now, moved):
                if start < now + AHEAD and end > now - BACK:
                    found.add((start, end, summary))
        except CalendarInvalid as error:
            raise CalendarInvalid(f"has an event '{summary}' that {error}") from None
        except Exception as error:
            raise CalendarInvalid(f"has an event '{summary}' that cannot be read: {_said(error)}") from None
    return tuple(sorted(found))


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _spans(
    event: Properties, zone: ZoneInfo, now: datetime, moved: set[tuple[str, datetime]]
) -> Iterator[tuple[datetime, datetime]]:
    if "DTSTART" not in event:
        raise CalendarInvalid("has no beginning")
    first = event["DTSTART"].dt
    named = event["DTSTART"].params.get("TZID")
    if isinstance(first, datetime) and first.tzinfo is None and named:
        raise CalendarInvalid(f"names the time zone '{named}', which is not known")
    own = first.tzinfo if isinstance(first, datetime) and first.tzinfo else zone
    wall = _wall(first, own)
    lasts = _lasts(event, first, wall, own)
    if lasts <= timedelta():
        raise CalendarInvalid("ends no later than it begins")
    without = {_instant(value, own) for value in _listed(event.get("EXDATE"))}
    uid = str(event.get("UID"))
    for begins in _beginnings(event, first, wall, own, now):
        start = begins.replace(tzinfo=own).astimezone(UTC)
        if start not in without and ("RECURRENCE-ID" in event or (uid, start) not in moved):
            yield start, (begins + lasts).replace(tzinfo=own).astimezone(UTC)


def _lasts(event: Properties, first: date, wall: datetime, own: tzinfo) -> timedelta:
    """Of wall time: an event from nine to five lasts eight hours also on the day of a change."""
    if "DTEND" in event:
        return _wall(event["DTEND"].dt, own) - wall
    if "DURATION" in event:
        lasts: timedelta = event["DURATION"].dt
        return lasts
    return timedelta() if isinstance(first, datetime) else timedelta(days=1)


def _beginnings(
    event: Properties, first: date, wall: datetime, own: tzinfo, now: datetime
) -> Iterable[datetime]:
    """Wall times: the first, those of its rule as far as anybody plans, and those that are named."""
    horizon = _wall(now + AHEAD, own)
    beginnings = {wall}
    for rule in _as_list(event.get("RRULE")):
        beginnings.update(_repeated(rule, wall, own, horizon))
    beginnings.update(
        _wall(value[0] if isinstance(value, tuple) else value, own) for value in _listed(event.get("RDATE"))
    )
    return sorted(beginnings)


def _repeated(rule: Any, wall: datetime, own: tzinfo, horizon: datetime) -> tuple[datetime, ...]:
    parts = {key.upper(): value for key, value in rule.items()}
    frequency = str(parts["FREQ"][0]).upper()
    if frequency not in _FREQUENCIES:
        raise CalendarInvalid(f"repeats {frequency.lower()}; allowed is daily or more seldom")
    if wall.year < _EARLIEST:
        raise CalendarInvalid(f"repeats from before {_EARLIEST}")
    count = int(parts.pop("COUNT")[0]) if "COUNT" in parts else _MOST_REPEATED
    until = _wall(parts.pop("UNTIL")[0], own) if "UNTIL" in parts else horizon
    if wall >= horizon:
        return ()
    bounded = type(rule)({**parts, "UNTIL": [min(until, horizon)]})
    walked: Iterator[datetime] = iter(rrulestr(bounded.to_ical().decode(), dtstart=wall))
    found = tuple(islice(walked, min(count, _MOST_REPEATED)))
    if not found:
        # Such as on 30 February: looked for until the year 9999, which takes seconds, so the file is refused.
        raise CalendarInvalid("repeats on days that never come")
    return found


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _listed(value: Any) -> list[Any]:
    """The dates of EXDATE or RDATE, which may stand on one line or on several."""
    return [moment.dt for line in _as_list(value) for moment in line.dts]


def _wall(moment: date, zone: tzinfo) -> datetime:
    """The naive wall time in the zone; a day is its midnight."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001
    return (moment.astimezone(zone) if moment.tzinfo else moment).replace(tzinfo=None)


def _instant(moment: date, zone: tzinfo) -> datetime:
    return _wall(moment, zone).replace(tzinfo=zone).astimezone(UTC)
