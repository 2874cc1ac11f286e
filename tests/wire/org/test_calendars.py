"""Events of iCalendar files as spans of time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from headway.wire.org.calendars import AHEAD, BACK, CalendarInvalid, read_calendar

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def calendar(*events: str) -> str:
    written = "".join(
        f"BEGIN:VEVENT\nUID:{number}\nDTSTAMP:20260101T000000Z\nSUMMARY:Fair\n{event}\nEND:VEVENT\n"
        for number, event in enumerate(events)
    )
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//headway//tests//EN\n{written}END:VCALENDAR\n"


def spans(*events: str) -> list[tuple[str, str]]:
    found = read_calendar(calendar(*events), BERLIN, NOW)
    return [(f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}") for start, end, _ in found]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("DTSTART:20260401T080000Z\nDTEND:20260401T100000Z", [("2026-04-01 08:00", "2026-04-01 10:00")]),
        ("DTSTART:20260401T080000Z\nDURATION:PT90M", [("2026-04-01 08:00", "2026-04-01 09:30")]),
        # Without a zone of its own: the freeze's, here Berlin; a whole day, its midnights there.
        ("DTSTART:20260401T080000\nDURATION:PT1H", [("2026-04-01 06:00", "2026-04-01 07:00")]),
        ("DTSTART;VALUE=DATE:20260401", [("2026-03-31 22:00", "2026-04-01 22:00")]),
        ("DTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260330", [("2026-03-27 23:00", "2026-03-29 22:00")]),
        ("DTSTART;TZID=America/Chicago:20260401T080000\nDURATION:PT1H", [("2026-04-01 13:00", "2026-04-01 14:00")]),
        # Nine to five stays nine to five over the change of the clock.
        (
            "DTSTART;TZID=Europe/Berlin:20260326T090000\nDTEND;TZID=Europe/Berlin:20260326T170000\nRRULE:FREQ=WEEKLY;COUNT=2",
            [("2026-03-26 08:00", "2026-03-26 16:00"), ("2026-04-02 07:00", "2026-04-02 15:00")],
        ),
        # A night over the change of the clock lasts as long as its walls say.
        ("DTSTART;TZID=Europe/Berlin:20260328T220000\nDTEND;TZID=Europe/Berlin:20260329T060000", [("2026-03-28 21:00", "2026-03-29 04:00")]),
        (
            "DTSTART:20260401T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20260404T080000Z\nEXDATE:20260402T080000Z,20260403T080000Z",
            [("2026-04-01 08:00", "2026-04-01 09:00"), ("2026-04-04 08:00", "2026-04-04 09:00")],
        ),
        (
            "DTSTART:20260401T080000Z\nDURATION:PT1H\nRDATE:20260501T080000Z",
            [("2026-04-01 08:00", "2026-04-01 09:00"), ("2026-05-01 08:00", "2026-05-01 09:00")],
        ),
        ("DTSTART:20260401T080000Z\nDURATION:PT1H\nSTATUS:CANCELLED", []),
        ("DTSTART:20200401T080000Z\nDURATION:PT1H", []),
        ("DTSTART:20300401T080000Z\nDURATION:PT1H", []),
        ("DTSTART;VALUE=DATE:20201224\nRRULE:FREQ=YEARLY", [("2026-12-23 23:00", "2026-12-24 23:00")]),
    ],
)  # fmt: skip
def test_events(event: str, expected: list[tuple[str, str]]) -> None:
    assert spans(event) == expected


def test_a_moved_and_a_cancelled_repetition() -> None:
    text = calendar(
        "DTSTART:20260401T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3",
        "DTSTART:20260402T150000Z\nDURATION:PT1H\nRECURRENCE-ID:20260402T080000Z",
        "DTSTART:20260403T080000Z\nDURATION:PT1H\nRECURRENCE-ID:20260403T080000Z\nSTATUS:CANCELLED",
    ).replace("UID:1", "UID:0").replace("UID:2", "UID:0")  # fmt: skip
    found = [f"{start:%d %H}" for start, _, _ in read_calendar(text, BERLIN, NOW)]
    assert found == ["01 08", "02 15"]


def test_repetitions_are_written_out_as_far_as_anybody_plans() -> None:
    found = read_calendar(calendar("DTSTART:20200101T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY"), BERLIN, NOW)
    assert found[0][1] > NOW - BACK - timedelta(days=1) and found[-1][0] < NOW + AHEAD
    assert len(found) == (AHEAD + BACK).days
    assert found == tuple(sorted(found)) and {summary for *_, summary in found} == {"Fair"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no calendar: "),
        ("hello", "is no calendar: "),
        (calendar("DTEND:20260401T080000Z"), "has an event 'Fair' that has no beginning"),
        (calendar("DTSTART:20260401T080000Z\nDTEND:20260401T080000Z"), "has an event 'Fair' that ends no later than it begins"),
        (calendar("DTSTART:20260401T990000Z\nDURATION:PT1H"), "has an event 'Fair' that cannot be read: "),
        (calendar("DTSTART:20260401T080000Z\nDURATION:PT1H\nRRULE:FREQ=SECONDLY"), "has an event 'Fair' that repeats secondly; allowed is daily or more seldom"),
        (calendar("DTSTART:20260401T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=x"), "has an event 'Fair' that cannot be read: "),
        (calendar("DTSTART;VALUE=DATE:20250101\nRRULE:FREQ=YEARLY;INTERVAL=50;BYMONTH=2;BYMONTHDAY=30"), "has an event 'Fair' that repeats on days that never come"),
        (calendar("DTSTART:18000401T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY"), "has an event 'Fair' that repeats from before 1970"),
        (calendar("DTSTART;TZID=Mars/Phobos:20260401T080000\nDURATION:PT1H"), "has an event 'Fair' that names the time zone 'Mars/Phobos', which is not known"),
        ("x" * 2_000_000, "is larger than 1024 KiB"),
        (calendar(*["DTSTART;VALUE=DATE:20260401"] * 2001), "has 2001 events; allowed are up to 2000"),
    ],
)  # fmt: skip
def test_faults(text: str, message: str) -> None:
    with pytest.raises(CalendarInvalid) as error:
        read_calendar(text, BERLIN, NOW)
    assert str(error.value).startswith(message)
