"""The database goes away for a moment, as at its restart: nothing stops for good, nothing is lost."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from headway.base.errors import DiskFull, HeadwayError
from headway.domain.states import State
from headway.engine.outgoing.hub import Hub
from headway.store.errors import DatabaseUnavailable
from tests.support.serving import Serving, contract, pushed

GONE = DatabaseUnavailable("the database did not answer")


@contextmanager
def away(database: Any, *names: str, error: HeadwayError = GONE) -> Iterator[None]:
    """As when the server on the other end was stopped; of `names` only those."""

    def refuse(*_: object) -> Any:
        raise error

    kept: dict[str, Callable[..., Any]] = {}
    for name in names or ("transact", "read"):
        kept[name] = getattr(database, name)
        setattr(database, name, refuse)
    try:
        yield
    finally:
        for name in kept:
            delattr(database, name)


async def test_news_go_on_when_the_database_is_back(serving: Serving) -> None:
    hub: Hub = serving.server.hub
    await hub.start()
    pump = asyncio.create_task(hub.run())
    with await hub.subscribe() as reader:
        with away(serving.database):
            hub.wake()
            await asyncio.sleep(0.1)
            assert not pump.done()
        shop = await serving.add()
        news = await reader.next(5)
        assert news is not None
        assert (news.kind, news.subject) == ("repository.changed", shop.id)
    pump.cancel()


@pytest.mark.slow
async def test_a_run_that_could_not_be_given_back_is_taken_up_again(serving: Serving) -> None:
    working = serving.working()
    shop = await serving.add()
    sha = working.commit(contract('[jobs.test]\nrun = "echo begun; sleep 0.3; echo ended"\n'))
    await serving.tell(shop, pushed(None, sha))
    await serving.take_in()
    runs = serving.parts.runs
    await runs.tick(serving.server.now())
    while serving.runs()[0].state is not State.RUNNING:
        await asyncio.sleep(0.01)
    with away(serving.database):
        while runs.active:
            await asyncio.sleep(0.01)
    await asyncio.sleep(1.1)
    await serving.drive()
    [run] = serving.runs()
    assert run.state is State.SUCCEEDED
    assert serving.log(run, "test").decode().split() == ["begun", "ended"]


async def test_what_cannot_even_be_put_off_is_not_tried_without_end(serving: Serving) -> None:
    """The disk is full: whoever is woken by a failure would try again at once, and again."""
    shop = await serving.add()
    sha = serving.working().commit(contract())
    await serving.tell(shop, pushed(None, sha))
    intake, woken = serving.parts.intake, 0

    def wake() -> None:
        nonlocal woken
        woken += 1

    intake.wake = wake
    with away(serving.database, "transact", error=DiskFull("the disk is full")):
        await intake.tick(serving.server.now())
        await intake.settle()
    assert woken == 0
    await serving.take_in()
    assert [run.commit for run in serving.runs()] == [sha]
