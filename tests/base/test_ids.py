from datetime import UTC, datetime, timedelta

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.base.ids import new_id

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def test_ids_sort_by_the_time_they_were_made():
    ids = [new_id("run", NOON + timedelta(milliseconds=step)) for step in range(0, 100_000, 997)]
    assert ids == sorted(ids)


def test_two_ids_of_the_same_instant_differ():
    assert len({new_id("run", NOON) for _ in range(1000)}) == 1000


def test_an_instant_survives_being_stored():
    for step in (0, 1, 999, 10**9 + 7):
        instant = NOON + timedelta(milliseconds=step)
        assert from_milliseconds(to_milliseconds(instant)) == instant
