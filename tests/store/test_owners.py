from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from headway.base.clock import SystemClock
from headway.store.database import Database, open_database
from headway.store.owners import Owner, claim, holder, is_held, release, renew

ANA = Owner("laptop", "boot-1", 100, "5555", "ana@laptop")
BO = Owner("laptop", "boot-1", 200, "6666", "bo@laptop")
CY = Owner("laptop", "boot-1", 300, "7777", "cy@laptop")
MINUTE = timedelta(minutes=1)
OVER = timedelta()


def now() -> datetime:
    return SystemClock().now()


def take(database: Database, owner: Owner, lease: timedelta = MINUTE, **more: object) -> int | None:
    return database.transact(lambda tx: claim(tx, "run", "run-1", owner, now(), lease, **more))  # type: ignore[arg-type]


def test_a_claim_excludes_everybody_else_and_the_same_process(database: Database) -> None:
    assert take(database, ANA, reason="deploying") == 1
    assert take(database, BO) is None
    assert take(database, ANA) is None
    held = database.read(lambda tx: holder(tx, "run", "run-1"))
    assert held is not None
    assert (held.owner, held.token, held.reason) == (ANA, 1, "deploying")
    # PostgreSQL reads its clock once for each of the two.
    assert MINUTE <= held.lease_until - held.claimed_at < MINUTE + timedelta(seconds=5)
    assert held.claimed_at - timedelta(seconds=5) <= now()


@pytest.mark.parametrize(
    ("lease", "alive", "token"),
    [
        (MINUTE, True, None),
        (MINUTE, None, None),  # on another machine only the lease tells
        (MINUTE, False, 2),  # dead is dead at once
        (OVER, True, 2),  # it did not renew: the token keeps it from writing
        (OVER, None, 2),
    ],
)
def test_who_may_take_over(
    database: Database, lease: timedelta, alive: bool | None, token: int | None
) -> None:
    def lives(owner: Owner) -> bool | None:
        return alive if owner == ANA else True

    take(database, ANA, lease)
    refused = database.read(lambda tx: is_held(tx, "run", "run-1", now(), lives))
    assert refused is (token is None), "who asks beforehand is told the same"
    assert take(database, BO, is_alive=lives) == token


def test_what_nobody_claimed_is_not_held_and_without_a_judge_only_the_lease_tells(database: Database) -> None:
    def refused(id: str) -> bool:
        return database.read(lambda tx: is_held(tx, "run", id, now()))

    take(database, ANA)
    assert (refused("run-1"), refused("run-2")) == (True, False)
    held = database.read(lambda tx: holder(tx, "run", "run-1"))
    assert held is not None
    assert held.reason == ""
    database.transact(lambda tx: release(tx, "run", "run-1", 1))
    assert not refused("run-1")


def test_the_token_grows_over_release_and_takeover(database: Database) -> None:
    assert take(database, ANA) == 1
    assert database.transact(lambda tx: release(tx, "run", "run-1", 1))
    assert database.read(lambda tx: holder(tx, "run", "run-1")) is None
    assert take(database, BO, OVER) == 2
    assert take(database, ANA) == 3


def test_an_owner_that_was_taken_over_can_neither_renew_nor_release(database: Database) -> None:
    take(database, ANA, OVER)
    take(database, BO)
    assert not database.transact(lambda tx: renew(tx, "run", "run-1", 1, now(), MINUTE))
    assert not database.transact(lambda tx: release(tx, "run", "run-1", 1))
    held = database.read(lambda tx: holder(tx, "run", "run-1"))
    assert held is not None and held.owner == BO


def test_renewing_moves_the_lease(database: Database) -> None:
    take(database, ANA, OVER)
    assert database.transact(lambda tx: renew(tx, "run", "run-1", 1, now(), MINUTE))
    held = database.read(lambda tx: holder(tx, "run", "run-1"))
    assert held is not None
    assert held.lease_until - held.claimed_at > MINUTE - timedelta(seconds=5)
    assert take(database, BO) is None
    database.transact(lambda tx: release(tx, "run", "run-1", 1))
    assert not database.transact(lambda tx: renew(tx, "run", "run-1", 1, now(), MINUTE))


def test_of_many_that_take_over_at_once_one_wins(database_url: str) -> None:
    with open_database(database_url) as database:
        take(database, ANA, OVER)

    def rival(number: int) -> int | None:
        with open_database(database_url) as mine:
            return take(mine, Owner("laptop", "boot-1", number, "1"))

    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(rival, range(8)))
    assert sorted(tokens, key=str) == [2, *[None] * 7]


def test_who_was_overtaken_between_look_and_claim_gets_nothing(postgresql_server) -> None:  # type: ignore[no-untyped-def]
    """PostgreSQL alone: SQLite has one writer at a time, so nobody can come in between."""
    with postgresql_server.fresh_url() as url, open_database(url) as database, open_database(url) as other:
        take(database, ANA)

        def dead_and_another_is_faster(owner: Owner) -> bool:
            assert take(other, CY, is_alive=lambda _: False) == 2
            return False

        assert take(database, BO, is_alive=dead_and_another_is_faster) is None
        held = database.read(lambda tx: holder(tx, "run", "run-1"))
        assert held is not None and (held.owner, held.token) == (CY, 2)


def test_a_lease_of_several_servers_is_judged_by_the_databases_clock(postgresql_server) -> None:  # type: ignore[no-untyped-def]
    ahead = datetime(2099, 1, 1, tzinfo=UTC)
    with postgresql_server.fresh_url() as url, open_database(url) as database:
        take(database, ANA)
        taken = database.transact(lambda tx: claim(tx, "run", "run-1", BO, ahead, MINUTE))
    assert taken is None
