"""A clock that was set far forward and back: nothing that was written down meanwhile waits for that day."""

from datetime import timedelta
from typing import Any, cast

from headway.base.clock import from_milliseconds, to_milliseconds
from headway.domain.intake import Schedule
from headway.engine.intake.schedules import ScheduleDuty
from headway.store.bulk import insert_rows
from headway.store.database import Database
from headway.store.repositories import put_schedules, schedules_of
from headway.store.rests import end_long_rests
from tests.support.clocks import NOON

MINUTE, HOUR, YEARS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=3000)


def test_polls_and_tries_of_a_clock_that_was_far_ahead_are_due_now(database: Database) -> None:
    repositories = {
        "far": (60, YEARS), "rare": (86_400, 25 * HOUR), "hook": (0, HOUR), "faulty": (60, 16 * MINUTE), "near": (60, MINUTE),
    }  # fmt: skip
    arrivals, effects = {"1": YEARS, "2": 10 * MINUTE}, {"a": YEARS, "b": HOUR}

    def at(wait: timedelta) -> int:
        return to_milliseconds(NOON + wait)

    def fill(tx) -> None:  # type: ignore[no-untyped-def]
        for id, (poll_every, wait) in repositories.items():
            values: dict[str, object] = dict.fromkeys(["url", "web_url", "created_by", "fault"], "")
            values |= {
                "id": id,
                "name": id,
                "forge": "github",
                "created_at": 0,
                "poll_every": poll_every,
                "faults": 0,
            }
            insert_rows(tx, "repositories", [values | {"due_at": at(wait)}])
        for number, wait in arrivals.items():
            row = {
                "number": int(number), "repository": "far", "key": number, "delivery": number, "content": number,
                "kind": "push", "ref": "r", "body": "{}", "received_at": 0, "state": "waiting", "attempts": 1, "note": "",
            }  # fmt: skip
            insert_rows(tx, "arrivals", [row | {"due_at": at(wait)}])
        for id, wait in effects.items():
            row = {
                "id": id, "kind": "webhook", "key": id, "subject": id, "position": 1, "body": "{}", "created_at": 0,
                "state": "waiting", "attempts": 1, "note": "",
            }  # fmt: skip
            insert_rows(tx, "outbox", [row | {"due_at": at(wait)}])

    database.transact(fill)
    assert database.transact(lambda tx: end_long_rests(tx, NOON)) == 3
    due = {}
    for table, key in (("repositories", "id"), ("arrivals", "number"), ("outbox", "id")):
        rows = database.read(
            lambda tx, table=table, key=key: tx.all(f"SELECT {key} AS id, due_at FROM {table}")
        )  # type: ignore[misc]
        due |= {str(row["id"]): from_milliseconds(row["due_at"]) - NOON for row in rows}
    waits = {id: wait for id, (_, wait) in repositories.items()} | arrivals | effects
    assert due == {id: timedelta(0) if wait == YEARS else wait for id, wait in waits.items()}
    assert database.transact(lambda tx: end_long_rests(tx, NOON)) == 0


async def test_a_cron_trigger_of_a_clock_that_was_far_ahead_comes_at_its_next_time(
    database: Database,
) -> None:
    values: dict[str, object] = dict.fromkeys(["url", "web_url", "created_by", "fault"], "")
    values |= {"id": "r", "name": "r", "forge": "github", "created_at": 0, "poll_every": 60, "faults": 0}
    written = [
        Schedule("r", "shop", name, cron, "UTC", "main", {}, NOON + wait)
        for name, cron, wait in (("nightly", "0 3 * * *", YEARS), ("hourly", "0 * * * *", HOUR))
    ]
    database.transact(lambda tx: insert_rows(tx, "repositories", [values]))
    database.transact(lambda tx: put_schedules(tx, "r", written))
    duty = ScheduleDuty(database, cast(Any, None), cast(Any, None))
    assert await duty.tick(NOON) == NOON + HOUR
    due = {schedule.name: schedule.due_at for schedule in database.read(lambda tx: schedules_of(tx, "r"))}
    assert due == {"nightly": NOON + 15 * HOUR, "hourly": NOON + HOUR}
