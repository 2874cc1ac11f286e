"""When cron is due: rows for the cases, and a walk over both clock changes of 2026."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from headway.pipeline.cron import missed, next_due

BERLIN, CHICAGO = "Europe/Berlin", "America/Chicago"
#: The days around both changes of 2026.
CHANGES = [(BERLIN, 3, 29), (BERLIN, 10, 25), (CHICAGO, 3, 8), (CHICAGO, 11, 1)]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "zone", "after", "expected"),
    [
        ("0 3 * * *", "UTC", "2026-01-01T03:00:00+00:00", "2026-01-02T03:00:00+00:00"),
        ("0 3 * * *", "UTC", "2026-01-01T02:59:59.5+00:00", "2026-01-01T03:00:00+00:00"),
        ("0 3 * * *", BERLIN, "2026-07-01T00:00:00+00:00", "2026-07-01T03:00:00+02:00"),
        ("0 9 * * MON-FRI", BERLIN, "2026-03-27T09:00:00+01:00", "2026-03-30T09:00:00+02:00"),
        # Left out in spring: right after the change.
        ("30 2 * * *", BERLIN, "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        # Twice in autumn: once, the first time; and asked inside of the second hour, not again.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00"),
        ("30 2 * * *", BERLIN, "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"),
        ("30 2 * * *", BERLIN, "2026-10-25T02:15:00+01:00", "2026-10-26T02:30:00+01:00"),
        # By the clock as it goes.
        ("*/30 * * * *", BERLIN, "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"),
    ],
)
def test_next_due(at: str, zone: str, after: str, expected: str) -> None:
    due = next_due(at, zone, instant(after))
    assert due == instant(expected)
    assert due.tzinfo is UTC


def around(zone: str, month: int, day: int) -> list[datetime]:
    """Every five minutes from two days before a change until two days after it."""
    start = datetime(2026, month, day, tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(days=2)
    return [start + timedelta(minutes=minute) for minute in range(0, 5 * 24 * 60, 5)]


@pytest.mark.slow
@pytest.mark.parametrize(("zone", "month", "day"), CHANGES)
@pytest.mark.parametrize(
    "at", ["0 0 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * *", "59 2 * * *", "0 3 * * *"]
)
def test_a_daily_time_comes_once_on_each_day(at: str, zone: str, month: int, day: int) -> None:
    """Walked by brute force: whoever asks at any minute hears the same times, one for each calendar day."""
    minutes = around(zone, month, day)
    heard = sorted({due for moment in minutes if (due := next_due(at, zone, moment)) is not None})
    days = [due.astimezone(ZoneInfo(zone)).date() for due in heard]
    assert days == [days[0] + timedelta(days=number) for number in range(len(days))] and len(days) >= 5
    minute, hour = (int(part) for part in at.split()[:2])
    late = [
        due
        for due in heard
        if (due.astimezone(ZoneInfo(zone)).hour, due.astimezone(ZoneInfo(zone)).minute) != (hour, minute)
    ]
    left_out = hour == 2 and month == 3
    assert len(late) == left_out, "only the time that the clock leaves out comes at another wall time"
    for moment in minutes:
        due = next_due(at, zone, moment)
        assert due == min(time for time in [*heard, due] if time > moment)


@pytest.mark.parametrize(("zone", "month", "day"), CHANGES)
def test_every_quarter_of_an_hour_goes_on_evenly(zone: str, month: int, day: int) -> None:
    minutes = around(zone, month, day)
    heard = sorted({next_due("*/15 * * * *", zone, moment) for moment in minutes})
    assert {after - before for before, after in pairwise(heard)} == {timedelta(minutes=15)}


@pytest.mark.parametrize(
    ("at", "due_at", "now", "expected"),
    [
        ("0 3 * * *", "03:00", "02:59", None),
        ("0 3 * * *", "03:00", "03:00", "03:00"),
        ("0 3 * * *", "03:00", "04:00", "03:00"),
        # Too old to matter: a nightly run at noon helps nobody.
        ("0 3 * * *", "03:00", "04:01", None),
        # The last of those that were missed, and only it.
        ("*/10 * * * *", "03:00", "05:05", "05:00"),
        ("0 * * * *", "03:00", "09:59", "09:00"),
        ("0 */6 * * *", "00:00", "07:01", None),
        # Just not too old, after others that are; and due in this very moment.
        ("0 */3 * * *", "00:00", "04:00", "03:00"),
        ("*/10 * * * *", "03:00", "05:00", "05:00"),
    ],
)
def test_after_a_pause(at: str, due_at: str, now: str, expected: str | None) -> None:
    def today(wall: str) -> datetime:
        return instant(f"2026-05-04T{wall}:00+02:00")

    assert missed(at, BERLIN, today(due_at), today(now)) == (None if expected is None else today(expected))


def test_after_a_year_it_answers_at_once() -> None:
    now = instant("2027-05-04T12:00:30+00:00")
    assert missed("* * * * *", "UTC", instant("2026-05-04T12:00:00+00:00"), now) == now.replace(second=0)
