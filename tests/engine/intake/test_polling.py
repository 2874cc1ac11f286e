"""Looking for news, while repositories come, go, change and fail."""

from datetime import timedelta

import pytest

from headway.domain.intake import Repository
from headway.engine.intake.polling import LookDuty
from headway.store import repositories
from headway.store.database import Transaction
from tests.support.serving import ADA, Serving, contract


def stored(serving: Serving, repository: Repository) -> Repository | None:
    def work(tx: Transaction) -> Repository | None:
        return repositories.repository_by_id(tx, repository.id)

    found: Repository | None = serving.database.read(work)
    return found


async def test_a_repository_that_goes_during_its_look_is_due_nevermore(serving: Serving) -> None:
    """Else the loop would come at once, for ever, for what it never looks at."""
    serving.working().commit(contract())
    shop = await serving.add()
    now = serving.server.now()
    await serving.server.repositories.remove(ADA, shop)
    due_at = now - timedelta(seconds=1)
    serving.database.transact(lambda tx: repositories.looked(tx, shop, now=now, due_at=due_at))
    assert serving.database.read(repositories.next_look) is None
    # As it is in databases where that has happened.
    serving.database.transact(
        lambda tx: tx.execute("UPDATE repositories SET due_at = 1 WHERE id = :id", id=shop.id)
    )
    assert serving.database.read(repositories.next_look) is None


async def test_who_asks_for_a_look_during_one_gets_another(serving: Serving) -> None:
    shop = await serving.add()
    now = serving.server.now()
    await serving.server.repositories.look_soon(shop.id)
    asked = stored(serving, shop)
    serving.database.transact(
        lambda tx: repositories.looked(tx, shop, now=now, due_at=now + timedelta(hours=1))
    )
    after = stored(serving, shop)
    assert asked is not None
    assert after is not None
    assert (after.due_at, after.checked_at is None) == (asked.due_at, False)
    serving.database.transact(
        lambda tx: repositories.looked(tx, after, now=now, due_at=now + timedelta(hours=1))
    )
    ended = stored(serving, shop)
    assert ended is not None
    assert ended.due_at is not None
    assert ended.due_at > now + timedelta(minutes=59)


async def test_a_look_takes_no_team_away_that_was_declared_meanwhile(serving: Serving) -> None:
    """The first look learns the default branch while a webhook's push declares the rest."""
    serving.working().commit(contract())
    shop = await serving.add()
    serving.database.transact(
        lambda tx: repositories.describe(tx, shop.id, service="shop", team="storefront", default_branch=None)
    )
    serving.server.repositories.forget(shop.id)
    await LookDuty._look(serving.parts.looking, shop)
    after = stored(serving, shop)
    assert after is not None
    assert (after.team, after.default_branch) == ("storefront", "main")


async def test_a_look_that_fails_by_a_fault_of_ours_is_told_and_comes_again_later(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.working().commit(contract())
    shop = await serving.add()
    looking, woken = serving.parts.looking, []
    looking.wake = lambda: woken.append(1)

    def fail(*_: object) -> None:
        raise RuntimeError("a surprise")

    with monkeypatch.context() as broken:
        broken.setattr(looking, "_refs", fail)
        await looking.tick(serving.server.now())
        await looking.settle()
    after = stored(serving, shop)
    assert after is not None
    assert after.due_at is not None
    assert (after.fault, after.due_at > serving.server.now() + timedelta(seconds=30)) == (
        "RuntimeError: a surprise",
        True,
    )
    await serving.look()
    assert len(serving.runs()) == 1
