"""When a cron trigger is due, in its own time zone.

As Debian's cron does it: a fixed time that the clock leaves out in spring is due right after the change, one that comes
twice in autumn is due once; a time with `*` in minute or hour goes by the clock as it is, each hour of the day of change.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

#: After a pause a time that was missed is made up for, if it is not longer ago than this.
MAX_DELAY = timedelta(hours=1)


def next_due(at: str, zone: str, after: datetime) -> datetime | None:
    """The first due instant after `after`, in UTC; None for a time that never comes again. `at` was checked."""
    # Inside the hour that comes twice the first answers may lie before `after`: its wall time is ambiguous.
    for due in CronSim(at, after.astimezone(ZoneInfo(zone))):
        instant: datetime = due.astimezone(UTC)
        if instant > after:
            return instant
    return None


def missed(
    at: str, zone: str, due_at: datetime, now: datetime, max_delay: timedelta = MAX_DELAY
) -> datetime | None:
    """Of all times due from `due_at` until now the one to run for: the last, unless it is too long ago.

    None: nothing is due, or what was has become too old to matter; the next time comes anyway.
    """
    if now < due_at:
        return None
    last = due_at
    # What is due is due after a moment: one second before the oldest that still matters.
    moment = max(due_at, now - max_delay - timedelta(seconds=1))
    while (following := next_due(at, zone, moment)) is not None and following <= now:
        last = moment = following
    return last if now - last <= max_delay else None
