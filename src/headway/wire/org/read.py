"""Text in, organisation out. The reader itself is `wire.strict`'s; here is what is org.toml's own."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from headway.domain.org import Org
from headway.wire.org.build import build_org
from headway.wire.org.calendars import CalendarInvalid, Span, read_calendar
from headway.wire.org.errors import OrgInvalid
from headway.wire.org.meaning import problems_of_meaning
from headway.wire.org.shape import OrgFile
from headway.wire.strict.faults import Problem
from headway.wire.strict.raw import Table
from headway.wire.strict.reading import read_file
from headway.wire.strict.whole import number_problems

#: Numbers of the format that this Headway reads, the newest last. A file without one is of the first.
KNOWN = (1,)


def read(text: str, now: datetime, file: str, calendar: Callable[[str], str] | None) -> Org:
    """See `wire.org.read_org`."""
    calendars = _Calendars(calendar, now)
    shape = read_file(
        text,
        file,
        OrgFile,
        first=_number,
        meaning=lambda document: problems_of_meaning(document, calendars.fault),
        invalid=OrgInvalid,
    )
    return build_org(shape, calendars.spans)


def _number(document: Table) -> list[Problem]:
    return number_problems(document, "org", KNOWN) if "org" in document else []


class _Calendars:
    """Each calendar is read once, by path and zone."""

    def __init__(self, load: Callable[[str], str] | None, now: datetime) -> None:
        self._load = load
        self._now = now
        self._read: dict[tuple[str, str], tuple[Span, ...] | str] = {}

    def fault(self, path: str, zone: str) -> str | None:
        found = self._of(path, zone)
        return found if isinstance(found, str) else None

    def spans(self, path: str, zone: str) -> tuple[Span, ...]:
        found = self._of(path, zone)
        return () if isinstance(found, str) else found

    def _of(self, path: str, zone: str) -> tuple[Span, ...] | str:
        if (path, zone) not in self._read:
            self._read[path, zone] = self._expanded(path, zone)
        return self._read[path, zone]

    def _expanded(self, path: str, zone: str) -> tuple[Span, ...] | str:
        # What is wrong with the path or the zone themselves is a fault of shape.
        if (
            self._load is None
            or not path.endswith(".ics")
            or path.startswith(("/", "~"))
            or ".." in path.split("/")
        ):
            return ()
        try:
            known = ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            return ()
        try:
            return read_calendar(self._load(path), known, self._now)
        except CalendarInvalid as error:
            return str(error)
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        except UnicodeDecodeError:
            return "is not UTF-8"
