"""Wall time that never goes back while a process lives."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from headway.base.clock import SteadyClock

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Machine:
    """A machine whose wall clock somebody sets."""

    def __init__(self) -> None:
        self.wall, self.up = NOON, 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.up

    async def sleep(self, seconds: float) -> None:
        self.pass_(seconds)

    def pass_(self, seconds: float, *, set_by: float = 0.0) -> None:
        self.up += seconds
        self.wall += timedelta(seconds=seconds + set_by)


def test_a_clock_that_is_set_back_counts_on() -> None:
    machine = Machine()
    clock = SteadyClock(machine)
    machine.pass_(10)
    assert clock.now() == NOON + timedelta(seconds=10)
    machine.pass_(5, set_by=-3600)
    assert clock.now() == NOON + timedelta(seconds=15)
    machine.pass_(3600, set_by=60)
    assert clock.now() == NOON + timedelta(seconds=3615)


def test_a_clock_that_is_set_forward_is_followed() -> None:
    machine = Machine()
    clock = SteadyClock(machine)
    machine.pass_(1, set_by=7200)
    assert clock.now() == machine.wall


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-10_000, 10_000)), max_size=30))
def test_it_never_goes_back_and_never_lags_behind_what_passed(steps: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = SteadyClock(machine)
    before = clock.now()
    for seconds, set_by in steps:
        machine.pass_(seconds, set_by=set_by)
        now = clock.now()
        assert now - before >= timedelta(seconds=seconds) - timedelta(milliseconds=1)
        assert now >= machine.wall
        before = now
