import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.dora.metric import MetricName
from headway.drivers.git import Git
from headway.engine.views.delivery import DeliveryReports, Wanted, trend
from headway.store.database import Database
from tests.support.databases import fresh_sqlite_url, opened
from tests.support.deliveries import S, Story, at
from tests.support.stored_deliveries import store

DAY = 24.0
ALL = Wanted(None, None, timedelta(days=90))


def reports(database: Database) -> DeliveryReports:
    return DeliveryReports(database, Git({}, Path("/nowhere")))


async def test_a_report_is_kept_shown_when_old_and_measured_anew_meanwhile() -> None:
    with fresh_sqlite_url() as url, opened(url) as database:
        kept, story = reports(database), Story()
        story.add(10)
        store(database, story.facts)
        first = await kept.get(ALL, at(20))
        assert first.report[MetricName.FREQUENCY].events == 1
        assert await kept.get(ALL, at(20)) is first
        more = Story(service="mail")
        more.add(15, release="m1")
        store(database, more.facts)
        later = at(20) + timedelta(minutes=2)
        assert await kept.get(ALL, later) is first
        await asyncio.gather(*kept._working.values())
        second = await kept.get(ALL, later)
        assert second.report[MetricName.FREQUENCY].events == 2 and second.at == later


async def test_many_who_ask_at_once_are_answered_by_one_measuring() -> None:
    with fresh_sqlite_url() as url, opened(url) as database:
        kept, story = reports(database), Story()
        story.add(10)
        store(database, story.facts)
        answers = await asyncio.gather(*(kept.get(ALL, at(20)) for _ in range(5)))
        assert all(answer is answers[0] for answer in answers)


async def test_an_unknown_service_is_said_and_not_kept() -> None:
    with fresh_sqlite_url() as url, opened(url) as database:
        kept, story = reports(database), Story()
        story.add(10)
        store(database, story.facts)
        for _ in range(2):
            with pytest.raises(WrongUse, match="nothing of a service 'shopp'"):
                await kept.get(Wanted("shopp", None, timedelta(days=90)), at(20))


def test_trends_have_a_place_for_each_week_and_gaps_where_nothing_was() -> None:
    story = Story()
    story.add(1 * DAY, commits=[0.0])
    story.add(2 * DAY, state=S.ROLLED_BACK)
    story.add(16 * DAY, commits=[15 * DAY])
    report = story.report(20 * DAY, since=-1)
    assert trend(report[MetricName.FREQUENCY], report) == [1.0, 0.0, 1.0]
    assert trend(report[MetricName.FAIL_RATE], report) == [0.5, None, 0.0]
    lead = trend(report[MetricName.LEAD_TIME], report)
    assert [None if value is None else round(value / 3600, 1) for value in lead] == [24.2, None, 24.2]
