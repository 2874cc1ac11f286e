"""Freezes: rows for the cases, and weekly windows walked over both clock changes of 2026."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from headway.deploy.freeze import active, ends_at
from headway.domain.org import Freeze

BERLIN, CHICAGO = "Europe/Berlin", "America/Chicago"
CHANGES = [(BERLIN, 3, 29), (BERLIN, 10, 25), (CHICAGO, 3, 8), (CHICAGO, 11, 1)]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


HOLIDAYS = Freeze(
    "holidays",
    "nobody is here",
    start=instant("2026-12-20T00:00+01:00"),
    end=instant("2027-01-04T00:00+01:00"),
)
#: Friday 16:00 until Saturday 08:00, and the same a day later.
WEEKEND = Freeze(
    "weekend", "rest", environments=("production",), days=(4, 5), from_="16:00", until="08:00", zone=BERLIN
)
STRICT = Freeze(
    "audit", "auditors", services=("pay*",), start=instant("2026-12-24T00:00+01:00"), hotfix=False
)
FAIR = Freeze(
    "fair",
    "trade fair",
    spans=((instant("2026-05-04T08:00+02:00"), instant("2026-05-06T18:00+02:00"), "fair"),),
)
ALL = (HOLIDAYS, WEEKEND, STRICT, FAIR)


@pytest.mark.parametrize(
    ("service", "environment", "at", "name", "end"),
    [
        ("shop", "staging", "2026-12-19T23:59:59+01:00", None, None),
        ("shop", "staging", "2026-12-20T00:00:00+01:00", "holidays", "2027-01-04T00:00+01:00"),
        ("shop", "staging", "2027-01-03T23:59:59+01:00", "holidays", "2027-01-04T00:00+01:00"),
        ("shop", "staging", "2027-01-04T00:00:00+01:00", None, None),
        ("shop", "production", "2026-06-05T15:59:59+02:00", None, None),
        ("shop", "production", "2026-06-05T16:00:00+02:00", "weekend", "2026-06-06T08:00+02:00"),
        ("shop", "production", "2026-06-06T07:59:59+02:00", "weekend", "2026-06-06T08:00+02:00"),
        ("shop", "production", "2026-06-06T08:00:00+02:00", None, None),
        ("shop", "production", "2026-06-07T07:00:00+02:00", "weekend", "2026-06-07T08:00+02:00"),
        ("shop", "staging", "2026-06-06T03:00:00+02:00", None, None),
        ("shop", "staging", "2026-05-05T12:00:00+02:00", "fair", "2026-05-06T18:00+02:00"),
        # The one without hotfixes counts, and has no end.
        ("payments", "staging", "2026-12-25T00:00:00+01:00", "audit", None),
    ],
)
def test_freezes(service: str, environment: str, at: str, name: str | None, end: str | None) -> None:
    found = active(ALL, service, environment, instant(at))
    assert (found.name if found else None) == name
    assert ends_at(ALL, service, environment, instant(at)) == (instant(end) if end else None)


def test_of_several_freezes_the_one_that_ends_last_is_told() -> None:
    short, long = (
        replace(HOLIDAYS, name=name, end=HOLIDAYS.end + timedelta(days=n))
        for n, name in enumerate(("short", "long"))
    )  # type: ignore[operator]
    endless = replace(HOLIDAYS, name="endless", end=None)
    at = instant("2026-12-24T12:00+01:00")

    def told(*freezes: Freeze) -> str:
        found = active(freezes, "shop", "production", at)
        return found.name if found else ""

    assert told(short, long) == told(long, short) == "long"
    assert told(short, endless, long) == told(endless, long, short) == "endless"
    # Of two that are alike in this the first.
    assert told(short, replace(short, name="twin")) == "short"


def test_a_window_whose_time_is_left_out_begins_with_the_change_to_the_second() -> None:
    change = instant("2026-03-29T01:00:00+00:00")
    for minute in ("02:01", "02:07", "02:30", "02:59"):
        freeze = [Freeze("window", "", days=(6,), from_=minute, until="06:00", zone=BERLIN)]
        assert not active(freeze, "shop", "production", change - timedelta(seconds=1)), minute
        assert active(freeze, "shop", "production", change), minute


def test_freezes_that_follow_one_another_end_together() -> None:
    days = [
        Freeze("days", "", days=(0, 1, 2), zone=BERLIN),
        Freeze("night", "", days=(2,), from_="22:00", until="06:00"),
    ]
    assert ends_at(days, "shop", "staging", instant("2026-06-08T10:00+02:00")) == instant(
        "2026-06-11T06:00+00:00"
    )
    everyday = [Freeze("always", "", days=tuple(range(7)))]
    assert ends_at(everyday, "shop", "staging", instant("2026-06-08T10:00+02:00")) is None


WINDOWS = [
    ("02:00", "03:00"), ("02:30", "02:45"), ("01:30", "02:30"), ("02:30", "06:00"), ("22:00", "02:30"), ("", ""),
    ("00:00", "24:00"), ("03:00", "03:00"), ("23:30", "00:30"),
]  # fmt: skip


@pytest.mark.parametrize(("from_", "until"), WINDOWS)
@pytest.mark.parametrize(("zone", "month", "day"), CHANGES)
def test_weekly_windows_over_a_change_of_the_clock(
    zone: str, month: int, day: int, from_: str, until: str
) -> None:
    """Every fifth minute is judged by what a clock on the wall shows, and the answers are compared."""
    sunday = datetime(2026, month, day, tzinfo=ZoneInfo(zone))
    assert sunday.weekday() == 6
    start = (sunday - timedelta(days=2)).astimezone(UTC)
    minutes = [start + timedelta(minutes=number) for number in range(0, 4 * 24 * 60, 5)]
    walls = [minute.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for minute in minutes]
    expected: set[int] = set()
    for begins in (sunday - timedelta(days=1), sunday):
        opening = datetime.fromisoformat(f"{begins.date()}T{from_ or '00:00'}")
        closing_day = begins.date() + timedelta(
            days=(until or "24:00") <= (from_ or "00:00") or until in ("", "24:00")
        )
        closing = datetime.fromisoformat(f"{closing_day}T{until if until not in ('', '24:00') else '00:00'}")
        first = next(number for number, wall in enumerate(walls) if wall >= opening)
        last = max((number for number, wall in enumerate(walls) if wall < closing), default=-1)
        expected |= set(range(first, last + 1))
    freeze = Freeze("window", "", days=(5, 6), from_=from_, until=until, zone=zone)
    found = {number for number, minute in enumerate(minutes) if active([freeze], "s", "e", minute)}
    assert found == expected
    for number in (min(found, default=0), *(n for n in found if n + 1 not in found)) if found else ():
        ending = ends_at([freeze], "s", "e", minutes[number])
        assert ending is not None and not active([freeze], "s", "e", ending)
        assert active([freeze], "s", "e", ending - timedelta(seconds=1))
