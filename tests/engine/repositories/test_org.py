"""org.toml while a server runs: what is in force, what is said of a broken one, and what a restart remembers."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.domain.org import Org
from headway.engine.repositories.org import OrgKeeper, read_org_file
from headway.wire.org import OrgInvalid

GOOD = """\
[people.ada]
[teams.web]
members = { ada = "operator" }
"""
BROKEN = GOOD.replace("operator", "oprator") + "[team.x]\n"
CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//headway//tests//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
DTSTART:20260401T080000Z
DTEND:20260401T100000Z
RRULE:FREQ=DAILY
SUMMARY:Fair
END:VEVENT
END:VCALENDAR
"""
WITH_CALENDAR = '[[freezes]]\nname = "fair"\nreason = "a fair"\ncalendar = "fairs.ics"\n'
SENTENCE = "org.toml has 2 faults; what was in force before stays in force"


class Clock:
    """Far enough ahead that files written now have settled."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC) + timedelta(minutes=1)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        raise AssertionError

    async def sleep(self, seconds: float) -> None:
        raise AssertionError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "org.toml"


def test_without_a_file_there_is_no_organisation(file: Path) -> None:
    keeper = OrgKeeper(file, Clock())
    assert (keeper.current, keeper.fault, keeper.reload()) == (Org(), "", False)
    file.write_text(GOOD)
    assert keeper.reload() and list(keeper.current.teams) == ["web"]


def test_a_changed_file_is_in_force_at_the_next_look(file: Path) -> None:
    file.write_text(GOOD)
    keeper = OrgKeeper(file, Clock())
    assert not keeper.reload()
    file.write_text(GOOD + "[people.eve]\n")
    assert keeper.reload() and list(keeper.current.people) == ["ada", "eve"]
    assert keeper.text == GOOD + "[people.eve]\n"
    file.write_text("# nothing has changed in what it says\n" + keeper.text)
    assert not keeper.reload()


def test_a_broken_file_keeps_the_old_in_force_and_says_so(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(GOOD)
    keeper = OrgKeeper(file, Clock())
    file.write_text(BROKEN)
    assert not keeper.reload() and list(keeper.current.teams) == ["web"]
    assert keeper.fault == SENTENCE
    assert [str(fault) for fault in keeper.faults] == [
        "org.toml:3:19 teams.web.members.ada: 'oprator' is not known here; did you mean 'operator'?",
        "org.toml:4:2 team: 'team' is no known key; did you mean 'teams'?",
    ]
    keeper.reload()
    os.utime(file, ns=(1, 1))
    keeper.reload()
    assert [record.message.count("org.toml:") for record in caplog.records] == [2], "said once in the log"
    file.write_text(GOOD)
    assert not keeper.reload() and (keeper.fault, keeper.faults) == ("", ())


def test_a_restart_with_a_broken_file_has_the_last_good_one(file: Path) -> None:
    file.write_text(GOOD)
    OrgKeeper(file, Clock())
    file.write_text(BROKEN)
    keeper = OrgKeeper(file, Clock())
    assert list(keeper.current.teams) == ["web"] and keeper.fault == SENTENCE


def test_a_server_that_never_read_a_good_one_does_not_start_with_a_broken_one(file: Path) -> None:
    file.write_text(BROKEN)
    with pytest.raises(OrgInvalid, match=r"org\.toml has 2 faults"):
        OrgKeeper(file, Clock())


def test_a_file_that_is_gone_is_no_way_round_the_rules(file: Path) -> None:
    file.write_text(GOOD)
    keeper = OrgKeeper(file, Clock())
    file.unlink()
    for one in (keeper, OrgKeeper(file, Clock())):
        one.reload()
        assert list(one.current.teams) == ["web"]
        assert one.fault == "org.toml is gone; what was in force before stays in force"
    file.write_text("")
    assert keeper.reload() and (keeper.current, keeper.fault) == (Org(), "")


def test_the_last_good_one_may_be_kept_elsewhere(file: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file.write_text(GOOD)
    OrgKeeper(file, Clock(), tmp_path / "data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "org.toml"]
    file.write_bytes(b"\xff")
    keeper = OrgKeeper(file, Clock(), tmp_path / "data")
    assert list(keeper.current.teams) == ["web"]
    assert [str(fault) for fault in keeper.faults] == ["org.toml:1:1: this is not UTF-8"]


def test_calendars_are_looked_at_too_and_written_out_anew_each_day(file: Path) -> None:
    calendar, clock = file.with_name("fairs.ics"), Clock()
    calendar.write_text(CALENDAR)
    file.write_text(WITH_CALENDAR)
    keeper = OrgKeeper(file, clock)
    (freeze,) = keeper.current.freezes
    last = freeze.spans[-1][0]
    assert clock.at + timedelta(days=398) < last < clock.at + timedelta(days=400)
    clock.at += timedelta(days=1)
    assert keeper.reload() and keeper.current.freezes[0].spans[-1][0] == last + timedelta(days=1)
    calendar.write_text(CALENDAR.replace("DAILY", "HOURLY"))
    assert not keeper.reload()
    assert [str(fault) for fault in keeper.faults] == [
        "org.toml:4:12 freezes[0].calendar: 'fairs.ics' has an event 'Fair' that repeats hourly; allowed is daily or more seldom"
    ]
    calendar.unlink()
    keeper.reload()
    assert "'fairs.ics' cannot be read: No such file or directory" in str(keeper.faults[0])
    again = OrgKeeper(file, clock)
    assert again.current.freezes[0].spans[-1][0] == last + timedelta(days=1), (
        "the calendar is remembered as well"
    )
    calendar.write_text(CALENDAR)
    assert not keeper.reload() and keeper.fault == ""


def test_a_file_that_was_just_written_is_read_again(file: Path) -> None:
    """Two saves within one tick of the file system's clock look alike."""
    clock = Clock()
    clock.at = datetime.now(UTC)
    file.write_text(GOOD)
    keeper = OrgKeeper(file, clock)
    kept = keeper._looked.stamps
    file.write_text(GOOD.replace("operator", "viewer  ").replace('"viewer  "', '"viewer"  '))
    keeper._looked.stamps = {path: _now(path) for path in kept}
    assert keeper.reload()


def _now(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return (max(found.st_mtime_ns, found.st_ctime_ns), found.st_mtime_ns, found.st_ino, found.st_size)


@pytest.mark.parametrize("what", ["folder", "pipe", "huge"])
def test_what_is_no_file_keeps_nobody_waiting(file: Path, what: str) -> None:
    if what == "folder":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    else:
        with file.open("wb") as opened:
            opened.truncate(10 * 1024**2)
    with pytest.raises(OrgInvalid) as error:
        read_org_file(file)
    said = {"folder": "Is a directory", "pipe": "it is no file", "huge": "it is larger than 4 MiB"}[what]
    assert [str(fault) for fault in error.value.faults] == [f"org.toml:1:1: cannot be read: {said}"]
