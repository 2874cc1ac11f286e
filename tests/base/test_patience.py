"""A limit that passed because this process stood still is no verdict about those whom it asked."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.base.awake import awake_for
from headway.base.patience import Patience
from tests.support.clocks import HandClock


def after(gaps: list[float], *, seconds: float = 10.0) -> list[float]:
    clock = HandClock()
    patience = Patience(clock.monotonic, seconds, tick=2.0)
    found = []
    for gap in gaps:
        clock.pass_(timedelta(seconds=gap))
        found.append(patience.left())
    return found


def test_what_was_slept_through_counts_as_one_look() -> None:
    assert after([1, 37, 1]) == [9, 7, 6]
    assert after([2, 2, 2, 2, 2]) == [8, 6, 4, 2, 0]


def test_who_slept_through_the_end_looks_once_more_before_anything_is_judged() -> None:
    assert after([2, 2, 2, 2, 1, 37, 2]) == [8, 6, 4, 2, 1, 2, 0]
    assert after([2, 2, 2, 2, 1, 37, 37, 37])[-2:] == [0, -2]


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=400))
def test_it_ends_however_often_one_sleeps(gaps: list[float]) -> None:
    awake = sum(min(gap, 2.0) for gap in gaps)
    if awake > 10.0 + 2 * 2.0:
        assert min(after(gaps)) <= 0


async def test_an_answer_that_came_meanwhile_is_read(standing_still: Callable[[float], None]) -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()
    async with awake_for(30):
        standing_still(37)
        # As bytes that are read a few turns of the loop later.
        loop.call_later(0.05, answer.set_result, "well")
        assert await answer == "well"


async def test_who_is_awake_does_not_wait_for_ever() -> None:
    for seconds in (0.0, 0.02):
        with pytest.raises(TimeoutError):
            async with awake_for(seconds):
                await asyncio.Event().wait()


async def test_no_limit_is_none() -> None:
    async with awake_for(None):
        await asyncio.sleep(0)
