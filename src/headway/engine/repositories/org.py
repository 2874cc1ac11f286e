"""org.toml as it is in force: read when it changes; a broken one changes nothing and says so, over restarts as well.

In the data folder lie the last good text (`org.last-good.toml`) and the calendars it was read with
(`org.last-good.calendars.json`): what guards deployments must not be lost because somebody saved half a file.
"""

import errno
import json
import logging
import os
import stat
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from headway.base.clock import Clock, SystemClock
from headway.base.errors import Held
from headway.domain.org import Org
from headway.wire.org import Fault, OrgInvalid, read_org

log = logging.getLogger("headway.org")

#: More bytes are refused before they are read.
_MOST_BYTES = 4 * 1024 * 1024
#: A file that was written this shortly before it was read may be written again without a trace in its times.
_SETTLES = timedelta(seconds=2)
_IN_FORCE = "what was in force before stays in force"

#: What tells that a file is another one than before; None: there is none.
_Stamp = tuple[int, int, int, int] | None


class OrgGone(Held):
    """org.toml was there and is no more."""


@dataclass(frozen=True, slots=True)
class _Read:
    org: Org
    text: str
    #: Path as org.toml names it -> text.
    calendars: dict[str, str]


@dataclass(slots=True)
class _Looked:
    """What a look found, and the stamps of all files it was found in."""

    stamps: dict[Path, _Stamp] = field(default_factory=dict)
    settled: bool = False
    #: Repetitions of calendars are written out anew each day.
    day: date | None = None


def read_org_file(file: Path, now: datetime | None = None) -> Org:
    """The organisation that lies there, for whoever only checks it. Raises OrgInvalid."""
    return _read(file, now or SystemClock().now(), {}).org


class OrgKeeper:
    """Of the threads that share it one calls `reload`; what it hands out never changes."""

    def __init__(self, path: Path, clock: Clock, data: Path | None = None) -> None:
        """`data`: where the last good one is kept; beside the file if absent.

        Raises OrgInvalid for a file with faults when there is no good one from before.
        """
        self.path = path
        self._data = data or path.parent
        self.current = Org()
        #: The text in force; empty without a file.
        self.text = ""
        #: When what is in force was read.
        self.read_at: datetime | None = None
        #: One sentence for every page; empty when all is well.
        self.fault = ""
        #: What is wrong with the file, each with its place.
        self.faults: tuple[Fault, ...] = ()
        self._clock = clock
        self._looked = _Looked()
        now = clock.now()
        before = self._last_good(now)
        if before is not None:
            self._take(before, now)
        self._look(now, first=before is None)

    def reload(self) -> bool:
        """Look whether the files changed, and read them then. Answers whether what is in force is another now."""
        now = self._clock.now()
        unchanged = all(_stamp(path) == stamp for path, stamp in self._looked.stamps.items())
        if unchanged and self._looked.settled and self._looked.day == now.date():
            return False
        before = self.current
        self._look(now)
        return self.current != before

    def _look(self, now: datetime, *, first: bool = False) -> None:
        stamps: dict[Path, _Stamp] = {self.path: _stamp(self.path)}
        try:
            if stamps[self.path] is None:
                self._missing()
            else:
                found = _read(self.path, now, stamps)
                self._take(found, now)
                self._keep(found)
        except OrgInvalid as error:
            if first:
                raise
            number = len(error.faults)
            counted = f"{number} fault{'s' if number != 1 else ''}"
            self._complain(f"{self.path.name} has {counted}; {_IN_FORCE}", error.faults)
        except OrgGone as error:
            self._complain(error.message, ())
        newest = max((stamp[0] for stamp in stamps.values() if stamp is not None), default=0)
        settled = now.timestamp() * 1e9 - newest > _SETTLES.total_seconds() * 1e9
        self._looked = _Looked(stamps, settled, now.date())

    def _missing(self) -> None:
        """A server without the file has no organisation; one that had it keeps it until it is told otherwise."""
        if self.read_at is not None:
            raise OrgGone(
                f"{self.path.name} is gone; {_IN_FORCE}",
                hint=f"leave an empty {self.path} to have no rules any more",
            )

    def _take(self, found: _Read, now: datetime) -> None:
        self.current, self.text, self.read_at = found.org, found.text, now
        self.fault, self.faults = "", ()

    def _complain(self, sentence: str, faults: tuple[Fault, ...]) -> None:
        if sentence != self.fault or faults != self.faults:
            log.warning("%s%s", sentence, "".join(f"\n  {fault}" for fault in faults))
        self.fault, self.faults = sentence, faults

    @property
    def _kept(self) -> tuple[Path, Path]:
        return self._data / "org.last-good.toml", self._data / "org.last-good.calendars.json"

    def _keep(self, found: _Read) -> None:
        text, calendars = self._kept
        try:
            _write(calendars, json.dumps(found.calendars))
            _write(text, found.text)
        except OSError as error:
            log.warning("the last good org.toml could not be kept: %s", error)

    def _last_good(self, now: datetime) -> _Read | None:
        text_file, calendar_file = self._kept
        try:
            text = text_file.read_text(encoding="utf-8")
            calendars: dict[str, str] = json.loads(calendar_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        try:
            org = read_org(text, now, file=text_file.name, calendar=lambda name: calendars.get(name, ""))
        except OrgInvalid as error:
            log.warning("the last good org.toml cannot be read by this Headway: %s", error.message)
            return None
        return _Read(org, text, calendars)


def _read(file: Path, now: datetime, stamps: dict[Path, _Stamp]) -> _Read:
    """What lies there, with the stamps of the calendars it names. Raises OrgInvalid."""
    calendars: dict[str, str] = {}

    def calendar(name: str) -> str:
        path = file.parent / name
        stamps[path] = _stamp(path)
        calendars[name] = _text_of(path)
        return calendars[name]

    try:
        text = _text_of(file)
    except OSError as error:
        raise _unreadable(file, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _unreadable(file, "this is not UTF-8", line) from error
    org = read_org(text, now, file=file.name, calendar=calendar)
    return _Read(org, text, calendars)


def _unreadable(file: Path, message: str, line: int = 1) -> OrgInvalid:
    return OrgInvalid(file.name, [Fault(file.name, "", line, 1, message)])


def _text_of(path: Path) -> str:
    """Raises OSError, also for what is no file, and UnicodeDecodeError."""
    # Without waiting: a named pipe would keep whoever opens it until somebody writes.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        data = opened.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {_MOST_BYTES // 1024**2} MiB")
    return data.decode("utf-8")


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return (max(found.st_mtime_ns, found.st_ctime_ns), found.st_mtime_ns, found.st_ino, found.st_size)


def _write(path: Path, text: str) -> None:
    """In one rename: whoever reads it has the old or the new."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    beside.replace(path)
