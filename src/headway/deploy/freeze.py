"""Whether deployments are frozen at an instant, and until when. Every span is half-open: its end is open again.

Weekly windows are meant in the wall time of their zone. Where the clock changes inside of one, it begins at the first and
ends at the last moment that its times may mean: never twice, and never open in between.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from headway.base.globs import takes_in
from headway.domain.org import Freeze

_FOREVER = datetime.max.replace(tzinfo=UTC)
#: Freezes that follow one another without a gap; more than this is for ever as far as anybody plans.
_MOST_IN_A_ROW = 500


def active(freezes: Iterable[Freeze], service: str, environment: str, at: datetime) -> Freeze | None:
    """The freeze that counts at `at`: one that lets no hotfix pass before one that does, then the one that ends last."""
    found = [
        (not freeze.hotfix, end or _FOREVER, freeze)
        for freeze in freezes
        if takes_in(freeze.services, service) and takes_in(freeze.environments, environment)
        for frozen, end in [_at(freeze, at)]
        if frozen
    ]
    return max(found, key=lambda candidate: candidate[:2])[2] if found else None


def ends_at(freezes: Sequence[Freeze], service: str, environment: str, at: datetime) -> datetime | None:
    """The first instant after `at` at which nothing is frozen; None when nothing is now, or when no end is known."""
    moment = at
    for _ in range(_MOST_IN_A_ROW):
        freeze = active(freezes, service, environment, moment)
        if freeze is None:
            return None if moment == at else moment
        _, end = _at(freeze, moment)
        if end is None:
            return None
        moment = end
    return None


def _at(freeze: Freeze, at: datetime) -> tuple[bool, datetime | None]:
    """Whether this freeze holds at the instant, and when that span of it ends."""
    for start, end in _spans_near(freeze, at):
        if (start is None or start <= at) and (end is None or at < end):
            return True, end
    return False, None


def _spans_near(freeze: Freeze, at: datetime) -> Iterator[tuple[datetime | None, datetime | None]]:
    if freeze.start is not None or freeze.end is not None:
        yield freeze.start, freeze.end
    if freeze.days:
        zone = ZoneInfo(freeze.zone)
        today = at.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            if day.weekday() in freeze.days:
                yield _window(day, freeze.from_ or "00:00", freeze.until or "24:00", zone)
    for start, end, _ in freeze.spans:
        yield start, end


def _window(day: date, from_: str, until: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """`until` at or before `from_` is on the next day."""
    next_day = until == "24:00" or until <= from_
    end_day, end_time = day + timedelta(days=next_day), "00:00" if until == "24:00" else until
    return _instant(day, from_, zone, last=False), _instant(end_day, end_time, zone, last=True)


def _instant(day: date, wall: str, zone: ZoneInfo, *, last: bool) -> datetime:
    """The instant of a wall time; where it comes twice the first or the last, where it is left out the change itself."""
    local = datetime.combine(day, time.fromisoformat(wall), zone)
    first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if second >= first:
        return second if last else first
    before, after = second, first
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
