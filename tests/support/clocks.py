"""A clock that only a test moves."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


@dataclass
class HandClock:
    """Wall and monotonic time go on together, and only by `pass_`; who sleeps lets time pass."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOON).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.pass_(timedelta(seconds=seconds))

    def pass_(self, time: timedelta) -> None:
        self.at += time
