"""Which logs are finished and may be packed: those of jobs that ended, soon after, and in a round all that were missed."""

import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from headway.base.clock import EPOCH
from headway.drivers.log_packing import PARTIAL
from headway.drivers.logfile import compress
from headway.engine.janitor.retention import Enough
from headway.engine.settings import Settings
from headway.store import retention as rows
from headway.store.database import Database

#: Runs that began longer ago are left to the round: asking the database for newer ones costs by their number.
_RECENT = timedelta(days=2)
#: Runs that one question to the database is about.
_RUNS = 500


class LogPacker:
    def __init__(self, database: Database, settings: Settings, after: timedelta) -> None:
        """A log is packed `after` the end of its job. By then every transaction that told of an end is long over."""
        self._database = database
        self._logs = settings.logs
        self._after = after
        #: Jobs that ended before this are packed, or the round's.
        self._done_until: datetime | None = None
        #: The last folder of the round that is under way.
        self._cursor = ""

    def pack_recent(self, now: datetime, enough: Enough) -> tuple[int, bool]:
        """How many were packed, and whether more are left."""
        until, recent = now - self._after, now - _RECENT
        since = self._done_until
        since = since if since is not None and recent < since <= until else recent
        ended = self._database.read(
            lambda tx: rows.ended_logs(tx, begun_after=recent, ended_from=since, ended_before=until)
        )
        count = 0
        for job in ended:
            if enough():
                return count, True
            # Earlier attempts ended before it.
            for path in sorted((self._logs / job.run).glob(f"{job.job}.*.log")):
                count += _pack(path)
            self._done_until = job.finished_at
        self._done_until = until
        return count, False

    def pack_all(self, now: datetime, enough: Enough) -> tuple[int, bool]:
        """The round: every log of a run that is known to have ended. Goes on where it was cut short."""
        try:
            names = sorted(name for name in os.listdir(self._logs) if name > self._cursor)
        except FileNotFoundError:
            names = []
        count = 0
        for start in range(0, len(names), _RUNS):
            part = names[start : start + _RUNS]
            # A run that no row knows may be another database's, and still be running.
            ended = self._database.read(lambda tx, part=part: rows.ended_among(tx, part))  # type: ignore[misc]
            for name in part:
                if enough():
                    return count, True
                if name in ended:
                    count += self._pack_folder(self._logs / name, now)
                self._cursor = name
        self._cursor = ""
        return count, False

    def _pack_folder(self, folder: Path, now: datetime) -> int:
        count = 0
        with suppress(FileNotFoundError):
            for path in sorted(folder.iterdir()):
                changed_at = EPOCH + timedelta(seconds=path.stat().st_mtime)
                if path.suffix == ".log" and changed_at <= now - self._after:
                    count += _pack(path)
                elif path.suffix == PARTIAL and changed_at <= now - timedelta(hours=1):
                    path.unlink()
        return count


def _pack(path: Path) -> bool:
    """The folder keeps its time: by it and the logs' the logs go one day."""
    with suppress(FileNotFoundError):
        status = path.parent.stat()
        packed = compress(path)
        os.utime(path.parent, ns=(status.st_atime_ns, status.st_mtime_ns))
        return packed
    return False
